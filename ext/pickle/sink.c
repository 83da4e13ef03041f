#include "pickle/sink.h"

#include <string.h>

#include "pickle/opcodes.h"

static void
sink_init(struct sink *sink, enum sink_kind kind)
{
    sink->start = sink->at = sink->small;
    sink->end = sink->limit = sink->small + SINK_SMALL_BYTES;
    sink->frame = NULL;
    sink->bytes = NULL;
    sink->write = NULL;
    sink->consume = NULL;
    sink->context = NULL;
    sink->kind = kind;
    sink->is_framing = false;
}

void
sink_init_memory(struct sink *sink)
{
    sink_init(sink, SINK_MEMORY);
}

void
sink_init_file(struct sink *sink, PyObject *write)
{
    sink_init(sink, SINK_FILE);
    sink->write = write;
}

void
sink_init_consumer(struct sink *sink, sink_consumer consume, void *context)
{
    sink_init(sink, SINK_CONSUMER);
    sink->consume = consume;
    sink->context = context;
}

void
sink_done(struct sink *sink)
{
    Py_CLEAR(sink->bytes);
}

void
sink_begin_frames(struct sink *sink)
{
    sink->is_framing = true;
    sink->end = sink->at; /* the next room opens a frame */
}

/* Give the buffer `capacity` bytes and keep what is in it. */
static int
buffer_resize(struct sink *sink, size_t capacity)
{
    size_t n_used = (size_t)(sink->at - sink->start);
    Py_ssize_t frame_at = sink->frame ? sink->frame - sink->start : -1;
    int r = 0;

    if (capacity > PY_SSIZE_T_MAX) {
        PyErr_NoMemory();
        return -1;
    }
    if (sink->bytes) {
        r = _PyBytes_Resize(&sink->bytes, (Py_ssize_t)capacity);
    }
    else {
        sink->bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)capacity);
        r = sink->bytes ? 0 : -1;
    }
    if (r == 0 && sink->start == sink->small) {
        memcpy(PyBytes_AS_STRING(sink->bytes), sink->small, n_used);
    }
    /* After a failure nothing is kept: the pickling is over. */
    sink->start = r == 0 ? PyBytes_AS_STRING(sink->bytes) : sink->small;
    sink->limit = sink->start + (r == 0 ? capacity : SINK_SMALL_BYTES);
    sink->at = sink->start + (r == 0 ? n_used : 0);
    sink->frame = r == 0 && frame_at >= 0 ? sink->start + frame_at : NULL;
    return r;
}

static int
buffer_grow(struct sink *sink, size_t n_more)
{
    size_t n_used = (size_t)(sink->at - sink->start);
    size_t capacity = (size_t)(sink->limit - sink->start);

    capacity += capacity < 4 * SINK_LARGE_BYTES ? capacity : capacity / 2;
    if (sink->kind != SINK_MEMORY && capacity < SINK_CHUNK_BYTES) {
        capacity = SINK_CHUNK_BYTES;
    }
    if (capacity < n_used + n_more) {
        capacity = n_used + n_more;
    }
    return buffer_resize(sink, capacity);
}

