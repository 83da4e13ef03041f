/* str: UTF-8 in which lone surrogates stand as they are ("surrogatepass"), or the
 * escapes of protocol 0. */

#include "pickle/pickler.h"

#include <stdio.h>
#include <string.h>

/* Characters that are encoded in one go when a text is too large for one room. */
#define TEXT_PIECE 512

struct text {
    int kind;
    const void *data;
    Py_ssize_t n;
};

static char *
utf8_put(char *at, Py_UCS4 c)
{
    if (c < 0x80) {
        *at++ = (char)c;
    }
    else if (c < 0x800) {
        *at++ = (char)(0xc0 | c >> 6);
        *at++ = (char)(0x80 | (c & 0x3f));
    }
    else if (c < 0x10000) {
        *at++ = (char)(0xe0 | c >> 12);
        *at++ = (char)(0x80 | (c >> 6 & 0x3f));
        *at++ = (char)(0x80 | (c & 0x3f));
    }
    else {
        *at++ = (char)(0xf0 | c >> 18);
        *at++ = (char)(0x80 | (c >> 12 & 0x3f));
        *at++ = (char)(0x80 | (c >> 6 & 0x3f));
        *at++ = (char)(0x80 | (c & 0x3f));
    }
    return at;
}

static size_t
utf8_size(const struct text *text)
{
    size_t size = 0;

    for (Py_ssize_t i = 0; i < text->n; i++) {
        Py_UCS4 c = PyUnicode_READ(text->kind, text->data, i);

        size += 1u + (c >= 0x80) + (c >= 0x800) + (c >= 0x10000);
    }
    return size;
}

static char *
utf8_encode(char *at, const struct text *text, Py_ssize_t from, Py_ssize_t to)
{
    for (Py_ssize_t i = from; i < to; i++) {
        at = utf8_put(at, PyUnicode_READ(text->kind, text->data, i));
    }
    return at;
}

static int
text_put_pieces(struct pickler *p, const struct text *text)
{
    char piece[4 * TEXT_PIECE];

    for (Py_ssize_t i = 0; i < text->n; i += TEXT_PIECE) {
        Py_ssize_t to = i + TEXT_PIECE < text->n ? i + TEXT_PIECE : text->n;
        char *end = utf8_encode(piece, text, i, to);

        if (sink_raw(&p->sink, piece, (size_t)(end - piece)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The opcode and the size, into 9 bytes. How many of them are used, or 0: it cannot be.
 */
static size_t
text_header(const struct pickler *p, size_t n, char *header)
{
    if (n < 256 && p->protocol >= 4) {
        header[0] = (char)OP_SHORT_BIN_UNICODE;
        header[1] = (char)n;
        return 2;
    }
    if (n <= UINT32_MAX) {
        header[0] = (char)OP_BIN_UNICODE;
        put_u32(header + 1, (uint32_t)n);
        return 5;
    }
    if (p->protocol >= 4) {
        header[0] = (char)OP_BIN_UNICODE8;
        put_u64(header + 1, n);
        return 9;
    }
    PyErr_SetString(
        PyExc_OverflowError,
        "serializing a string larger than 4 GiB requires pickle protocol 4");
    return 0;
}

static int
text_put_utf8(struct pickler *p, const struct text *text)
{
    size_t n = utf8_size(text);
    char header[9];
    size_t n_header = text_header(p, n, header);
    char *at;

    if (n_header == 0) {
        return -1;
    }
    if (n >= SINK_LARGE_BYTES) {
        return sink_end_frame(&p->sink) < 0 || sink_raw(&p->sink, header, n_header) < 0
                   ? -1
                   : text_put_pieces(p, text);
    }
    at = sink_room(&p->sink, n_header + n);
    if (!at) {
        return -1;
    }
    memcpy(at, header, n_header);
    p->sink.at = utf8_encode(at + n_header, text, 0, text->n);
    return 0;
}

static int
text_put_ascii(struct pickler *p, const char *data, size_t n)
{
    char header[9];
    size_t n_header = text_header(p, n, header);

    return n_header ? sink_payload(&p->sink, header, n_header, data, n, NULL) : -1;
}

/* A character of protocol 0, at most 10 bytes. */
static char *
escape_put(char *at, Py_UCS4 c)
{
    if (c >= 0x10000) {
        return at + sprintf(at, "\\U%08x", (unsigned)c);
    }
    if (c >= 0x100 || c == '\\' || c == '\n' || c == '\r' || c == 0 || c == 0x1a) {
        return at + sprintf(at, "\\u%04x", (unsigned)c);
    }
    *at = (char)c;
    return at + 1;
}

static int
text_put_escaped(struct pickler *p, const struct text *text)
{
    if (sink_op(&p->sink, OP_UNICODE) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < text->n; i++) {
        char *at = sink_room(&p->sink, 16);

        if (!at) {
            return -1;
        }
        p->sink.at = escape_put(at, PyUnicode_READ(text->kind, text->data, i));
    }
    return sink_op(&p->sink, '\n');
}

int
save_str_unmemoized(struct pickler *p, PyObject *obj)
{
    struct text text;

    if (compat_str_ready(obj) < 0) {
        return -1;
    }
    text.kind = PyUnicode_KIND(obj);
    text.data = PyUnicode_DATA(obj);
    text.n = PyUnicode_GET_LENGTH(obj);
    if (!p->is_binary) {
        return text_put_escaped(p, &text);
    }
    if (PyUnicode_IS_ASCII(obj)) {
        return text_put_ascii(p, text.data, (size_t)text.n);
    }
    return text_put_utf8(p, &text);
}

int
save_str(struct pickler *p, PyObject *obj)
{
    /* What has one owner cannot be in the memo, which would be another. */
    if (p->memo_policy != MEMO_NO_TEXT && !compat_has_one_owner(obj)) {
        int r = save_met(p, obj);

        if (r != 0) {
            return r < 0 ? -1 : 0;
        }
    }
    return save_str_unmemoized(p, obj) < 0 ? -1 : save_memoize(p, obj);
}
