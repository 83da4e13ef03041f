/* How the unpickler says what is wrong with a stream: the fault, the offset, the
 * opcode. */

#include <stdarg.h>

#include "pickle/load_ops.h"
#include "pickle/unpickler.h"

static const char *
op_name(uint8_t op)
{
    switch (op) {
#define OP_NAME(code, name, function) \
    case code:                        \
        return #name;
        LOAD_HOT_OPS(OP_NAME)
        LOAD_COLD_OPS(OP_NAME)
#undef OP_NAME
    default:
        return NULL;
    }
}

/* "at byte 17 in BINBYTES8" */
static PyObject *
unpickler_place(const struct unpickler *unpickler)
{
    unsigned long long offset = unpickler->op_offset;
    const char *name = op_name(unpickler->op);

    if (name) {
        return PyUnicode_FromFormat("at byte %llu in %s", offset, name);
    }
    return PyUnicode_FromFormat("at byte %llu", offset);
}

static void
unpickler_raise(struct unpickler *unpickler, PyObject *type, const char *format,
                va_list args)
{
    PyObject *place = unpickler_place(unpickler);
    PyObject *fault = place ? PyUnicode_FromFormatV(format, args) : NULL;

    if (fault) {
        PyErr_Format(type, "%U %U", fault, place);
    }
    Py_XDECREF(fault);
    Py_XDECREF(place);
}

int
unpickler_fail(struct unpickler *unpickler, PyObject *type, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    unpickler_raise(unpickler, type, format, args);
    va_end(args);
    return -1;
}

int
unpickler_refuse(struct unpickler *unpickler, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    unpickler_raise(unpickler, unpickler->state->unpickling_error, format, args);
    va_end(args);
    return -1;
}

int
unpickler_truncated(struct unpickler *unpickler, uint64_t claimed, uint64_t left)
{
    PyObject *place = unpickler_place(unpickler);

    if (place) {
        PyErr_Format(unpickler->state->unpickling_error,
                     "pickle data was truncated %U: %llu bytes claimed, %llu left",
                     place, (unsigned long long)claimed, (unsigned long long)left);
        Py_DECREF(place);
    }
    return -1;
}

int
unpickler_underflow(struct unpickler *unpickler)
{
    if (unpickler->stack.n_marks > 0) {
        return unpickler_refuse(unpickler, "unexpected MARK found");
    }
    return unpickler_refuse(unpickler, "unpickling stack underflow");
}

int
unpickler_no_mark(struct unpickler *unpickler)
{
    return unpickler_refuse(unpickler, "could not find MARK");
}