/* Hand the buffer itself to the file, which may keep it, and take a new one. */
static int
buffer_write(struct sink *sink)
{
    Py_ssize_t n_used = sink->at - sink->start;
    PyObject *chunk;
    PyObject *result;

    if (sink->bytes && _PyBytes_Resize(&sink->bytes, n_used) < 0) {
        return -1;
    }
    chunk = sink->bytes ? sink->bytes : PyBytes_FromStringAndSize(sink->start, n_used);
    sink->bytes = NULL;
    sink->start = sink->at = sink->small;
    sink->limit = sink->small + SINK_SMALL_BYTES;
    if (!chunk) {
        return -1;
    }
    result = PyObject_CallOneArg(sink->write, chunk);
    Py_DECREF(chunk);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Empty the buffer, unless it is what is wanted in the end. No frame is open. */
static int
buffer_send(struct sink *sink)
{
    size_t n_used = (size_t)(sink->at - sink->start);

    if (sink->kind == SINK_MEMORY || n_used == 0) {
        return 0;
    }
    if (sink->kind == SINK_FILE) {
        return buffer_write(sink);
    }
    sink->at = sink->start;
    return sink->consume(sink->context, sink->start, n_used);
}

static void
frame_close(struct sink *sink)
{
    char *body = sink->frame + SINK_FRAME_HEADER_BYTES;
    size_t n_body = (size_t)(sink->at - body);

    if (n_body < SINK_FRAME_MIN_BYTES) {
        memmove(sink->frame, body, n_body);
        sink->at = sink->frame + n_body;
    }
    else {
        sink->frame[0] = (char)OP_FRAME;
        put_u64(sink->frame + 1, n_body);
    }
    sink->frame = NULL;
}

int
sink_end_frame(struct sink *sink)
{
    if (sink->frame) {
        frame_close(sink);
    }
    sink->end = sink->is_framing ? sink->at : sink->limit;
    return 0;
}

static bool
frame_is_full(const struct sink *sink, size_t n)
{
    size_t n_frame = sink->frame ? (size_t)(sink->at - sink->frame) : 0;

    return n_frame + n > SINK_LARGE_BYTES + SINK_FRAME_HEADER_BYTES;
}

/* `n` bytes of plain room behind `at`. A chunk that is worth it goes off first. */
static int
buffer_make_room(struct sink *sink, size_t n)
{
    if ((size_t)(sink->limit - sink->at) >= n) {
        return 0;
    }
    if (!sink->frame && sink->at - sink->start > SINK_SMALL_BYTES &&
        buffer_send(sink) < 0) {
        return -1;
    }
    return (size_t)(sink->limit - sink->at) >= n ? 0 : buffer_grow(sink, n);
}

static int
frame_make_room(struct sink *sink, size_t n)
{
    size_t n_header = sink->frame ? 0 : SINK_FRAME_HEADER_BYTES;
    char *full;

    if (buffer_make_room(sink, n + n_header) < 0) {
        return -1;
    }
    if (!sink->frame) {
        sink->frame = sink->at;
        sink->at += SINK_FRAME_HEADER_BYTES;
    }
    full = sink->frame + SINK_FRAME_HEADER_BYTES + SINK_LARGE_BYTES;
    if (full < sink->at + n) {
        full = sink->at + n;
    }
    sink->end = full < sink->limit ? full : sink->limit;
    return 0;
}

int
sink_make_room(struct sink *sink, size_t n)
{
    if (!sink->is_framing) {
        int r = buffer_make_room(sink, n);

        sink->end = sink->limit;
        return r;
    }
    if (sink->frame && frame_is_full(sink, n)) {
        frame_close(sink);
        if (buffer_send(sink) < 0) {
            return -1;
        }
    }
    return frame_make_room(sink, n);
}

int
sink_put(struct sink *sink, const void *data, size_t n)
{
    char *at = sink_room(sink, n);

    if (!at) {
        return -1;
    }
    memcpy(at, data, n);
    sink->at = at + n;
    return 0;
}

static int
raw_copy(struct sink *sink, const char *data, size_t n)
{
    while (n > 0) {
        size_t n_piece =
            sink->kind == SINK_MEMORY || n < SINK_LARGE_BYTES ? n : SINK_LARGE_BYTES;

        if (buffer_make_room(sink, n_piece) < 0) {
            return -1;
        }
        memcpy(sink->at, data, n_piece);
        sink->at += n_piece;
        data += n_piece;
        n -= n_piece;
    }
    return 0;
}

static int
raw_to_file(struct sink *sink, PyObject *owner)
{
    PyObject *result = PyObject_CallOneArg(sink->write, owner);

    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Past the buffer, if the kind and the size allow it. */
static int
raw_send(struct sink *sink, const void *data, size_t n, PyObject *owner)
{
    bool is_direct = n >= SINK_LARGE_BYTES && (sink->kind == SINK_CONSUMER ||
                                               (sink->kind == SINK_FILE && owner));

    if (!is_direct) {
        return raw_copy(sink, data, n);
    }
    if (buffer_send(sink) < 0) {
        return -1;
    }
    return owner && sink->kind == SINK_FILE ? raw_to_file(sink, owner)
                                            : sink->consume(sink->context, data, n);
}

int
sink_payload(struct sink *sink, const void *header, size_t n_header, const void *data,
             size_t n, PyObject *owner)
{
    int r;

    if (n < SINK_LARGE_BYTES) {
        char *at = sink_room(sink, n_header + n);

        if (!at) {
            return -1;
        }
        memcpy(at, header, n_header);
        memcpy(at + n_header, data, n);
        sink->at = at + n_header + n;
        return 0;
    }
    r = sink_end_frame(sink);
    if (r == 0) {
        r = raw_copy(sink, header, n_header);
    }
    if (r == 0) {
        r = raw_send(sink, data, n, owner);
    }
    sink->end = sink->is_framing ? sink->at : sink->limit;
    return r;
}

int
sink_raw(struct sink *sink, const void *data, size_t n)
{
    int r = sink_end_frame(sink);

    if (r == 0) {
        r = raw_send(sink, data, n, NULL);
    }
    sink->end = sink->is_framing ? sink->at : sink->limit;
    return r;
}

int
sink_finish(struct sink *sink)
{
    if (sink_end_frame(sink) < 0) {
        return -1;
    }
    return buffer_send(sink);
}

PyObject *
sink_take_bytes(struct sink *sink)
{
    Py_ssize_t n_used = sink->at - sink->start;
    PyObject *bytes = sink->bytes;

    if (!bytes) {
        return PyBytes_FromStringAndSize(sink->start, n_used);
    }
    sink->bytes = NULL;
    sink->start = sink->at = sink->small;
    (void)_PyBytes_Resize(&bytes, n_used);
    return bytes;
}
