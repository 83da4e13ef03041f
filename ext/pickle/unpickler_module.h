/* What the unpickler adds to the module: Unpickler, pickle_loads(). */

#ifndef EXT_PICKLE_UNPICKLER_MODULE_H
#define EXT_PICKLE_UNPICKLER_MODULE_H

#include "compat.h"

struct core_state;

/* Called once by core_exec(). */
int unpickler_module_exec(PyObject *module);

/* Get what is made on first use; before every unpickler_init(). */
int unpickler_state_ready(struct core_state *state);

#endif
