#include "persist/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"

/* Digested from the core's own cache, right after it was read. */
#define INPUT_PIECE_BYTES ((size_t)512 * 1024)

/* A single read of the source; then signals are heard. */
#define INPUT_READ_BYTES ((size_t)16 << 20)

#define INPUT_SCRATCH_BYTES ((size_t)64 * 1024)

/* What a callback returns when it leaves an exception behind. */
#define INPUT_RAISED (-ECANCELED)

/* --- raw bytes -------------------------------------------------------------------- */

static int
descriptor_read(const struct input *input, uint64_t at, void *buffer, size_t size,
                size_t *ret_n)
{
    ssize_t n;

    do {
        n = input->is_seekable ? pread(input->fd, buffer, size, (off_t)at)
                               : read(input->fd, buffer, size);
    } while (n < 0 && errno == EINTR && input->is_seekable);
    if (n < 0) {
        return -errno;
    }
    *ret_n = (size_t)n;
    return 0;
}

static int
take_bytes(PyObject *bytes, void *buffer, size_t size, size_t *ret_n)
{
    Py_buffer view;
    int r = 0;

    if (bytes == Py_None) {
        return -EAGAIN;
    }
    if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0) {
        return INPUT_RAISED;
    }
    if ((size_t)view.len <= size) {
        memcpy(buffer, view.buf, (size_t)view.len);
        *ret_n = (size_t)view.len;
    }
    else {
        PyErr_Format(PyExc_OSError, "read(%zu) gave %zd bytes", size, view.len);
        r = INPUT_RAISED;
    }
    PyBuffer_Release(&view);
    return r;
}

static int
python_read(struct input *input, void *buffer, size_t size, size_t *ret_n)
{
    bool was_released = gil_take(&input->gil);
    PyObject *bytes = PyObject_CallFunction(input->read, "n", (Py_ssize_t)size);
    int r = bytes ? take_bytes(bytes, buffer, size, ret_n) : INPUT_RAISED;

    Py_XDECREF(bytes);
    gil_restore(&input->gil, was_released);
    return r;
}

/* A signal stopped a wait at a FIFO. */
static int
input_interrupted(struct input *input)
{
    bool was_released = gil_take(&input->gil);
    int r = PyErr_CheckSignals() < 0 ? INPUT_RAISED : 0;

    gil_restore(&input->gil, was_released);
    return r;
}

/* struct cj_source's read: what is there, in its raw form. */
static int
raw_read(void *context, void *buffer, size_t size, size_t *ret_n)
{
    struct input *input = context;
    size_t n = 0;
    int r;

    if (input->fd < 0) {
        return python_read(input, buffer, size, ret_n);
    }
    do {
        r = descriptor_read(input, input->at, buffer, size, &n);
    } while (r == -EINTR && input_interrupted(input) == 0);
    if (r == -EINTR) {
        return INPUT_RAISED;
    }
    if (r == 0) {
        input->at += n;
        *ret_n = n;
    }
    return r;
}

/* --- the data --------------------------------------------------------------------- */

static void
tail_append(struct input *input, const uint8_t *data, size_t n)
{
    memcpy(input->tail + input->n_tail, data, n);
    input->n_tail += n;
}

/* Digest all but the last FOOTER_BYTES. */
static void
input_digest(struct input *input, const uint8_t *data, size_t n)
{
    size_t n_all = input->n_tail + n, n_old;

    if (n_all <= FOOTER_BYTES) {
        tail_append(input, data, n);
        return;
    }
    n_all -= FOOTER_BYTES;
    n_old = n_all < input->n_tail ? n_all : input->n_tail;
    cj_digest_update(input->digest, input->tail, n_old);
    memmove(input->tail, input->tail + n_old, input->n_tail - n_old);
    input->n_tail -= n_old;
    if (n_all > n_old) {
        cj_digest_update(input->digest, data, n_all - n_old);
    }
    tail_append(input, data + (n_all - n_old), n - (n_all - n_old));
}

