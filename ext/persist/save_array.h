/* Arrays in a dump: in the pickle a NumpyArrayWrapper, and at once behind it the
 * elements (doc/formats/file.md). */

#ifndef EXT_PERSIST_SAVE_ARRAY_H
#define EXT_PERSIST_SAVE_ARRAY_H

#include "compat.h"

#include <cjoblib/array.h>

#include "persist/names.h"
#include "persist/output.h"
#include "pickle/pickler.h"

/* How arrays are written. */
struct array_saver {
    struct names names;
    struct output *output;
    uint64_t base;    /* the position that the dump begins at */
    bool is_aligned;  /* the position is known */
    bool is_shuffled; /* by cj_array_encode() */
    struct cj_array_options shuffle;
    Py_ssize_t class_numbers[2]; /* of the wrappers' classes in the memo; -1: not yet */
};

/* For pickler.hooks, with an array_saver as hook_context. */
extern const struct pickler_hooks array_saver_hooks;

#endif
