/* Where the bytes of a pickle come from: memory, a Python file, or a C stream.
 *
 * A source shows a *window* of bytes, [at, end). Readers take from the window and only
 * when it is too small ask for more:
 *
 *     source_take(s, n, &p)      n bytes at p, valid until the next call on the source
 *     source_line(s, &p, &n)     a line; n counts its bytes without the newline
 *     source_read(s, dst, n)     n bytes copied to dst, not through the window when
 * large source_settle(s)           after STOP: the file stands right behind the pickle
 *
 * All of them return 0, SOURCE_SHORT when the bytes end before (what is there stays in
 * the window), or -1 with an exception set.
 *
 * Nothing behind the pickle is consumed: a file without peek() is read by the sizes
 * that opcodes name, and in bulk only inside a frame (protocol 4), whose length the
 * stream itself promises. A claimed length is never allocated at once: memory grows as
 * bytes arrive, to at most twice what came plus SOURCE_CHUNK_BYTES.
 *
 * One thread at a time; a read may run Python code and so release the GIL. */

#ifndef EXT_PICKLE_SOURCE_H
#define EXT_PICKLE_SOURCE_H

#include "compat.h"

#include <stddef.h>
#include <stdint.h>

/* How much is read on no more than a promise. */
#define SOURCE_CHUNK_BYTES ((size_t)256 * 1024)

enum { SOURCE_SHORT = 1 };

struct source;

/* What a kind of stream can do. Memory has no operations: all bytes are in the window.
 */
struct source_ops {
    /* Up to n > 0 bytes to dst: how many, 0 at the end, -1 with an exception. */
    Py_ssize_t (*read)(struct source *source, uint8_t *dst, size_t n);
    /* May be NULL. Put at least `need` bytes into the window without consuming them: 1
     * when that worked, 0 when they must be read, -1. */
    int (*prefetch)(struct source *source, size_t need);
    /* May be NULL. Consume what was taken from a prefetched window, and drop the rest.
     */
    int (*settle)(struct source *source);
    /* May be NULL: then lines are searched chunk by chunk, which needs may_read_ahead.
     * Append the rest of a line to the window. */
    int (*line)(struct source *source);
};

/* A Python file; all but `read` may be NULL. */
struct source_file {
    PyObject *read;
    PyObject *readline;
    PyObject *readinto; /* only of files known not to keep the view they are given */
    PyObject *peek;
    PyObject *peeked; /* the bytes object under a prefetched window */
};

struct source {
    const uint8_t *at;   /* the next byte */
    const uint8_t *end;  /* one past the last byte of the window */
    uint64_t bias;       /* a byte's offset is its address + bias, modulo 2^64 */
    uint64_t frame_left; /* bytes of the current frame behind the window */
    const struct source_ops *ops;
    void *stream;       /* for the operations of a C stream */
    int may_read_ahead; /* a C stream that nobody else reads */
    uint8_t *buffer;    /* the window's memory, unless it is borrowed */
    size_t capacity_bytes;
    Py_buffer view; /* memory */
    struct source_file file;
};

/* The bytes of a C-contiguous buffer, pinned until source_done(). */
int source_of_buffer(struct source *source, PyObject *data);

/* A Python file with read() and readline(); peek() and readinto() are used when there.
 * TypeError when one of the two is missing. */
int source_of_file(struct source *source, PyObject *file);

/* A C stream: `ops` outlive the source. It may be read ahead of the pickle's end; what
 * follows the pickle is then got with source_take() and source_read(). */
void source_of_stream(struct source *source, const struct source_ops *ops,
                      void *stream);

void source_done(struct source *source);

int source_traverse(struct source *source, visitproc visit, void *arg);

/* Make the window at least `need` bytes long. */
int source_more(struct source *source, size_t need);

int source_line(struct source *source, const uint8_t **ret_line, size_t *ret_n_bytes);

/* *ret_n_bytes is how many came, also with SOURCE_SHORT. */
int source_read(struct source *source, uint8_t *dst, size_t n, size_t *ret_n_bytes);

/* The next n bytes belong together: they may be read in bulk. */
int source_frame(struct source *source, uint64_t n);

int source_settle(struct source *source);

/* For operations: put n bytes behind the window. */
int source_append(struct source *source, const uint8_t *bytes, size_t n);

/* For operations: an empty window, of which nothing is owned. */
void source_empty_window(struct source *source);

static inline size_t
source_here(const struct source *source)
{
    return (size_t)(source->end - source->at);
}

/* Bytes taken since the source was made. */
static inline uint64_t
source_offset(const struct source *source)
{
    return (uint64_t)(uintptr_t)source->at + source->bias;
}

static inline int
source_take(struct source *source, size_t n, const uint8_t **ret_bytes)
{
    if (source_here(source) < n) {
        int r = source_more(source, n);

        if (r) {
            return r;
        }
    }
    *ret_bytes = source->at;
    source->at += n;
    return 0;
}

#endif
