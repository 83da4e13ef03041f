#include "persist/output.h"

#include <errno.h>
#include <string.h>

#include "errors.h"
#include "persist/footer.h"

/* What fits beside the data in a core's own cache: it is copied, digested and written
 * from there. */
#define OUTPUT_PLAIN_BYTES ((size_t)256 * 1024)

/* Several blocks, for as many threads. */
#define OUTPUT_CODEC_BYTES ((size_t)4 << 20)

#define OUTPUT_FIRST_BYTES ((size_t)64 * 1024)

/* Signals are asked for each time so much is done. */
#define OUTPUT_HEAR_BYTES ((uint64_t)16 << 20)

/* Files from this size on have their space set aside ahead. Beside telling early that
 * there is not enough, that spares ext4 from writing a whole file to the disk when it
 * takes another one's place. */
#define OUTPUT_RESERVE_BYTES ((uint64_t)1 << 20)

/* What a callback returns when it leaves an exception behind. */
#define OUTPUT_RAISED (-ECANCELED)

static int
output_raise(struct output *output, int r)
{
    if (r < 0 && !PyErr_Occurred()) {
        error_raise(r, output->name);
    }
    return r < 0 ? -1 : 0;
}

/* --- the end ---------------------------------------------------------------------- */

/* Give write() some bytes and learn how many it took. Some say nothing and took all;
 * a raw file that says nothing took none. */
static int
write_some(struct output *output, const char *data, size_t size, size_t *ret_n)
{
    PyObject *piece = output->may_lend
                          ? PyMemoryView_FromMemory((char *)(uintptr_t)data,
                                                    (Py_ssize_t)size, PyBUF_READ)
                          : PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    PyObject *result = piece ? PyObject_CallOneArg(output->write, piece) : NULL;
    Py_ssize_t n = (Py_ssize_t)size;

    Py_XDECREF(piece);
    if (!result) {
        return OUTPUT_RAISED;
    }
    if (PyLong_Check(result)) {
        n = PyLong_AsSsize_t(result);
    }
    else if (output->is_raw) {
        n = 0;
    }
    Py_DECREF(result);
    if (n <= 0 || n > (Py_ssize_t)size) {
        if (!PyErr_Occurred()) {
            PyErr_Format(n == 0 ? PyExc_BlockingIOError : PyExc_OSError,
                         "write() took %zd of %zu bytes", n, size);
        }
        return OUTPUT_RAISED;
    }
    *ret_n = (size_t)n;
    return 0;
}

/* struct cj_sink's write, for a Python file. */
static int
python_write(void *context, const void *data, size_t size)
{
    struct output *output = context;
    bool was_released = gil_take(&output->gil);
    size_t n = 0;
    int r = 0;

    for (size_t at = 0; r == 0 && at < size; at += n) {
        size_t left = size - at;

        /* A copy is not to double the memory of what is written. */
        if (!output->may_lend && left > OUTPUT_CODEC_BYTES) {
            left = OUTPUT_CODEC_BYTES;
        }
        r = write_some(output, (const char *)data + at, left, &n);
    }
    gil_restore(&output->gil, was_released);
    return r;
}

/* More may be asked for than there is in the end; that is no reason to fail before. */
static void
file_reserve_ahead(struct output *output, uint64_t n_bytes)
{
    if (n_bytes > output->n_reserved && n_bytes >= OUTPUT_RESERVE_BYTES) {
        output->n_reserved = 2 * n_bytes;
        if (cj_file_reserve(output->file, output->n_reserved) < 0) {
            output->n_reserved = UINT64_MAX;
        }
    }
}

/* The same, for a file. */
static int
file_write(void *context, const void *data, size_t size)
{
    struct output *output = context;
    struct cj_bytes piece = {data, size};

    file_reserve_ahead(output, cj_file_size(output->file) + size);
    return cj_file_write(output->file, &piece, 1);
}

static struct cj_sink
output_end(struct output *output)
{
    return (struct cj_sink){output->file ? file_write : python_write, output};
}

/* --- on the way there ------------------------------------------------------------- */

