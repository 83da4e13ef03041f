/* Which globals a stream may name.
 *
 * `allow` is None, which allows all, or a collection of patterns such as
 *
 *     "collections.OrderedDict"    this class
 *     "numpy.*"                    everything below numpy, also numpy.random.mtrand.X
 *     "models.*.Config"            a `*` inside stands for one component
 *
 * A pattern is matched against the components of `module.name` as a whole, after the
 * names of Python 2 were mapped, and before anything is imported. Then, so that a name
 * inside the list does not lead out of it:
 *
 *   - `*` does not stand for a name in two underscores (`__builtins__`, `__import__`),
 *   - a dotted name is followed through classes only, never through modules or
 * functions,
 *   - a module is never the result,
 *   - what a `*` led to must be a class or a callable, and if it says that its home is
 * another module, then that name must be allowed as well,
 *   - only what was found this way may be called (REDUCE, NEWOBJ, NEWOBJ_EX, INST,
 * OBJ),
 *   - BUILD changes instances, not the classes and functions that were found.
 *
 * A list does not make a stream safe whose allowed functions are dangerous. */

#ifndef EXT_PICKLE_FIND_POLICY_H
#define EXT_PICKLE_FIND_POLICY_H

#include "compat.h"

struct core_state;

struct find_policy {
    PyObject *patterns; /* NULL: all is allowed; else a tuple of lists of components */
    PyObject *allow;    /* the tuple of patterns as they were given, to be handed on */
    PyObject *found;    /* {address: object}, what find_class gave */
};

/* `allow` may be NULL or None. TypeError and ValueError say which pattern is no
 * pattern. */
int find_policy_init(struct find_policy *policy, PyObject *allow);

void find_policy_done(struct find_policy *policy);

int find_policy_traverse(const struct find_policy *policy, visitproc visit, void *arg);

/* Whether module.name is on the list: 1, or 2 when a `*` led there, 0 when not, -1. */
int find_policy_match(const struct find_policy *policy, PyObject *module,
                      PyObject *name);

/* Whether the object that a `*` led to may be used: 1, 0, -1. */
int find_policy_judge(const struct find_policy *policy, PyObject *object);

/* Remember that `object` was found; -1 with MemoryError. */
int find_policy_admit(struct find_policy *policy, PyObject *object);

/* Whether find_policy_admit() saw it: 1, 0, -1. */
int find_policy_knows(const struct find_policy *policy, PyObject *object);

#endif
