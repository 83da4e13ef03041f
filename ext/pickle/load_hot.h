/* The opcodes that most streams are made of, inline for the loop of unpickler.c. */

#ifndef EXT_PICKLE_LOAD_HOT_H
#define EXT_PICKLE_LOAD_HOT_H

#include "pickle/load_args.h"

static inline int
load_mark(struct unpickler *unpickler)
{
    return load_stack_mark(&unpickler->stack);
}

static inline int
load_stop(struct unpickler *unpickler)
{
    return load_need(unpickler, 1) < 0 ? -1 : LOAD_STOP;
}

static inline int
load_none(struct unpickler *unpickler)
{
    return load_push(unpickler, Py_NewRef(Py_None));
}

static inline int
load_newtrue(struct unpickler *unpickler)
{
    return load_push(unpickler, Py_NewRef(Py_True));
}

static inline int
load_newfalse(struct unpickler *unpickler)
{
    return load_push(unpickler, Py_NewRef(Py_False));
}

static inline int
load_empty_tuple(struct unpickler *unpickler)
{
    return load_push(unpickler, PyTuple_New(0));
}

static inline int
load_empty_list(struct unpickler *unpickler)
{
    return load_push(unpickler, PyList_New(0));
}

static inline int
load_empty_dict(struct unpickler *unpickler)
{
    return load_push(unpickler, PyDict_New());
}

static inline int
load_binint(struct unpickler *unpickler)
{
    const uint8_t *p;

    if (load_bytes(unpickler, 4, &p) < 0) {
        return -1;
    }
    return load_push(unpickler, PyLong_FromLong((int32_t)load_le32(p)));
}

static inline int
load_binint1(struct unpickler *unpickler)
{
    const uint8_t *p;

    if (load_bytes(unpickler, 1, &p) < 0) {
        return -1;
    }
    return load_push(unpickler, PyLong_FromLong(p[0]));
}

static inline int
load_binint2(struct unpickler *unpickler)
{
    const uint8_t *p;

    if (load_bytes(unpickler, 2, &p) < 0) {
        return -1;
    }
    return load_push(unpickler, PyLong_FromLong(load_le16(p)));
}

static inline int
load_binfloat(struct unpickler *unpickler)
{
    const uint8_t *p;
    uint64_t bits;
    double value;

    if (load_bytes(unpickler, 8, &p) < 0) {
        return -1;
    }
    bits = ((uint64_t)p[0] << 56) | ((uint64_t)p[1] << 48) | ((uint64_t)p[2] << 40) |
           ((uint64_t)p[3] << 32) | ((uint64_t)p[4] << 24) | ((uint64_t)p[5] << 16) |
           ((uint64_t)p[6] << 8) | (uint64_t)p[7];
    memcpy(&value, &bits, sizeof(value));
    return load_push(unpickler, PyFloat_FromDouble(value));
}

static inline int
load_short_binunicode(struct unpickler *unpickler)
{
    const uint8_t *p;
    size_t n;

    if (load_bytes(unpickler, 1, &p) < 0) {
        return -1;
    }
    n = p[0];
    if (load_bytes(unpickler, n, &p) < 0) {
        return -1;
    }
    return load_push(unpickler, load_text(p, n));
}

static inline int
load_binunicode(struct unpickler *unpickler)
{
    const uint8_t *p;
    size_t n;

    if (load_bytes(unpickler, 4, &p) < 0) {
        return -1;
    }
    n = load_le32(p);
    if (load_bytes(unpickler, n, &p) < 0) {
        return -1;
    }
    return load_push(unpickler, load_text(p, n));
}

static inline int
load_binget(struct unpickler *unpickler)
{
    const uint8_t *p;

    return load_bytes(unpickler, 1, &p) < 0 ? -1 : load_get_value(unpickler, p[0]);
}

static inline int
load_long_binget(struct unpickler *unpickler)
{
    const uint8_t *p;

    if (load_bytes(unpickler, 4, &p) < 0) {
        return -1;
    }
    return load_get_value(unpickler, load_le32(p));
}

static inline int
load_binput(struct unpickler *unpickler)
{
    const uint8_t *p;

    return load_bytes(unpickler, 1, &p) < 0 ? -1 : load_put_value(unpickler, p[0]);
}

static inline int
load_long_binput(struct unpickler *unpickler)
{
    const uint8_t *p;

    if (load_bytes(unpickler, 4, &p) < 0) {
        return -1;
    }
    return load_put_value(unpickler, load_le32(p));
}

static inline int
load_memoize(struct unpickler *unpickler)
{
    return load_put_value(unpickler, load_memo_count(&unpickler->memo));
}

/* The top n values, n > 0, as a tuple in their place. */
static inline int
load_tuple_of(struct unpickler *unpickler, size_t n)
{
    PyObject **items, *tuple;

    if (load_need(unpickler, n) < 0) {
        return -1;
    }
    tuple = PyTuple_New((Py_ssize_t)n);
    if (!tuple) {
        return -1;
    }
    items = unpickler->stack.top - n;
    for (size_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, items[i]);
    }
    items[0] = tuple;
    unpickler->stack.top = items + 1;
    return 0;
}

static inline int
load_tuple1(struct unpickler *unpickler)
{
    return load_tuple_of(unpickler, 1);
}

static inline int
load_tuple2(struct unpickler *unpickler)
{
    return load_tuple_of(unpickler, 2);
}

static inline int
load_tuple3(struct unpickler *unpickler)
{
    return load_tuple_of(unpickler, 3);
}

#endif
