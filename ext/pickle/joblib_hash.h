/* hash(obj) with joblib's value.
 *
 * joblib's value is the digest of: the bytes of each array and the pickle of each
 * dtype, as they are met; then one pickle of the whole object, in which they are only
 * described. That pickle is of protocol 3 and differs from an ordinary one in that
 *
 *      dict items are sorted; if they do not compare, each key gives way to its own
 * hash and these pairs are sorted; a set is an instance of
 * joblib.hashing._ConsistentSet with a sorted `_sequence`; bound methods and builtin
 * functions are instances of joblib.hashing._MyHash; no str and no bytes is memoized.
 *
 * Written from the behaviour of joblib 1.6.0 on CPython 3.10 to 3.13. */

#ifndef EXT_PICKLE_JOBLIB_HASH_H
#define EXT_PICKLE_JOBLIB_HASH_H

#include "compat.h"

#include <cjoblib/digest.h>

#include "pickle/joblib_stream.h"
#include "pickle/pickler.h"

enum numpy_presence { NUMPY_UNKNOWN, NUMPY_ABSENT, NUMPY_LOADED };

struct joblib_hasher {
    struct pickler pickler; /* its hook_context is the hasher */
    struct joblib_stream stream;
    bool coerce_mmap;
    enum numpy_presence numpy;
    /* Memo numbers of joblib's two stand-in classes; -1: not met yet. */
    Py_ssize_t my_hash_number;
    Py_ssize_t consistent_set_number;
};

/* The value as hexadecimal digits: a new reference, or NULL with an exception set. */
PyObject *joblib_hash_value(struct core_state *state, PyObject *obj,
                            enum cj_digest_kind kind, bool coerce_mmap);

/* The same for a part of an object that is being hashed, which joblib always hashes
 * with md5: RecursionError when that has gone too deep. */
PyObject *joblib_hash_part(struct core_state *state, PyObject *obj);

/* The method of the module. */
PyObject *joblib_hash(PyObject *module, PyObject *const *args, Py_ssize_t n_args,
                      PyObject *names);
extern const char joblib_hash_doc[];

/* --- hooks of the pickler
 * ------------------------------------------------------------- */

int joblib_take(struct pickler *p, PyObject *obj, PyObject **ret_instead);
int joblib_save_items(struct pickler *p, PyObject *items, bool is_exact);
int joblib_save_set(struct pickler *p, PyObject *set);
int joblib_recover(struct pickler *p, size_t at);

/* An instance of joblib.hashing.`class_name` whose only attribute is `name`; `*number`
 * is the class's memo number. Takes over the reference to `value`, which may be NULL
 * with an exception set. */
int joblib_save_stand_in(struct pickler *p, const char *class_name, Py_ssize_t *number,
                         PyObject *name, PyObject *value);

/* Arrays and dtypes, if NumPy is loaded: else nothing is one. As joblib_take(). */
int joblib_take_numpy(struct joblib_hasher *hasher, PyObject *obj,
                      PyObject **ret_instead);

/* 1: the keys of the dict are of one simple type, and `*ret_order` is a bytes object of
 * uint32_t: where PyDict_Next() finds the entries, in the order of their keys. 0: they
 * are not; -1. */
int joblib_order(PyObject *dict, PyObject **ret_order);

#endif
