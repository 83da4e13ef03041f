/* The type cjoblib._core.Shelf: cj_shelf for Python. */

#ifndef EXT_MEMO_SHELF_TYPE_H
#define EXT_MEMO_SHELF_TYPE_H

#include "compat.h"

#include <cjoblib/store.h>

#include "state.h"

extern PyType_Spec shelf_type_spec;

/* A Shelf for `function`; `store` is the Store object of `location`. */
PyObject *shelf_new(struct core_state *state, PyObject *store, struct cj_store *handle,
                    PyObject *location, const char *function,
                    const uint8_t version[CJ_KEY_BYTES]);

/* For PyArg_ParseTuple(): a `const uint8_t *` to the CJ_KEY_BYTES bytes of a key. */
int key_converter(PyObject *object, void *ret_key);

/* For visits that fill a list: 0, or what ends the visits, with an exception. Takes
 * `item`, which may be NULL with an exception. */
int list_add(PyObject *list, PyObject *item);

/* The list (taken), or NULL with an exception, for the result of the visits; errors
 * name `what`. */
PyObject *list_done(PyObject *list, int r, PyObject *what);

/* The C shelf behind a Shelf object. */
struct cj_shelf *shelf_of_object(PyObject *shelf);

/* cj_shelf_get() without the GIL. Outcomes as there; < 0: an exception names the
 * folder. */
int shelf_read(PyObject *shelf, const uint8_t key[CJ_KEY_BYTES],
               struct cj_entry *ret_entry);

/* cj_shelf_claim() without the GIL; signal handlers run while it waits. Outcomes as
 * there; < 0: an exception, theirs or one that names the folder. */
int shelf_claim(PyObject *shelf, const uint8_t key[CJ_KEY_BYTES],
                enum cj_claim_mode mode, struct cj_entry *ret_entry,
                struct cj_lease **ret_lease);

#endif
