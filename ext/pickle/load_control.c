/* Opcodes about the stream, the stack and the memo. */

#include "pickle/load_args.h"
#include "pickle/load_ops.h"

int
load_proto(struct unpickler *unpickler)
{
    const uint8_t *p;

    if (load_bytes(unpickler, 1, &p) < 0) {
        return -1;
    }
    if (p[0] > UNPICKLER_HIGHEST_PROTOCOL) {
        return unpickler_fail(unpickler, PyExc_ValueError,
                              "unsupported pickle protocol: %d", p[0]);
    }
    unpickler->protocol = p[0];
    return 0;
}

int
load_frame(struct unpickler *unpickler)
{
    size_t n;
    int r;

    if (load_size8(unpickler, &n) < 0) {
        return -1;
    }
    unpickler_leave_loop(unpickler);
    r = source_frame(&unpickler->source, n);
    unpickler_enter_loop(unpickler);
    return r ? load_source_failed(unpickler, r, n) : 0;
}

int
load_pop(struct unpickler *unpickler)
{
    struct load_stack *stack = &unpickler->stack;

    if (stack->n_marks > 0 && load_stack_n(stack) == 0) {
        load_stack_unmark(stack);
        return 0;
    }
    if (load_need(unpickler, 1) < 0) {
        return -1;
    }
    unpickler_leave_loop(unpickler);
    Py_DECREF(load_pop_value(unpickler));
    unpickler_enter_loop(unpickler);
    return 0;
}

int
load_pop_mark(struct unpickler *unpickler)
{
    PyObject **items;
    size_t n;

    if (load_marked(unpickler, &items, &n) < 0) {
        return -1;
    }
    unpickler_leave_loop(unpickler);
    load_stack_cut(&unpickler->stack, items);
    unpickler_enter_loop(unpickler);
    return 0;
}

int
load_dup(struct unpickler *unpickler)
{
    if (load_need(unpickler, 1) < 0) {
        return -1;
    }
    return load_push(unpickler, Py_NewRef(unpickler->stack.top[-1]));
}

int
load_get(struct unpickler *unpickler)
{
    size_t index;

    return load_index(unpickler, &index) < 0 ? -1 : load_get_value(unpickler, index);
}

int
load_put(struct unpickler *unpickler)
{
    size_t index;

    return load_index(unpickler, &index) < 0 ? -1 : load_put_value(unpickler, index);
}

static int
load_persistent(struct unpickler *unpickler, PyObject *id)
{
    PyObject *value;

    if (!unpickler->persistent_load) {
        return unpickler_refuse(unpickler,
                                "a persistent id, but no persistent_load() to "
                                "ask for it,");
    }
    unpickler_leave_loop(unpickler);
    value = PyObject_CallOneArg(unpickler->persistent_load, id);
    unpickler_enter_loop(unpickler);
    return load_push(unpickler, value);
}

int
load_persid(struct unpickler *unpickler)
{
    const uint8_t *line;
    PyObject *id;
    size_t n;
    int r;

    if (load_line(unpickler, &line, &n) < 0) {
        return -1;
    }
    id = PyUnicode_DecodeASCII((const char *)line, (Py_ssize_t)n, "strict");
    if (!id) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
            return -1;
        }
        /* The words that CPython's tests ask for, without more. */
        PyErr_SetString(unpickler->state->unpickling_error,
                        "persistent IDs in protocol 0 must be ASCII strings");
        return -1;
    }
    r = load_persistent(unpickler, id);
    Py_DECREF(id);
    return r;
}

int
load_binpersid(struct unpickler *unpickler)
{
    PyObject *id;
    int r;

    if (load_need(unpickler, 1) < 0) {
        return -1;
    }
    id = load_pop_value(unpickler);
    r = load_persistent(unpickler, id);
    Py_DECREF(id);
    return r;
}