static int
piece_read(struct input *input, uint8_t *dst, size_t size, size_t *ret_n)
{
    size_t n = 0;
    int r = input->decoder ? cj_decoder_read(input->decoder, dst, size, &n)
                           : raw_read(input, dst, size, &n);

    if (r < 0) {
        return r;
    }
    if (input->digest && n > 0) {
        input_digest(input, dst, n);
    }
    input->n_bytes += n;
    *ret_n = n;
    return 0;
}

/* As many bytes as there are, up to `size`. A decoder gets its room whole: it may fill
 * that by several threads. */
static int
pieces_read(struct input *input, uint8_t *dst, size_t size, size_t *ret_n)
{
    size_t done = 0, n;
    int r = 0;

    do {
        size_t piece = size - done;

        if (!input->decoder && piece > INPUT_PIECE_BYTES) {
            piece = INPUT_PIECE_BYTES;
        }
        r = piece_read(input, dst + done, piece, &n);
        done += r == 0 ? n : 0;
    } while (r == 0 && n > 0 && done < size && input->is_seekable);
    *ret_n = done;
    return done > 0 && r != INPUT_RAISED ? 0 : r;
}

/* --- as a source ------------------------------------------------------------------ */

static Py_ssize_t
input_raise(struct input *input, int r)
{
    PyObject *text, *error;

    if (PyErr_Occurred()) {
        return -1;
    }
    if (input->decoder && r == -ENODATA) {
        PyErr_Format(PyExc_EOFError, "the %s stream ends too early, after %llu bytes",
                     input->codec_name, (unsigned long long)input->n_bytes);
        return -1;
    }
    if (!input->decoder || r != -EBADMSG) {
        error_raise(r, NULL);
        return -1;
    }
    text = PyUnicode_FromFormat("not a %s stream, damaged (after %llu bytes of data), "
                                "or followed by something else",
                                input->codec_name, (unsigned long long)input->n_bytes);
    error = text ? Py_BuildValue("(iN)", EBADMSG, text) : NULL;
    if (error) {
        PyErr_SetObject(PyExc_OSError, error);
        Py_DECREF(error);
    }
    return -1;
}

static int
input_hear(struct input *input, size_t n)
{
    input->n_unheard += n;
    if (input->n_unheard < INPUT_READ_BYTES) {
        return 0;
    }
    input->n_unheard = 0;
    return PyErr_CheckSignals();
}

/* How many of n bytes may be read; the footer does not count. One more than that shows
 * that there is more. */
static size_t
input_allowance(const struct input *input, size_t n)
{
    uint64_t left;

    if (input->max_bytes > UINT64_MAX - 2 * FOOTER_BYTES) {
        return n;
    }
    left = input->max_bytes + FOOTER_BYTES + 1 - input->n_bytes;
    return n < left ? n : (size_t)left;
}

static Py_ssize_t
input_read(struct input *input, uint8_t *dst, size_t n)
{
    size_t n_read = 0;
    int r;

    n = n < input->n_piece ? n : input->n_piece;
    n = input_allowance(input, n < INPUT_READ_BYTES ? n : INPUT_READ_BYTES);
    if (n >= GIL_WORTH_BYTES || !input->is_seekable) {
        gil_release(&input->gil);
    }
    r = pieces_read(input, dst, n, &n_read);
    (void)gil_take(&input->gil);
    if (r < 0) {
        return input_raise(input, r);
    }
    if (input->max_bytes < UINT64_MAX - FOOTER_BYTES &&
        input->n_bytes > input->max_bytes + FOOTER_BYTES) {
        PyErr_Format(PyExc_ValueError, "it holds more than max_bytes=%llu bytes",
                     (unsigned long long)input->max_bytes);
        return -1;
    }
    return input_hear(input, n_read) < 0 ? -1 : (Py_ssize_t)n_read;
}

static Py_ssize_t
source_read_input(struct source *source, uint8_t *dst, size_t n)
{
    return input_read(source->stream, dst, n);
}

