/* Opcodes that make and fill containers. */

#include "pickle/load_args.h"
#include "pickle/load_ops.h"

/* Items of lists and dicts after which the collector gets its turn. */
#define FILLED_PER_COLLECTION 10000
/* Items of a dict that are not all in the cache any more. */
#define DICT_LARGE 10000

int
load_tuple(struct unpickler *unpickler)
{
    return load_push(unpickler, load_marked_tuple(unpickler));
}

int
load_list(struct unpickler *unpickler)
{
    return load_push(unpickler, load_marked_list(unpickler));
}

int
load_empty_set(struct unpickler *unpickler)
{
    return load_push(unpickler, PySet_New(NULL));
}

int
load_frozenset(struct unpickler *unpickler)
{
    PyObject *items = load_marked_tuple(unpickler);
    PyObject *set;

    if (!items) {
        return -1;
    }
    unpickler_leave_loop(unpickler);
    set = PyFrozenSet_New(items);
    Py_DECREF(items);
    unpickler_enter_loop(unpickler);
    return load_push(unpickler, set);
}

/* The container under the marked values; the values are at *ret_items up to the top. */
static int
load_target(struct unpickler *unpickler, PyObject **ret_target, PyObject ***ret_items,
            size_t *ret_n)
{
    PyObject **items;
    size_t n;

    if (load_marked(unpickler, &items, &n) < 0) {
        return -1;
    }
    if (items == unpickler->stack.fence) {
        (void)unpickler_underflow(unpickler);
        return -1;
    }
    *ret_target = items[-1];
    *ret_items = items;
    *ret_n = n;
    return 0;
}

/* Release the values from `from` on, which the container has taken references of. */
static int
load_cut(struct unpickler *unpickler, PyObject **from, int r)
{
    load_stack_cut(&unpickler->stack, from);
    return r;
}

/* Whether hashing and comparing the key runs no code but the interpreter's. */
static int
key_is_quiet(PyObject *key)
{
    return PyUnicode_CheckExact(key) || PyLong_CheckExact(key) ||
           PyBytes_CheckExact(key) || PyFloat_CheckExact(key) || key == Py_None ||
           PyBool_Check(key);
}

static int
mapping_set(struct unpickler *unpickler, PyObject *mapping, PyObject *key,
            PyObject *value)
{
    int r;

    unpickler_leave_loop(unpickler);
    r = PyDict_CheckExact(mapping) ? PyDict_SetItem(mapping, key, value)
                                   : PyObject_SetItem(mapping, key, value);
    unpickler_enter_loop(unpickler);
    return r;
}

static int
dict_fill(struct unpickler *unpickler, PyObject *dict, PyObject **items, size_t n)
{
    int is_dict = PyDict_CheckExact(dict);

    for (size_t i = 0; i < n; i += 2) {
        int r = is_dict && key_is_quiet(items[i])
                    ? PyDict_SetItem(dict, items[i], items[i + 1])
                    : mapping_set(unpickler, dict, items[i], items[i + 1]);

        if (r < 0) {
            return -1;
        }
    }
    return 0;
}

/* Whether so many items have just been passed. */
static int
dict_has_become_large(PyObject *dict, Py_ssize_t n_before)
{
    return n_before < DICT_LARGE && PyDict_GET_SIZE(dict) >= DICT_LARGE &&
           PyDict_CheckExact(dict);
}

static int
dict_check_pairs(struct unpickler *unpickler, size_t n)
{
    return n % 2 ? unpickler_refuse(unpickler, "odd number of items for a dict") : 0;
}

/* Let the collector look at what was made, but at more at once than it would itself:
 * young tuples are better untracked while they are in the cache. */
static void
load_collect(struct unpickler *unpickler, size_t n)
{
    unpickler->n_filled += n;
    if (unpickler->n_filled < FILLED_PER_COLLECTION || !unpickler->gc_was_enabled) {
        return;
    }
    unpickler->n_filled = 0;
    unpickler_leave_loop(unpickler);
    compat_gc_offer();
    unpickler_enter_loop(unpickler);
}

int
load_dict(struct unpickler *unpickler)
{
    PyObject **items, *dict;
    size_t n;

    if (load_marked(unpickler, &items, &n) < 0 || dict_check_pairs(unpickler, n) < 0) {
        return -1;
    }
    dict = PyDict_New();
    if (!dict) {
        return -1;
    }
    if (dict_fill(unpickler, dict, items, n) < 0) {
        Py_DECREF(dict);
        return -1;
    }
    load_stack_cut(&unpickler->stack, items);
    return load_push(unpickler, dict);
}

int
load_setitem(struct unpickler *unpickler)
{
    PyObject **top = unpickler->stack.top;

    if (load_need(unpickler, 3) < 0) {
        return -1;
    }
    return load_cut(unpickler, top - 2, dict_fill(unpickler, top[-3], top - 2, 2));
}

