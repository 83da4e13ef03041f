/* What has no parts: singletons, numbers, text, bytes. Small ones are one message on
 * the stack; text and bytes over LEAF_INLINE_BYTES enter by the digest of their
 * content, which is then read in place. */

#include <string.h>

#include "hash/hasher.h"

/* With the two bytes before them still on XXH3's path for short inputs. */
#define LEAF_INLINE_BYTES 224

/* Content from this size on is digested without the GIL. */
#define LEAF_NO_GIL_BYTES 65536

static int
singleton_digest(struct hasher *h, char which, struct value *ret)
{
    uint8_t message[2] = {TAG_SINGLETON, (uint8_t)which};

    message_digest(h, message, sizeof(message), ret);
    return LEAF_DONE;
}

/* obj.to_bytes(n, "little", signed=True) with the least n. */
static PyObject *
int_as_bytes(struct hasher *h, PyObject *obj)
{
    PyObject *n_bits = PyObject_CallMethod(obj, "bit_length", NULL), *method, *args;
    PyObject *bytes = NULL;
    size_t n_bytes = n_bits ? PyLong_AsSize_t(n_bits) / 8 + 1 : 0;

    Py_XDECREF(n_bits);
    if (PyErr_Occurred()) {
        return NULL;
    }
    method = PyObject_GetAttrString(obj, "to_bytes");
    args = Py_BuildValue("(ns)", (Py_ssize_t)n_bytes, "little");
    if (method && args) {
        bytes = PyObject_Call(method, args, h->state->signed_keyword);
    }
    Py_XDECREF(method);
    Py_XDECREF(args);
    return bytes;
}

/* Numbers that need more than 64 bits: the shortest two's complement, little endian. */
static int
int_big_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    PyObject *bytes = int_as_bytes(h, obj);
    int r;

    if (!bytes) {
        return -1;
    }
    r = leaf_text_digest(h, bytes, ret);
    Py_DECREF(bytes);
    if (r == 0) {
        uint8_t message[1 + CJ_DIGEST_MAX_BYTES] = {TAG_INT};

        memcpy(message + 1, ret->bytes, h->width);
        message_digest(h, message, 1 + h->width, ret);
    }
    return r < 0 ? -1 : LEAF_DONE;
}

static int
int_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    int is_big;
    long long number = PyLong_AsLongLongAndOverflow(obj, &is_big);
    uint8_t message[1 + 8] = {TAG_INT};

    if (is_big) {
        return int_big_digest(h, obj, ret);
    }
    for (int i = 0; i < 8; i++) {
        message[1 + i] = (uint8_t)((uint64_t)number >> (8 * i));
    }
    message_digest(h, message, sizeof(message), ret);
    return LEAF_DONE;
}

static void
put_double(uint8_t *at, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof(bits));
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(bits >> (8 * i));
    }
}

static int
float_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    uint8_t message[1 + 8] = {TAG_FLOAT};

    put_double(message + 1, PyFloat_AS_DOUBLE(obj));
    message_digest(h, message, sizeof(message), ret);
    return LEAF_DONE;
}

static int
complex_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    uint8_t message[1 + 16] = {TAG_COMPLEX};

    put_double(message + 1, PyComplex_RealAsDouble(obj));
    put_double(message + 9, PyComplex_ImagAsDouble(obj));
    message_digest(h, message, sizeof(message), ret);
    return LEAF_DONE;
}

/* Text is its code units in the narrowest of 1, 2, 4 bytes that holds all of them, as
 * the interpreter keeps it. `width` is 0 for bytes, so that they have a message of
 * their own. */
struct content {
    enum tag tag;
    uint8_t unit_bytes;
    const void *data;
    size_t size;
};

static void
content_digest_large(struct hasher *h, const void *data, size_t size, struct value *ret)
{
    if (size < LEAF_NO_GIL_BYTES) {
        message_digest(h, data, size, ret);
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    message_digest(h, data, size, ret);
    Py_END_ALLOW_THREADS
}

static void
content_digest(struct hasher *h, const struct content *content, struct value *ret)
{
    uint8_t message[2 + LEAF_INLINE_BYTES], *at = message;

    *at++ = (uint8_t)content->tag;
    *at++ = content->unit_bytes;
    if (content->size <= LEAF_INLINE_BYTES) {
        memcpy(at, content->data, content->size);
        message_digest(h, message, 2 + content->size, ret);
        return;
    }
    content_digest_large(h, content->data, content->size, ret);
    memmove(message + 1, message, 2);
    message[0] = TAG_LONG;
    memcpy(message + 3, ret->bytes, h->width);
    message_digest(h, message, 3 + h->width, ret);
}

static int
str_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    struct content content = {.tag = TAG_STR};

    if (compat_str_ready(obj) < 0) {
        return -1;
    }
    content.unit_bytes = (uint8_t)PyUnicode_KIND(obj);
    content.data = PyUnicode_DATA(obj);
    content.size = (size_t)PyUnicode_GET_LENGTH(obj) * content.unit_bytes;
    content_digest(h, &content, ret);
    return 0;
}

static int
bytes_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    struct content content = {TAG_BYTES, 0, PyBytes_AS_STRING(obj),
                              (size_t)PyBytes_GET_SIZE(obj)};

    content_digest(h, &content, ret);
    return 0;
}

/* Through a view: a bytearray cannot be resized as long as somebody looks at it. */
static int
bytearray_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    Py_buffer view;

    if (PyObject_GetBuffer(obj, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    content_digest(h, &(struct content){TAG_BYTEARRAY, 0, view.buf, (size_t)view.len},
                   ret);
    PyBuffer_Release(&view);
    return 0;
}

bool
leaf_is_text(PyObject *obj)
{
    return PyUnicode_CheckExact(obj) || PyBytes_CheckExact(obj) ||
           PyByteArray_CheckExact(obj);
}

int
leaf_text_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    if (PyUnicode_CheckExact(obj)) {
        return str_digest(h, obj, ret);
    }
    return PyBytes_CheckExact(obj) ? bytes_digest(h, obj, ret)
                                   : bytearray_digest(h, obj, ret);
}

static size_t
text_size(PyObject *obj)
{
    return PyUnicode_CheckExact(obj) ? (size_t)PyUnicode_GET_LENGTH(obj)
                                     : (size_t)Py_SIZE(obj);
}

static int
small_text_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    if (text_size(obj) >= LEAF_BIG_BYTES) {
        return LEAF_NOT;
    }
    return leaf_text_digest(h, obj, ret) < 0 ? -1 : LEAF_DONE;
}

/* N None, T True, F False, E Ellipsis, I NotImplemented; 0: none of them. */
static char
singleton_letter(PyObject *obj)
{
    if (obj == Py_None) {
        return 'N';
    }
    if (PyBool_Check(obj)) {
        return obj == Py_True ? 'T' : 'F';
    }
    if (obj == Py_Ellipsis) {
        return 'E';
    }
    return obj == Py_NotImplemented ? 'I' : 0;
}

int
leaf_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    char letter;

    if (leaf_is_text(obj)) {
        return small_text_digest(h, obj, ret);
    }
    if (PyLong_CheckExact(obj)) {
        return int_digest(h, obj, ret);
    }
    if (PyFloat_CheckExact(obj)) {
        return float_digest(h, obj, ret);
    }
    letter = singleton_letter(obj);
    if (letter) {
        return singleton_digest(h, letter, ret);
    }
    return PyComplex_CheckExact(obj) ? complex_digest(h, obj, ret) : LEAF_NOT;
}
