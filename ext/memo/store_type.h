/* The types cjoblib._core.Store and Shelf: cj_store for Python. */

#ifndef EXT_MEMO_STORE_TYPE_H
#define EXT_MEMO_STORE_TYPE_H

#include "compat.h"

#include <cjoblib/store.h>

#include "state.h"

extern PyType_Spec store_type_spec;
extern PyType_Spec shelf_type_spec;

/* The C shelf behind a Shelf object. */
struct cj_shelf *shelf_of_object(PyObject *shelf);

/* cj_shelf_get() without the GIL. Outcomes as there; < 0: an exception names the
 * folder. */
int shelf_read(PyObject *shelf, const uint8_t key[CJ_KEY_BYTES],
               struct cj_entry *ret_entry);

#endif
