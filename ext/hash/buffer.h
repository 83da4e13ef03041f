/* Any buffer's bytes in a given order, without a copy of the whole. */

#ifndef EXT_HASH_BUFFER_H
#define EXT_HASH_BUFFER_H

#include "hash/hasher.h"

/* 'F' when the items are contiguous in Fortran's order and not in C's, otherwise 'C'.
 */
char buffer_order(const Py_buffer *view);

/* Visit the items one by one: the last index runs fastest in order 'C', the first in
 * 'F'. */
struct buffer_walk {
    const Py_buffer *view;
    const char *at; /* the item; of no meaning past the last */
    int first, step;
    Py_ssize_t index[PyBUF_MAX_NDIM];
};

void buffer_walk_start(struct buffer_walk *walk, const Py_buffer *view, char order);

void buffer_walk_next(struct buffer_walk *walk);

/* The digest of order and shape. */
void buffer_layout_digest(struct hasher *h, const Py_buffer *view, char order,
                          struct value *ret);

/* The digest of the items' bytes, without the GIL if they are many. `code` is NumPy's
 * type code: in its long doubles ('g', 'G') the padding counts as zero. */
int buffer_data_digest(struct hasher *h, const Py_buffer *view, char order, char code,
                       struct value *ret);

#endif
