#include "pickle/source.h"

#include <string.h>

static const uint8_t source_nothing[1];

static size_t
size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Show another piece of memory; the offset goes on from where it is. */
static void
source_show(struct source *source, const uint8_t *bytes, size_t n)
{
    uint64_t offset = source_offset(source);

    source->at = bytes;
    source->end = bytes + n;
    source->bias = offset - (uint64_t)(uintptr_t)bytes;
}

void
source_empty_window(struct source *source)
{
    source_show(source, source_nothing, 0);
}

static void
source_init(struct source *source, const struct source_ops *ops)
{
    *source = (struct source){.ops = ops};
    source->at = source_nothing;
    source->end = source_nothing;
    source->bias = -(uint64_t)(uintptr_t)source_nothing;
}

int
source_of_buffer(struct source *source, PyObject *data)
{
    source_init(source, NULL);
    if (PyObject_GetBuffer(data, &source->view, PyBUF_CONTIG_RO) < 0) {
        return -1;
    }
    if (source->view.len > 0) {
        source_show(source, source->view.buf, (size_t)source->view.len);
    }
    return 0;
}

void
source_of_stream(struct source *source, const struct source_ops *ops, void *stream)
{
    source_init(source, ops);
    source->stream = stream;
    source->may_read_ahead = 1;
}

void
source_done(struct source *source)
{
    struct source old = *source;

    source_init(source, NULL);
    PyMem_Free(old.buffer);
    if (old.view.obj) {
        PyBuffer_Release(&old.view);
    }
    Py_XDECREF(old.file.read);
    Py_XDECREF(old.file.readline);
    Py_XDECREF(old.file.readinto);
    Py_XDECREF(old.file.peek);
    Py_XDECREF(old.file.peeked);
}

int
source_traverse(struct source *source, visitproc visit, void *arg)
{
    Py_VISIT(source->view.obj);
    Py_VISIT(source->file.read);
    Py_VISIT(source->file.readline);
    Py_VISIT(source->file.readinto);
    Py_VISIT(source->file.peek);
    return 0;
}

/* Move the window to the start of the source's own memory, with room for `room` in all.
 */
static int
source_own(struct source *source, size_t room)
{
    size_t here = source_here(source);
    size_t capacity = source->capacity_bytes;
    uint8_t *bigger;

    if (capacity >= room) {
        memmove(source->buffer, source->at, here);
        source_show(source, source->buffer, here);
        return 0;
    }
    capacity = size_min(capacity, room / 2) * 2;
    capacity = capacity < room ? room : capacity;
    bigger = PyMem_Malloc(capacity);
    if (!bigger) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(bigger, source->at, here);
    source_show(source, bigger, here);
    PyMem_Free(source->buffer);
    source->buffer = bigger;
    source->capacity_bytes = capacity;
    return 0;
}

static void
source_frame_shrink(struct source *source, size_t n)
{
    source->frame_left = source->frame_left > n ? source->frame_left - n : 0;
}

/* How many bytes to ask for when `need` more are wanted: those, and what a frame or an
 * exclusive stream lets us have besides; but claims are believed in steps only. */
static size_t
source_step(const struct source *source, size_t need)
{
    size_t here = source_here(source);
    size_t ahead = source->may_read_ahead ? SOURCE_CHUNK_BYTES
                   : source->frame_left < SOURCE_CHUNK_BYTES
                       ? (size_t)source->frame_left
                       : SOURCE_CHUNK_BYTES;
    size_t most = here > SOURCE_CHUNK_BYTES ? here : SOURCE_CHUNK_BYTES;

    return size_min(need > ahead ? need : ahead, most);
}

/* Read until the window, in own memory, holds `need` bytes. */
static int
source_collect(struct source *source, size_t need)
{
    while (source_here(source) < need) {
        size_t here = source_here(source);
        size_t step = source_step(source, need - here);
        Py_ssize_t n;

        if (source_own(source, here + step) < 0) {
            return -1;
        }
        n = source->ops->read(source, source->buffer + here, step);
        if (n <= 0) {
            return n < 0 ? -1 : SOURCE_SHORT;
        }
        source->end += n;
        source_frame_shrink(source, (size_t)n);
    }
    return 0;
}

int
source_more(struct source *source, size_t need)
{
    if (!source->ops) {
        return SOURCE_SHORT;
    }
    if (source->ops->prefetch) {
        int r = source->ops->prefetch(source, need);

        if (r) {
            return r < 0 ? -1 : 0;
        }
    }
    return source_collect(source, need);
}

int
source_append(struct source *source, const uint8_t *bytes, size_t n)
{
    size_t here = source_here(source);

    if (n == 0) {
        return 0;
    }
    if (source_own(source, here + n) < 0) {
        return -1;
    }
    memcpy(source->buffer + here, bytes, n);
    source->end += n;
    return 0;
}

/* One more piece of a line that is longer than the window. */
static int
source_line_more(struct source *source)
{
    if (!source->ops) {
        return SOURCE_SHORT;
    }
    if (source->frame_left == 0 && source->ops->line) {
        return source->ops->line(source);
    }
    return source_more(source, source_here(source) + 1);
}

int
source_line(struct source *source, const uint8_t **ret_line, size_t *ret_n_bytes)
{
    size_t searched = 0;

    for (;;) {
        size_t here = source_here(source);
        const uint8_t *newline = memchr(source->at + searched, '\n', here - searched);
        int r;

        if (newline) {
            *ret_line = source->at;
            *ret_n_bytes = (size_t)(newline - source->at);
            source->at = newline + 1;
            return 0;
        }
        searched = here;
        r = source_line_more(source);
        if (r) {
            return r;
        }
    }
}

/* Large: from the stream to where it belongs. */
static int
source_read_past_window(struct source *source, uint8_t *dst, size_t n,
                        size_t *ret_n_bytes)
{
    size_t done = 0;

    while (done < n) {
        Py_ssize_t got = source->ops->read(source, dst + done, n - done);

        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
        source->bias += (uint64_t)got;
        source_frame_shrink(source, (size_t)got);
    }
    *ret_n_bytes += done;
    return done < n ? SOURCE_SHORT : 0;
}

int
source_read(struct source *source, uint8_t *dst, size_t n, size_t *ret_n_bytes)
{
    size_t here = size_min(source_here(source), n);

    memcpy(dst, source->at, here);
    source->at += here;
    *ret_n_bytes = here;
    if (here == n) {
        return 0;
    }
    if (!source->ops) {
        return SOURCE_SHORT;
    }
    if (source_settle(source) < 0) {
        return -1;
    }
    return source_read_past_window(source, dst + here, n - here, ret_n_bytes);
}

int
source_frame(struct source *source, uint64_t n)
{
    size_t first = n < SOURCE_CHUNK_BYTES ? (size_t)n : SOURCE_CHUNK_BYTES;

    if (n <= source_here(source)) {
        return 0;
    }
    if (!source->ops) {
        return SOURCE_SHORT;
    }
    if (source_settle(source) < 0) {
        return -1;
    }
    source->frame_left = n - source_here(source);
    return first <= source_here(source) ? 0 : source_collect(source, first);
}

int
source_settle(struct source *source)
{
    if (source->ops && source->ops->settle) {
        return source->ops->settle(source);
    }
    return 0;
}