const struct source_ops input_ops = {.read = source_read_input};

void
input_skip(struct input *input, struct source *source, uint64_t n)
{
    uint64_t here = source_here(source);

    if (n <= here) {
        source->at += n;
        return;
    }
    source->at = source->end;
    source_empty_window(source);
    source->bias += n - here;
    input->at += n - here;
    input->n_bytes += n - here;
}

int
input_drain(struct input *input)
{
    uint8_t *scratch = PyMem_Malloc(INPUT_SCRATCH_BYTES);
    Py_ssize_t n;

    if (!scratch) {
        PyErr_NoMemory();
        return -1;
    }
    do {
        n = input_read(input, scratch, INPUT_SCRATCH_BYTES);
    } while (n > 0);
    PyMem_Free(scratch);
    return n < 0 ? -1 : 0;
}

int
input_peek(const struct input *input, uint64_t at, uint8_t *bytes, size_t n,
           size_t *ret_n)
{
    size_t done = 0, got = 0;
    int r;

    do {
        r = descriptor_read(input, at + done, bytes + done, n - done, &got);
        done += r == 0 ? got : 0;
    } while (r == 0 && got > 0 && done < n);
    if (r < 0) {
        error_raise(r, NULL);
        return -1;
    }
    *ret_n = done;
    return 0;
}

int
input_digest_again(struct input *input, uint64_t n, struct cj_digest *digest)
{
    uint8_t *bytes =
        PyMem_Malloc(n < INPUT_PIECE_BYTES ? (size_t)n + 1 : INPUT_PIECE_BYTES);
    size_t got = 1;
    int r = 0;

    if (!bytes) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint64_t done = 0; r == 0 && got > 0 && done < n; done += got) {
        size_t size =
            n - done < INPUT_PIECE_BYTES ? (size_t)(n - done) : INPUT_PIECE_BYTES;

        r = input_peek(input, input->begin + done, bytes, size, &got);
        if (r == 0) {
            cj_digest_update(digest, bytes, got);
            r = input_hear(input, got);
        }
    }
    PyMem_Free(bytes);
    return r;
}

/* --- life ------------------------------------------------------------------------- */

int
input_of_descriptor(struct input *input, int fd, uint64_t begin)
{
    struct stat facts;

    if (fstat(fd, &facts) < 0) {
        error_raise(-errno, NULL);
        return -1;
    }
    input->fd = fd;
    input->is_seekable = S_ISREG(facts.st_mode) || S_ISBLK(facts.st_mode);
    input->begin = input->at = begin;
    input->size = S_ISREG(facts.st_mode) ? (uint64_t)facts.st_size : UINT64_MAX;
    if (S_ISREG(facts.st_mode)) {
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return 0;
}

int
input_of_file(struct input *input, PyObject *file)
{
    input->read = PyObject_GetAttrString(file, "read1");
    if (!input->read && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        input->read = PyObject_GetAttrString(file, "read");
    }
    return input->read ? 0 : -1;
}

int
input_decode(struct input *input, enum cj_codec_kind kind,
             const struct cj_codec_options *options)
{
    int r = cj_decoder_new_with(kind, options, (struct cj_source){raw_read, input},
                                &input->decoder);

    input->codec_name = cj_codec_name(kind);
    if (r == -ENOTSUP) {
        PyErr_Format(PyExc_ValueError, "cjoblib was built without %s",
                     input->codec_name);
        return -1;
    }
    if (r < 0) {
        error_raise(r, NULL);
    }
    return r < 0 ? -1 : 0;
}

int
input_digest_from_here(struct input *input)
{
    int r = cj_digest_new(CJ_DIGEST_XXH128, &input->digest);

    if (r < 0) {
        error_raise(r, NULL);
    }
    return r < 0 ? -1 : 0;
}

void
input_done(struct input *input)
{
    cj_decoder_free(input->decoder);
    cj_digest_free(input->digest);
    Py_CLEAR(input->read);
}
