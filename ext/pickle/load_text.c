/* Opcodes of protocol 0, whose arguments are lines of text, and Python 2's strings.
 * Grammar of a STRING: Python's literal without prefix, '...' or "...", with its
 * escapes. */

#include "pickle/load_args.h"
#include "pickle/load_ops.h"

/* A copy of the line that ends in NUL; ValueError when the line holds one. */
static PyObject *
line_copy(struct unpickler *unpickler, const uint8_t *line, size_t n)
{
    if (n == 0 || memchr(line, 0, n)) {
        unpickler_fail(unpickler, PyExc_ValueError, "not a number");
        return NULL;
    }
    return PyBytes_FromStringAndSize((const char *)line, (Py_ssize_t)n);
}

/* 1 and the value for up to 18 decimal digits that no literal reads otherwise, else 0.
 */
static int
digits_parse(const uint8_t *line, size_t n, long long *ret_value)
{
    size_t i = n > 0 && line[0] == '-';
    long long value = 0;

    if (n - i < 1 || n - i > 18 || (line[i] == '0' && n - i > 1)) {
        return 0;
    }
    for (size_t at = i; at < n; at++) {
        if (line[at] < '0' || line[at] > '9') {
            return 0;
        }
        value = value * 10 + (line[at] - '0');
    }
    *ret_value = i ? -value : value;
    return 1;
}

/* An int in any form that int(text, 0) takes; ValueError. */
static PyObject *
int_parse(struct unpickler *unpickler, const uint8_t *line, size_t n)
{
    PyObject *copy, *value;
    long long small;

    if (digits_parse(line, n, &small)) {
        return PyLong_FromLongLong(small);
    }
    copy = line_copy(unpickler, line, n);
    value = copy ? PyLong_FromString(PyBytes_AS_STRING(copy), NULL, 0) : NULL;
    Py_XDECREF(copy);
    return value;
}

int
load_int(struct unpickler *unpickler)
{
    const uint8_t *line;
    size_t n;

    if (load_line(unpickler, &line, &n) < 0) {
        return -1;
    }
    if (n == 2 && line[0] == '0' && (line[1] == '0' || line[1] == '1')) {
        return load_push(unpickler, PyBool_FromLong(line[1] == '1'));
    }
    return load_push(unpickler, int_parse(unpickler, line, n));
}

int
load_long(struct unpickler *unpickler)
{
    const uint8_t *line;
    size_t n;

    if (load_line(unpickler, &line, &n) < 0) {
        return -1;
    }
    if (n > 0 && line[n - 1] == 'L') {
        n--;
    }
    return load_push(unpickler, int_parse(unpickler, line, n));
}

