/* bool, int and float. */

#include "pickle/pickle_module.h"
#include "pickle/pickler.h"

#include <string.h>

/* Larger ones are put together in memory of their own. */
#define LARGE_INT_BYTES 64

int
save_bool(struct pickler *p, PyObject *obj)
{
    if (p->protocol >= 2) {
        return sink_op(&p->sink, obj == Py_True ? OP_NEW_TRUE : OP_NEW_FALSE);
    }
    return sink_put(&p->sink, obj == Py_True ? "I01\n" : "I00\n", 4);
}

/* One line: the opcode, the text, what ends it. */
static int
save_line(struct pickler *p, int op, PyObject *text, const char *end)
{
    Py_ssize_t n;
    const char *data = text ? PyUnicode_AsUTF8AndSize(text, &n) : NULL;
    int r = -1;

    if (data && sink_op(&p->sink, op) == 0 &&
        sink_raw(&p->sink, data, (size_t)n) == 0) {
        r = sink_put(&p->sink, end, strlen(end));
    }
    Py_XDECREF(text);
    return r;
}

static int
save_int_bytes(struct pickler *p, const char *data, Py_ssize_t n)
{
    char header[5];

    if (n < 256) {
        header[0] = (char)OP_LONG1;
        header[1] = (char)n;
        return sink_payload(&p->sink, header, 2, data, (size_t)n, NULL);
    }
    if (n > INT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "int too large to pickle");
        return -1;
    }
    header[0] = (char)OP_LONG4;
    put_u32(header + 1, (uint32_t)n);
    return sink_payload(&p->sink, header, 5, data, (size_t)n, NULL);
}

/* How many bytes of a little-endian two's complement number say all of it. */
static Py_ssize_t
int_trim(const char *data, Py_ssize_t n)
{
    while (n > 1) {
        bool is_negative = data[n - 2] & 0x80;

        if (data[n - 1] != (is_negative ? (char)0xff : 0)) {
            break;
        }
        n--;
    }
    return n;
}

/* By way of memory for its n bytes. */
static int
save_int_of(struct pickler *p, PyObject *obj, char *data, Py_ssize_t n)
{
    if (compat_long_to_le(obj, (unsigned char *)data, n) < 0) {
        return -1;
    }
    return save_int_bytes(p, data, int_trim(data, n));
}

static int
save_large_int(struct pickler *p, PyObject *obj)
{
    char few[LARGE_INT_BYTES], *many;
    Py_ssize_t n;
    int r;

    if (p->protocol < 2) {
        return save_line(p, OP_LONG, PyObject_Repr(obj), "L\n");
    }
    n = compat_long_n_bytes(obj);
    if (n < 0) {
        return -1;
    }
    if (n <= LARGE_INT_BYTES) {
        return save_int_of(p, obj, few, n);
    }
    many = PyMem_Malloc((size_t)n);
    if (!many) {
        PyErr_NoMemory();
        return -1;
    }
    r = save_int_of(p, obj, many, n);
    PyMem_Free(many);
    return r;
}

static int
save_int64(struct pickler *p, int64_t value)
{
    char data[8];

    put_u64(data, (uint64_t)value);
    return save_int_bytes(p, data, int_trim(data, 8));
}

static int
save_int32(struct pickler *p, int32_t value)
{
    char *at = sink_room(&p->sink, 5);

    if (!at) {
        return -1;
    }
    if (value >= 0 && value < 256) {
        at[0] = (char)OP_BIN_INT1;
        at[1] = (char)value;
        p->sink.at += 2;
    }
    else if (value >= 0 && value < 65536) {
        at[0] = (char)OP_BIN_INT2;
        put_u16(at + 1, (uint16_t)value);
        p->sink.at += 3;
    }
    else {
        at[0] = (char)OP_BIN_INT;
        put_u32(at + 1, (uint32_t)value);
        p->sink.at += 5;
    }
    return 0;
}

int
save_int(struct pickler *p, PyObject *obj)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(obj, &overflow);

    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow == 0 && value >= INT32_MIN && value <= INT32_MAX) {
        return p->is_binary ? save_int32(p, (int32_t)value)
                            : save_line(p, OP_INT, PyObject_Repr(obj), "\n");
    }
    return overflow || p->protocol < 2 ? save_large_int(p, obj) : save_int64(p, value);
}

static int
save_float_text(struct pickler *p, double value)
{
    char *text = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    int r = -1;

    if (!text) {
        PyErr_NoMemory();
        return -1;
    }
    if (sink_op(&p->sink, OP_FLOAT) == 0 &&
        sink_put(&p->sink, text, strlen(text)) == 0) {
        r = sink_op(&p->sink, '\n');
    }
    PyMem_Free(text);
    return r;
}

int
save_float(struct pickler *p, PyObject *obj)
{
    double value = PyFloat_AS_DOUBLE(obj);
    char *at;
    uint64_t bits;

    if (!p->is_binary) {
        return save_float_text(p, value);
    }
    at = sink_room(&p->sink, 9);
    if (!at) {
        return -1;
    }
    memcpy(&bits, &value, sizeof(bits));
    *at++ = (char)OP_BIN_FLOAT;
    for (int shift = 56; shift >= 0; shift -= 8) {
        *at++ = (char)(bits >> shift);
    }
    p->sink.at = at;
    return 0;
}
