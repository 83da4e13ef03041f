/* Arguments of METH_FASTCALL | METH_KEYWORDS functions. */

#ifndef EXT_ARGUMENTS_H
#define EXT_ARGUMENTS_H

#include "compat.h"

struct arguments_spec {
    const char *function;
    const char *const *names; /* ends with NULL */
    int n_positional;         /* how many of them may be given by position */
    int n_required;
};

/* Sort what was given into `ret_slots`, one for each name; borrowed, NULL: not given.
 * 0, or -1 with TypeError set. */
int arguments_sort(const struct arguments_spec *spec, PyObject *const *args,
                   Py_ssize_t n_args, PyObject *names, PyObject **ret_slots);

#endif