/* Let signals be heard; with or without the GIL. */
static int
output_hear(struct output *output, size_t n)
{
    bool was_released;
    int r;

    output->n_unheard += n;
    if (!output->encoder && output->n_unheard < OUTPUT_HEAR_BYTES) {
        return 0;
    }
    output->n_unheard = 0;
    was_released = gil_take(&output->gil);
    r = PyErr_CheckSignals() < 0 ? OUTPUT_RAISED : 0;
    gil_restore(&output->gil, was_released);
    return r;
}

/* Pass on what is complete. */
static int
output_pass(struct output *output, const void *data, size_t size)
{
    struct cj_sink end = output_end(output);
    int r;

    if (size == 0) {
        return 0;
    }
    if (output->digest) {
        cj_digest_update(output->digest, data, size);
    }
    r = output->encoder ? cj_encoder_write(output->encoder, data, size)
                        : end.write(end.context, data, size);
    return r < 0 ? r : output_hear(output, size);
}

static int
output_flush(struct output *output)
{
    size_t n = output->n_buffered;

    output->n_buffered = 0;
    return output_pass(output, output->buffer, n);
}

/* Room in the buffer for one more byte at least. */
static int
output_make_room(struct output *output, size_t n_wanted)
{
    size_t n_room = output->n_room ? output->n_room : OUTPUT_FIRST_BYTES;
    uint8_t *buffer;

    if (output->n_room == output->n_room_max) {
        return output->n_buffered < output->n_room ? 0 : output_flush(output);
    }
    if (output->n_buffered + n_wanted <= output->n_room) {
        return 0;
    }
    while (n_room < output->n_buffered + n_wanted && n_room < output->n_room_max) {
        n_room *= 2;
    }
    buffer = PyMem_RawRealloc(output->buffer, n_room);
    if (!buffer) {
        return -ENOMEM;
    }
    output->buffer = buffer;
    output->n_room = n_room;
    return output->n_buffered < n_room ? 0 : output_flush(output);
}

static int
output_copy(struct output *output, const uint8_t *data, size_t size)
{
    int r = 0;

    while (r == 0 && size > 0) {
        r = output_make_room(output, size);
        if (r == 0) {
            size_t n = output->n_room - output->n_buffered;

            n = n < size ? n : size;
            memcpy(output->buffer + output->n_buffered, data, n);
            output->n_buffered += n;
            data += n;
            size -= n;
        }
    }
    return r;
}

/* Whether it may go without a copy: nobody but the end looks at it. */
static bool
output_is_direct(const struct output *output, size_t size)
{
    return !output->digest && !output->encoder && size >= GIL_WORTH_BYTES;
}

/* struct cj_sink's write: without the GIL, too. */
static int
output_write(void *context, const void *data, size_t size)
{
    struct output *output = context;
    int r;

    output->n_bytes += size;
    if (!output_is_direct(output, size)) {
        return output_copy(output, data, size);
    }
    r = output_flush(output);
    return r < 0 ? r : output_pass(output, data, size);
}

/* Whether something is written now, which may wait for who reads it: this process too,
 * in another thread. */
static bool
output_will_pass(const struct output *output, size_t size)
{
    return output_is_direct(output, size) ||
           output->n_buffered + size >= output->n_room_max;
}

int
output_take(void *context, const void *data, size_t size)
{
    struct output *output = context;
    int r;

    if (output_will_pass(output, size)) {
        gil_release(&output->gil);
    }
    r = output_write(output, data, size);
    (void)gil_take(&output->gil);
    return output_raise(output, r);
}

struct cj_sink
output_sink(struct output *output)
{
    return (struct cj_sink){output_write, output};
}

int
output_reserve(struct output *output, uint64_t n_bytes)
{
    uint64_t n = output->n_bytes + n_bytes + OUTPUT_FIRST_BYTES;
    int r;

    if (!output->file || output->encoder || n_bytes < OUTPUT_RESERVE_BYTES ||
        n <= output->n_reserved) {
        return 0;
    }
    r = cj_file_reserve(output->file, n);
    if (r == 0) {
        output->n_reserved = n;
    }
    return output_raise(output, r);
}

