#include "hash/buffer.h"

#include <float.h>
#include <string.h>

#include "errors.h"

/* Items that are not contiguous are gathered in pieces of this size. */
#define GATHER_BYTES 65536

/* From here on the GIL is released. */
#define BUFFER_NO_GIL_BYTES 65536

/* Of the 16 bytes of an x86 long double ten are the number. */
#define LONG_DOUBLE_BYTES 16
#define LONG_DOUBLE_USED_BYTES (LDBL_MANT_DIG == 64 ? 10 : LONG_DOUBLE_BYTES)

char
buffer_order(const Py_buffer *view)
{
    return !PyBuffer_IsContiguous(view, 'C') && PyBuffer_IsContiguous(view, 'F') ? 'F'
                                                                                 : 'C';
}

void
buffer_walk_start(struct buffer_walk *walk, const Py_buffer *view, char order)
{
    walk->view = view;
    walk->at = view->buf;
    walk->first = order == 'F' ? 0 : view->ndim - 1;
    walk->step = order == 'F' ? 1 : -1;
    memset(walk->index, 0, (size_t)view->ndim * sizeof(walk->index[0]));
}

void
buffer_walk_next(struct buffer_walk *walk)
{
    const Py_buffer *view = walk->view;

    for (int i = walk->first; i >= 0 && i < view->ndim; i += walk->step) {
        walk->at += view->strides[i];
        if (++walk->index[i] < view->shape[i]) {
            return;
        }
        walk->at -= walk->index[i] * view->strides[i];
        walk->index[i] = 0;
    }
}

void
buffer_layout_digest(struct hasher *h, const Py_buffer *view, char order,
                     struct value *ret)
{
    uint8_t message[2 + 8 * PyBUF_MAX_NDIM], *at = message;

    *at++ = (uint8_t)order;
    *at++ = (uint8_t)view->ndim;
    for (int i = 0; i < view->ndim; i++) {
        for (int k = 0; k < 8; k++) {
            *at++ = (uint8_t)((uint64_t)view->shape[i] >> (8 * k));
        }
    }
    message_digest(h, message, (size_t)(at - message), ret);
}

/* Items on their way into one piece of memory, in the order of the walk. */
struct gather {
    struct buffer_walk walk;
    size_t n_left, item_bytes;
    size_t unit_bytes, used_bytes; /* of each unit of an item the first bytes count */
    size_t chunk_bytes;            /* a piece, or one item if that is larger */
    uint8_t *chunk;
};

static void
item_copy(const struct gather *gather, uint8_t *to)
{
    for (size_t at = 0; at < gather->item_bytes; at += gather->unit_bytes) {
        memcpy(to + at, gather->walk.at + at, gather->used_bytes);
        memset(to + at + gather->used_bytes, 0,
               gather->unit_bytes - gather->used_bytes);
    }
}

/* The common sizes, so that the copy is an instruction and not a call. */
static size_t
gather_plain(struct gather *gather, size_t n)
{
    uint8_t *to = gather->chunk;

    for (size_t i = 0; i < n; i++, to += gather->item_bytes) {
        switch (gather->item_bytes) {
        case 1:
            *to = (uint8_t)*gather->walk.at;
            break;
        case 4:
            memcpy(to, gather->walk.at, 4);
            break;
        case 8:
            memcpy(to, gather->walk.at, 8);
            break;
        default:
            memcpy(to, gather->walk.at, gather->item_bytes);
        }
        buffer_walk_next(&gather->walk);
    }
    return n * gather->item_bytes;
}

static size_t
gather_padded(struct gather *gather, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        item_copy(gather, gather->chunk + i * gather->item_bytes);
        buffer_walk_next(&gather->walk);
    }
    return n * gather->item_bytes;
}

/* Fill the chunk; the number of bytes in it. */
static size_t
gather_next(struct gather *gather)
{
    size_t n = gather->chunk_bytes / gather->item_bytes;

    n = n < gather->n_left ? n : gather->n_left;
    gather->n_left -= n;
    return gather->used_bytes == gather->unit_bytes ? gather_plain(gather, n)
                                                    : gather_padded(gather, n);
}

static void
gather_all(struct gather *gather, struct cj_digest *digest, struct value *ret)
{
    size_t n_bytes;

    while (gather->n_left > 0) {
        cj_digest_update(digest, gather->chunk, gather_next(gather));
    }
    cj_digest_final(digest, ret->bytes, &n_bytes);
}

static int
gather_digest(struct hasher *h, struct gather *gather, struct value *ret)
{
    enum cj_digest_kind kind = h->sha256 ? CJ_DIGEST_SHA256 : CJ_DIGEST_XXH128;
    struct cj_digest *digest;
    int r;

    if (gather->n_left * gather->item_bytes <= gather->chunk_bytes) {
        message_digest(h, gather->chunk, gather_next(gather), ret);
        return 0;
    }
    r = cj_digest_new(kind, &digest);
    if (r < 0) {
        (void)error_raise(r, NULL);
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS
    gather_all(gather, digest, ret);
    Py_END_ALLOW_THREADS
    cj_digest_free(digest);
    return 0;
}

static void
units_set(struct gather *gather, char code)
{
    bool is_padded =
        (code == 'g' || code == 'G') && gather->item_bytes % LONG_DOUBLE_BYTES == 0;

    gather->unit_bytes = is_padded ? LONG_DOUBLE_BYTES : gather->item_bytes;
    gather->used_bytes = is_padded ? LONG_DOUBLE_USED_BYTES : gather->item_bytes;
}

static int
strided_digest(struct hasher *h, const Py_buffer *view, char order, char code,
               struct value *ret)
{
    struct gather gather = {.item_bytes = (size_t)view->itemsize};
    int r;

    gather.n_left = view->itemsize > 0 ? (size_t)(view->len / view->itemsize) : 0;
    gather.chunk_bytes =
        gather.item_bytes < GATHER_BYTES ? GATHER_BYTES : gather.item_bytes;
    units_set(&gather, code);
    buffer_walk_start(&gather.walk, view, order);
    gather.chunk = PyMem_Malloc(gather.chunk_bytes);
    if (!gather.chunk) {
        PyErr_NoMemory();
        return -1;
    }
    r = gather_digest(h, &gather, ret);
    PyMem_Free(gather.chunk);
    return r;
}

int
buffer_data_digest(struct hasher *h, const Py_buffer *view, char order, char code,
                   struct value *ret)
{
    bool is_padded = (code == 'g' || code == 'G') && LONG_DOUBLE_USED_BYTES < 16;

    if (view->len == 0) {
        message_digest(h, "", 0, ret);
        return 0;
    }
    if (is_padded || !PyBuffer_IsContiguous(view, order)) {
        return strided_digest(h, view, order, code, ret);
    }
    if (view->len < BUFFER_NO_GIL_BYTES) {
        message_digest(h, view->buf, (size_t)view->len, ret);
        return 0;
    }
    Py_BEGIN_ALLOW_THREADS
    message_digest(h, view->buf, (size_t)view->len, ret);
    Py_END_ALLOW_THREADS
    return 0;
}
