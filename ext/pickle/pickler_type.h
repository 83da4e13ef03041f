/* The types cjoblib._core.Pickler, which has the interface of pickle.Pickler, and that
 * of its attribute `memo`. */

#ifndef EXT_PICKLE_PICKLER_TYPE_H
#define EXT_PICKLE_PICKLER_TYPE_H

#include "compat.h"
#include "pickle/memo.h"
#include "state.h"

struct pickler_object {
    PyObject_HEAD
    struct core_state *state;
    PyObject *write;
    PyObject *buffer_callback;
    PyObject *dispatch_table; /* NULL until somebody sets it */
    PyObject *persistent_id;  /* likewise */
    struct memo memo;
    Py_ssize_t n_memo;
    int protocol;
    int is_binary;
    int is_fast;
    int fix_imports;
    int is_running; /* dump() has the memo */
};

extern PyType_Spec pickler_type_spec;
extern PyType_Spec pickler_memo_spec;

/* The value of the attribute `memo`: looks at the pickler's own. */
PyObject *pickler_memo_get(PyObject *op, void *closure);

/* Take over the entries of another pickler's memo, or of a dict {id: (number, object)}.
 */
int pickler_memo_set(PyObject *op, PyObject *value, void *closure);

#endif