/* --- life ------------------------------------------------------------------------- */

/* The type _io.`name` itself, which is known not to keep what it is lent. */
static int
file_is_exactly(PyObject *file, const char *name)
{
    PyObject *io = PyImport_ImportModule("_io");
    PyObject *type = io ? PyObject_GetAttrString(io, name) : NULL;
    int r = type ? Py_IS_TYPE(file, (PyTypeObject *)type) : -1;

    Py_XDECREF(type);
    Py_XDECREF(io);
    return r;
}

static int
file_is_kind_of(PyObject *file, const char *name)
{
    PyObject *io = PyImport_ImportModule("_io");
    PyObject *type = io ? PyObject_GetAttrString(io, name) : NULL;
    int r = type ? PyObject_IsInstance(file, type) : -1;

    Py_XDECREF(type);
    Py_XDECREF(io);
    return r;
}

static int
output_ask_file(struct output *output, PyObject *file)
{
    static const char *const lenders[] = {"BufferedWriter", "BufferedRandom", "FileIO",
                                          "BytesIO"};
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(lenders) / sizeof(lenders[0]); i++) {
        r = file_is_exactly(file, lenders[i]);
    }
    if (r < 0) {
        return -1;
    }
    output->may_lend = r;
    r = file_is_kind_of(file, "_RawIOBase");
    output->is_raw = r > 0;
    return r < 0 ? -1 : 0;
}

static int
output_begin(struct output *output, const struct output_codec *codec)
{
    int r = 0;

    output->n_room_max = codec->is_on ? OUTPUT_CODEC_BYTES : OUTPUT_PLAIN_BYTES;
    if (codec->is_on) {
        r = cj_encoder_new_with(codec->kind, codec->level, &codec->options,
                                output_end(output), &output->encoder);
    }
    if (r == 0 && output->file && !cj_file_is_direct(output->file)) {
        r = cj_digest_new(CJ_DIGEST_XXH128, &output->digest);
    }
    return output_raise(output, r);
}

/* A FIFO keeps us waiting. */
static int
output_interrupted(void *context)
{
    struct output *output = context;
    bool was_released = gil_take(&output->gil);
    int r = PyErr_CheckSignals() < 0 ? OUTPUT_RAISED : 0;

    gil_restore(&output->gil, was_released);
    return r;
}

int
output_open(struct output *output, PyObject *path, PyObject *name, bool is_durable,
            const struct output_codec *codec)
{
    struct cj_file_options options = {is_durable, output_interrupted, output};
    int r;

    output->name = Py_NewRef(name);
    gil_release(&output->gil);
    r = cj_file_open(PyBytes_AS_STRING(path), &options, &output->file);
    (void)gil_take(&output->gil);
    if (r < 0) {
        return output_raise(output, r);
    }
    return output_begin(output, codec);
}

int
output_of_file(struct output *output, PyObject *file, const struct output_codec *codec)
{
    output->write = PyObject_GetAttrString(file, "write");
    if (!output->write || output_ask_file(output, file) < 0) {
        return -1;
    }
    return output_begin(output, codec);
}

void
output_done(struct output *output)
{
    cj_encoder_free(output->encoder);
    cj_digest_free(output->digest);
    cj_file_close(output->file);
    PyMem_RawFree(output->buffer);
    Py_CLEAR(output->write);
    Py_CLEAR(output->name);
}

static int
output_end_stream(struct output *output)
{
    uint8_t footer[FOOTER_BYTES];
    int r = output_flush(output);

    if (r == 0 && output->digest) {
        footer_make(output->digest, output->n_bytes, footer);
        cj_digest_free(output->digest);
        output->digest = NULL;
        r = output_pass(output, footer, sizeof(footer));
    }
    if (r == 0 && output->encoder) {
        r = cj_encoder_finish(output->encoder);
    }
    if (r == 0 && output->file) {
        r = cj_file_publish(output->file);
    }
    return r;
}

int
output_finish(struct output *output)
{
    int r;

    gil_release(&output->gil);
    r = output_end_stream(output);
    (void)gil_take(&output->gil);
    return output_raise(output, r);
}
