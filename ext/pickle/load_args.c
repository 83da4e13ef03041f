#include "pickle/load_args.h"

int
load_source_failed(struct unpickler *unpickler, int r, uint64_t claimed)
{
    if (r < 0) {
        return -1;
    }
    return unpickler_truncated(unpickler, claimed, source_here(&unpickler->source));
}

int
load_more(struct unpickler *unpickler, size_t n)
{
    int r;

    unpickler_leave_loop(unpickler);
    r = source_more(&unpickler->source, n);
    unpickler_enter_loop(unpickler);
    return r;
}

int
load_line(struct unpickler *unpickler, const uint8_t **ret_line, size_t *ret_n_bytes)
{
    int r;

    unpickler_leave_loop(unpickler);
    r = source_line(&unpickler->source, ret_line, ret_n_bytes);
    unpickler_enter_loop(unpickler);
    if (r > 0) {
        (void)unpickler_refuse(unpickler,
                               "pickle data was truncated: a line has no end");
    }
    return r ? -1 : 0;
}

int
load_index(struct unpickler *unpickler, size_t *ret_index)
{
    const uint8_t *line;
    size_t n, index = 0;

    if (load_line(unpickler, &line, &n) < 0) {
        return -1;
    }
    if (n == 0 || n > 18) {
        (void)unpickler_fail(unpickler, PyExc_ValueError, "not a memo index");
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (line[i] < '0' || line[i] > '9') {
            (void)unpickler_fail(unpickler, PyExc_ValueError, "not a memo index");
            return -1;
        }
        index = index * 10 + (size_t)(line[i] - '0');
    }
    *ret_index = index;
    return 0;
}

int
load_size8(struct unpickler *unpickler, size_t *ret_n)
{
    const uint8_t *p;
    uint64_t n;

    if (load_bytes(unpickler, 8, &p) < 0) {
        return -1;
    }
    n = load_le64(p);
    if (n > (uint64_t)PY_SSIZE_T_MAX) {
        (void)unpickler_fail(unpickler, PyExc_OverflowError,
                             "a size of %llu bytes exceeds the system's maximum",
                             (unsigned long long)n);
        return -1;
    }
    *ret_n = (size_t)n;
    return 0;
}

static int
text_is_ascii(const uint8_t *p, size_t n)
{
    uint64_t all = 0, word;
    size_t i = 0;

    for (; i + sizeof(word) <= n; i += sizeof(word)) {
        memcpy(&word, p + i, sizeof(word));
        all |= word;
    }
    for (; i < n; i++) {
        all |= (uint64_t)p[i] << 56;
        all |= p[i];
    }
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

PyObject *
load_text(const uint8_t *p, size_t n)
{
    PyObject *text;

    /* The interpreter has the empty one and those of one character already. */
    if (n < 2 || p[0] >= 0x80 || !text_is_ascii(p, n)) {
        return PyUnicode_DecodeUTF8((const char *)p, (Py_ssize_t)n, "surrogatepass");
    }
    text = PyUnicode_New((Py_ssize_t)n, 127);
    if (text) {
        memcpy(PyUnicode_1BYTE_DATA(text), p, n);
    }
    return text;
}

int
load_marked(struct unpickler *unpickler, PyObject ***ret_items, size_t *ret_n)
{
    struct load_stack *stack = &unpickler->stack;

    if (stack->n_marks == 0) {
        (void)unpickler_no_mark(unpickler);
        return -1;
    }
    *ret_items = stack->fence;
    *ret_n = load_stack_n(stack);
    load_stack_unmark(stack);
    return 0;
}

PyObject *
load_marked_tuple(struct unpickler *unpickler)
{
    PyObject **items, *tuple;
    size_t n;

    if (load_marked(unpickler, &items, &n) < 0) {
        return NULL;
    }
    tuple = PyTuple_New((Py_ssize_t)n);
    if (!tuple) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, items[i]);
    }
    unpickler->stack.top = items;
    return tuple;
}

PyObject *
load_marked_list(struct unpickler *unpickler)
{
    PyObject **items, *list;
    size_t n;

    if (load_marked(unpickler, &items, &n) < 0) {
        return NULL;
    }
    list = PyList_New((Py_ssize_t)n);
    if (!list) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        PyList_SET_ITEM(list, (Py_ssize_t)i, items[i]);
    }
    unpickler->stack.top = items;
    return list;
}

int
load_get_value(struct unpickler *unpickler, size_t index)
{
    PyObject *value = load_memo_get(&unpickler->memo, index);

    if (value) {
        return load_stack_push(&unpickler->stack, Py_NewRef(value));
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    return unpickler_refuse(unpickler, "Memo value not found at index %zu", index);
}

/* Replacing a value may release the old one. */
int
load_put_value_slow(struct unpickler *unpickler, size_t index)
{
    int r;

    unpickler_leave_loop(unpickler);
    r = load_memo_put(&unpickler->memo, index, unpickler->stack.top[-1],
                      source_offset(&unpickler->source));
    unpickler_enter_loop(unpickler);
    return r;
}
