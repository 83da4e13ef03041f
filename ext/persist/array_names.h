/* The names of joblib's own classes in files. */

#ifndef EXT_PERSIST_ARRAY_NAMES_H
#define EXT_PERSIST_ARRAY_NAMES_H

#include "compat.h"

#include "pickle/unpickler.h"

/* unpickler_hooks.find_global, with an array_loader as hooks_data. The wrappers of
 * arrays are ours, by whatever name joblib was called, and need no permission; all else
 * of joblib is ours when joblib cannot be imported. */
int array_names_find(struct unpickler *unpickler, PyObject *module, PyObject *name,
                     PyObject **ret_object);

#endif
