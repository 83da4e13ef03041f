/* From negative results of the C library to Python exceptions. */

#ifndef EXT_ERRORS_H
#define EXT_ERRORS_H

#include "compat.h"

/* Raise what the negative result `r` (-errno) means: OSError with its subclass by
 * number, MemoryError for -ENOMEM. `what` (a path, a key, a name: str or bytes; may be
 * NULL) becomes the exception's `filename`. Returns NULL. */
PyObject *error_raise(int r, PyObject *what);

#endif