int
load_setitems(struct unpickler *unpickler)
{
    PyObject *dict, **items;
    Py_ssize_t n_before;
    size_t n;
    int r;

    if (load_target(unpickler, &dict, &items, &n) < 0 ||
        dict_check_pairs(unpickler, n) < 0) {
        return -1;
    }
    load_collect(unpickler, n);
    n_before = PyDict_Check(dict) ? PyDict_GET_SIZE(dict) : DICT_LARGE;
    r = dict_fill(unpickler, dict, items, n);
    if (r == 0 && dict_has_become_large(dict, n_before)) {
        unpickler_leave_loop(unpickler);
        r = compat_dict_keep_hashes(dict);
        unpickler_enter_loop(unpickler);
    }
    return load_cut(unpickler, items, r);
}

/* Call a method of one argument, for its effect. */
static int
call_for_effect(PyObject *method, PyObject *argument)
{
    PyObject *result = PyObject_CallOneArg(method, argument);

    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* object.<name>(item) for every item. */
static int
fill_one_by_one(struct unpickler *unpickler, PyObject *object, PyObject *name,
                PyObject **items, size_t n)
{
    PyObject *method;
    int r;

    unpickler_leave_loop(unpickler);
    method = PyObject_GetAttr(object, name);
    r = method ? 0 : -1;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = call_for_effect(method, items[i]);
    }
    Py_XDECREF(method);
    unpickler_enter_loop(unpickler);
    return r;
}

/* Move the values into the list. */
static int
list_fill(PyObject *list, PyObject **items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (compat_list_take(list, items[i]) < 0) {
            return -1;
        }
        items[i] = NULL;
    }
    return 0;
}

int
load_append(struct unpickler *unpickler)
{
    PyObject **top = unpickler->stack.top;
    int r;

    if (load_need(unpickler, 2) < 0) {
        return -1;
    }
    if (PyList_CheckExact(top[-2])) {
        r = list_fill(top[-2], top - 1, 1);
    }
    else {
        r = fill_one_by_one(unpickler, top[-2], unpickler->state->str_append, top - 1,
                            1);
    }
    return load_cut(unpickler, top - 1, r);
}

/* extend() with the values of the stack from `items` on, which are moved into a list.
 */
static int
fill_by_extend(struct unpickler *unpickler, PyObject *extend, PyObject **items,
               size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    int r;

    if (!list) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        PyList_SET_ITEM(list, (Py_ssize_t)i, items[i]);
    }
    unpickler->stack.top = items;
    unpickler_leave_loop(unpickler);
    r = call_for_effect(extend, list);
    Py_DECREF(list);
    unpickler_enter_loop(unpickler);
    return r;
}

/* What is no list has extend(), or append(). */
static int
appendable_fill(struct unpickler *unpickler, PyObject *object, PyObject **items,
                size_t n)
{
    PyObject *extend;
    int r;

    unpickler_leave_loop(unpickler);
    r = compat_find_attr(object, unpickler->state->str_extend, &extend);
    unpickler_enter_loop(unpickler);
    if (r < 0) {
        return -1;
    }
    if (r == 0) {
        r = fill_one_by_one(unpickler, object, unpickler->state->str_append, items, n);
        return load_cut(unpickler, items, r);
    }
    r = fill_by_extend(unpickler, extend, items, n);
    Py_DECREF(extend);
    return r;
}

int
load_appends(struct unpickler *unpickler)
{
    PyObject *list, **items;
    size_t n;

    if (load_target(unpickler, &list, &items, &n) < 0) {
        return -1;
    }
    if (n == 0) {
        return 0;
    }
    load_collect(unpickler, n);
    if (PyList_CheckExact(list)) {
        return load_cut(unpickler, items, list_fill(list, items, n));
    }
    return appendable_fill(unpickler, list, items, n);
}

static int
set_add(struct unpickler *unpickler, PyObject *set, PyObject *item)
{
    int r;

    unpickler_leave_loop(unpickler);
    r = PySet_Add(set, item);
    unpickler_enter_loop(unpickler);
    return r;
}

static int
set_fill(struct unpickler *unpickler, PyObject *set, PyObject **items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int r = key_is_quiet(items[i]) ? PySet_Add(set, items[i])
                                       : set_add(unpickler, set, items[i]);

        if (r < 0) {
            return -1;
        }
    }
    return 0;
}

int
load_additems(struct unpickler *unpickler)
{
    PyObject *set, **items;
    size_t n;
    int r = 0;

    if (load_target(unpickler, &set, &items, &n) < 0) {
        return -1;
    }
    if (PySet_Check(set)) {
        r = set_fill(unpickler, set, items, n);
    }
    else if (n > 0) {
        r = fill_one_by_one(unpickler, set, unpickler->state->str_add, items, n);
    }
    return load_cut(unpickler, items, r);
}