static PyObject *
float_parse(struct unpickler *unpickler, const char *text)
{
    char *end;
    double value = PyOS_string_to_double(text, &end, PyExc_OverflowError);

    if (value == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (*end) {
        unpickler_fail(unpickler, PyExc_ValueError,
                       "could not convert string to float");
        return NULL;
    }
    return PyFloat_FromDouble(value);
}

int
load_float(struct unpickler *unpickler)
{
    const uint8_t *line;
    PyObject *copy, *value;
    size_t n;

    if (load_line(unpickler, &line, &n) < 0) {
        return -1;
    }
    copy = line_copy(unpickler, line, n);
    if (!copy) {
        return -1;
    }
    value = float_parse(unpickler, PyBytes_AS_STRING(copy));
    Py_DECREF(copy);
    return load_push(unpickler, value);
}

static int
hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The letter escapes; -1 for what is none. */
static int
escape_letter(uint8_t c)
{
    static const char letters[] = "abfnrtv\\'\"";
    static const char values[] = "\a\b\f\n\r\t\v\\'\"";
    const char *at = c ? strchr(letters, c) : NULL;

    return at ? values[at - letters] : -1;
}

/* One to three octal digits at p. */
static size_t
escape_octal(const uint8_t *p, const uint8_t *end, uint8_t *ret_value)
{
    size_t n = 0;
    unsigned value = 0;

    while (n < 3 && p + n < end && p[n] >= '0' && p[n] <= '7') {
        value = value * 8 + (unsigned)(p[n++] - '0');
    }
    if (n > 0) {
        *ret_value = (uint8_t)value;
    }
    return n;
}

/* What follows a backslash at p: the byte it stands for, and how long it is; 0 when it
 * is no escape, in which case the backslash stands for itself, -1 when it is broken. */
static int
escape_parse(const uint8_t *p, const uint8_t *end, uint8_t *ret_value)
{
    int value;

    if (p == end) {
        return -1;
    }
    value = escape_letter(*p);
    if (value >= 0) {
        *ret_value = (uint8_t)value;
        return 1;
    }
    if (*p == 'x') {
        int high = end - p > 2 ? hex_value(p[1]) : -1;
        int low = end - p > 2 ? hex_value(p[2]) : -1;

        *ret_value = (uint8_t)(high * 16 + low);
        return high < 0 || low < 0 ? -1 : 3;
    }
    return (int)escape_octal(p, end, ret_value);
}

/* Write the literal's bytes to dst, which has room for as many as the literal has; how
 * many they are, or -1 when an escape is broken. */
static Py_ssize_t
string_unescape(const uint8_t *p, const uint8_t *end, uint8_t *dst)
{
    uint8_t *out = dst;

    while (p < end) {
        uint8_t value = *p++;

        if (value == '\\') {
            int n = escape_parse(p, end, &value);

            if (n < 0) {
                return -1;
            }
            p += n;
        }
        *out++ = value;
    }
    return out - dst;
}

/* Bytes of Python 2, as `encoding` asks for. Takes the reference. */
static int
load_python2_str(struct unpickler *unpickler, PyObject *bytes)
{
    PyObject *text;

    if (!bytes || !unpickler->encoding_name) {
        return load_push(unpickler, bytes);
    }
    unpickler_leave_loop(unpickler);
    text = PyUnicode_FromEncodedObject(bytes, unpickler->encoding_name,
                                       unpickler->errors_name);
    unpickler_enter_loop(unpickler);
    Py_DECREF(bytes);
    return load_push(unpickler, text);
}

static PyObject *
string_parse(struct unpickler *unpickler, const uint8_t *p, size_t n)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
    Py_ssize_t n_bytes;

    if (!bytes) {
        return NULL;
    }
    n_bytes = string_unescape(p, p + n, (uint8_t *)PyBytes_AS_STRING(bytes));
    if (n_bytes < 0) {
        Py_DECREF(bytes);
        unpickler_fail(unpickler, PyExc_ValueError, "invalid escape in a string");
        return NULL;
    }
    (void)_PyBytes_Resize(&bytes, n_bytes);
    return bytes;
}

int
load_string(struct unpickler *unpickler)
{
    const uint8_t *line;
    size_t n;

    if (load_line(unpickler, &line, &n) < 0) {
        return -1;
    }
    if (n < 2 || line[0] != line[n - 1] || (line[0] != '\'' && line[0] != '"')) {
        return unpickler_refuse(unpickler, "the STRING opcode argument must be quoted");
    }
    return load_python2_str(unpickler, string_parse(unpickler, line + 1, n - 2));
}

static int
load_python2_bytes(struct unpickler *unpickler, size_t n)
{
    const uint8_t *p;

    if (load_bytes(unpickler, n, &p) < 0) {
        return -1;
    }
    return load_python2_str(unpickler,
                            PyBytes_FromStringAndSize((const char *)p, (Py_ssize_t)n));
}

int
load_short_binstring(struct unpickler *unpickler)
{
    const uint8_t *p;

    return load_bytes(unpickler, 1, &p) < 0 ? -1 : load_python2_bytes(unpickler, p[0]);
}

int
load_binstring(struct unpickler *unpickler)
{
    const uint8_t *p;
    int32_t n;

    if (load_bytes(unpickler, 4, &p) < 0) {
        return -1;
    }
    n = (int32_t)load_le32(p);
    if (n < 0) {
        return unpickler_refuse(unpickler, "BINSTRING pickle has negative byte count");
    }
    return load_python2_bytes(unpickler, (size_t)n);
}

int
load_unicode(struct unpickler *unpickler)
{
    const uint8_t *line;
    size_t n;

    if (load_line(unpickler, &line, &n) < 0) {
        return -1;
    }
    return load_push(unpickler, PyUnicode_DecodeRawUnicodeEscape((const char *)line,
                                                                 (Py_ssize_t)n, NULL));
}
