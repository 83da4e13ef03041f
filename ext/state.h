/* All objects that the module owns, in one struct made from one list. */

#ifndef EXT_STATE_H
#define EXT_STATE_H

#include "compat.h"
#include "pickle/unpickler_state.h"

/* X(name): a strong reference, made by core_exec() or on first use. */
#define STATE_OBJECTS(X)                                                                 \
    X(digest_type)                                                                       \
    UNPICKLER_STATE_OBJECTS(X)

struct core_state {
#define STATE_FIELD(name) PyObject *name;
    STATE_OBJECTS(STATE_FIELD)
#undef STATE_FIELD
};

/* The state behind a module object. */
struct core_state *
core_state(PyObject *module);

/* The state behind one of the module's types, or behind a type derived from one. NULL with
 * an exception set when `type` is not one of those. */
struct core_state *
core_state_of_type(PyTypeObject *type);

#endif
