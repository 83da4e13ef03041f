/* Arrays in a load: when the unpickler has built a wrapper, the elements stand right
 * behind it, and the array takes its place. */

#ifndef EXT_PERSIST_LOAD_ARRAY_H
#define EXT_PERSIST_LOAD_ARRAY_H

#include "compat.h"

#include <cjoblib/codec.h>

#include "persist/input.h"
#include "persist/names.h"
#include "pickle/unpickler.h"

/* How arrays are read. */
struct array_loader {
    struct names names;
    struct gil gil;
    struct input *input; /* NULL: the source is a Python file or memory */
    uint64_t base;       /* the position that the source begins at */
    PyObject *map;       /* borrowed; NULL: no maps; map(wrapper, start, position) */
    PyObject *side;      /* borrowed; side(wrapper): an array in a file of its own */
    bool is_native;      /* swap bytes of the other order */
    uint64_t max_bytes;  /* of arrays, too */
    uint64_t n_shuffled; /* bytes made of shuffled arrays */
    struct cj_codec_options options;
    const struct unpickler_options *unpickler_options;
};

/* For unpickler.hooks, with an array_loader as hooks_data. */
extern const struct unpickler_hooks array_loader_hooks;

#endif
