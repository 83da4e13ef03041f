/* From an object to its digest. Leaves and containers are walked as they are;
 * everything else is first taken apart into a tuple of parts (expand.c) and then walked
 * as one.
 *
 * An object with more than one reference may be met again: it is entered in `seen`
 * while it is hashed, and stays there with its digest if hashing it took some work. So
 * shared structure costs linear time, and a million small shared objects no memory. Met
 * again while it is still being hashed, it contains itself: the walk goes on only to
 * look at the rest (errors keep their path), and cycle.c then does the whole object
 * anew. */

#include <string.h>

#include "hash/hasher.h"
#include "stack_room.h"

/* Fewer visits than this are repeated rather than remembered. */
#define WALK_MEMO_VISITS 16

static int
stack_is_short(void)
{
    PyErr_SetString(PyExc_RecursionError,
                    "the object is nested too deeply to be hashed");
    return -1;
}

int
hasher_check_stack(struct hasher *h)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (here >= h->floor) {
        return 0;
    }
    return h->is_floor_known ? stack_is_short() : hasher_check_stack_now(h);
}

int
hasher_check_stack_now(struct hasher *h)
{
    if (!h->is_floor_known) {
        h->floor = stack_floor();
        h->is_floor_known = true;
    }
    return (uintptr_t)__builtin_frame_address(0) >= h->floor ? 0 : stack_is_short();
}

static int
changed_error(PyObject *obj)
{
    PyErr_Format(PyExc_RuntimeError, "%s changed size while it was hashed",
                 Py_TYPE(obj)->tp_name);
    return -1;
}

static int
tuple_digest(struct hasher *h, PyObject *tuple, enum tag tag, struct value *ret)
{
    size_t n = (size_t)PyTuple_GET_SIZE(tuple);
    struct sequence sequence;
    struct value value;

    if (sequence_begin(h, &sequence, tag, n) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        PyObject *item = Py_NewRef(PyTuple_GET_ITEM(tuple, (Py_ssize_t)i));
        int r = hash_child(h, item, &value);

        Py_DECREF(item);
        if (r < 0) {
            path_add_part(h, tag, i);
            return -1;
        }
        sequence_add(h, &sequence, &value);
    }
    sequence_end(h, &sequence, ret);
    return 0;
}

/* Only a hook that changes the list meanwhile makes an item or the end vanish. */
static int
list_digest(struct hasher *h, PyObject *list, struct value *ret)
{
    size_t n = (size_t)PyList_GET_SIZE(list);
    struct sequence sequence;
    struct value value;

    if (sequence_begin(h, &sequence, TAG_LIST, n) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        PyObject *item = compat_list_item(list, (Py_ssize_t)i);
        int r = item ? hash_child(h, item, &value) : changed_error(list);

        Py_XDECREF(item);
        if (r < 0) {
            path_add_index(h, i);
            return -1;
        }
        sequence_add(h, &sequence, &value);
    }
    if ((size_t)PyList_GET_SIZE(list) != n) {
        return changed_error(list);
    }
    sequence_end(h, &sequence, ret);
    return 0;
}

static int
pair_digest(struct hasher *h, PyObject *key, PyObject *item, struct value *ret)
{
    uint8_t message[1 + 2 * CJ_DIGEST_MAX_BYTES] = {TAG_PAIR};
    struct value value;

    if (hash_child(h, key, &value) < 0) {
        path_add_key(h, ".key(", key, ")");
        return -1;
    }
    memcpy(message + 1, value.bytes, h->width);
    if (hash_child(h, item, &value) < 0) {
        path_add_key(h, "[", key, "]");
        return -1;
    }
    memcpy(message + 1 + h->width, value.bytes, h->width);
    message_digest(h, message, 1 + 2 * h->width, ret);
    return 0;
}

static int
pair_add(struct hasher *h, struct unordered *all, PyObject *key, PyObject *item)
{
    struct value value;
    int r;

    Py_INCREF(key);
    Py_INCREF(item);
    r = pair_digest(h, key, item, &value);
    Py_DECREF(key);
    Py_DECREF(item);
    return r < 0 ? -1 : unordered_add(h, all, &value);
}

static int
dict_digest_lock_held(struct hasher *h, PyObject *dict, struct value *ret)
{
    Py_ssize_t n = PyDict_GET_SIZE(dict), at = 0;
    struct unordered all;
    PyObject *key, *item;

    unordered_begin(h, &all);
    while (PyDict_Next(dict, &at, &key, &item)) {
        if (pair_add(h, &all, key, item) < 0) {
            return -1;
        }
        if (PyDict_GET_SIZE(dict) != n) {
            return changed_error(dict);
        }
    }
    h->n_visits += (uint64_t)n;
    return unordered_end(h, &all, TAG_DICT, ret);
}

static int
dict_digest(struct hasher *h, PyObject *dict, struct value *ret)
{
    PyObject *view = compat_dict_for_walk(dict);
    int r;

    if (!view) {
        return -1;
    }
    r = dict_digest_lock_held(h, view, ret);
    Py_DECREF(view);
    return r;
}

static int
set_walk(struct hasher *h, PyObject *iterator, struct unordered *all)
{
    struct value value;
    PyObject *item;

    while ((item = PyIter_Next(iterator))) {
        int r = hash_child(h, item, &value);

        Py_DECREF(item);
        if (r < 0) {
            path_add(h, ".member");
            return -1;
        }
        if (unordered_add(h, all, &value) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int
set_digest(struct hasher *h, PyObject *set, enum tag tag, struct value *ret)
{
    PyObject *iterator = PyObject_GetIter(set);
    struct unordered all;
    int r;

    if (!iterator) {
        return -1;
    }
    unordered_begin(h, &all);
    r = set_walk(h, iterator, &all);
    Py_DECREF(iterator);
    h->n_visits += all.n;
    return r < 0 ? -1 : unordered_end(h, &all, tag, ret);
}

int
pairs_digest(struct hasher *h, PyObject *const *names, PyObject *const *values,
             size_t n, struct value *ret)
{
    struct unordered all;

    unordered_begin(h, &all);
    for (size_t i = 0; i < n; i++) {
        if (pair_add(h, &all, names[i], values[i]) < 0) {
            return -1;
        }
    }
    return unordered_end(h, &all, TAG_DICT, ret);
}

/* The items of a list or dict subclass are not copied out: the object itself stands for
 * them among its parts, and its raw content is meant. */
static int
part_digest(struct hasher *h, PyObject *obj, PyObject *part, size_t at,
            struct value *ret)
{
    if (part != obj || (at != REDUCE_ITEMS && at != REDUCE_PAIRS)) {
        return hash_child(h, part, ret);
    }
    return PyDict_Check(obj) ? dict_digest(h, obj, ret) : list_digest(h, obj, ret);
}

static int
parts_digest(struct hasher *h, PyObject *obj, const struct parts *parts,
             struct value *ret)
{
    size_t n = (size_t)PyTuple_GET_SIZE(parts->items);
    struct sequence sequence;
    struct value value;

    if (sequence_begin(h, &sequence, parts->tag, n) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        PyObject *part = Py_NewRef(PyTuple_GET_ITEM(parts->items, (Py_ssize_t)i));
        int r = part_digest(h, obj, part, i, &value);

        Py_DECREF(part);
        if (r < 0) {
            path_add_part(h, parts->tag, i);
            return -1;
        }
        sequence_add(h, &sequence, &value);
    }
    sequence_end(h, &sequence, ret);
    return 0;
}

static bool
is_container(PyObject *obj)
{
    return PyTuple_CheckExact(obj) || PyList_CheckExact(obj) ||
           PyDict_CheckExact(obj) || PyAnySet_CheckExact(obj);
}

int
node_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    ret_parts->items = NULL;
    if (is_container(obj) || leaf_is_text(obj)) {
        return 0;
    }
    return expand_object(h, obj, ret_parts);
}

static int
container_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    if (PyDict_CheckExact(obj)) {
        return dict_digest(h, obj, ret);
    }
    if (PyList_CheckExact(obj)) {
        h->n_visits += (uint64_t)PyList_GET_SIZE(obj);
        return list_digest(h, obj, ret);
    }
    if (PyTuple_CheckExact(obj)) {
        h->n_visits += (uint64_t)PyTuple_GET_SIZE(obj);
        return tuple_digest(h, obj, TAG_TUPLE, ret);
    }
    return set_digest(h, obj, PySet_CheckExact(obj) ? TAG_SET : TAG_FROZENSET, ret);
}

int
node_walk(struct hasher *h, PyObject *obj, const struct parts *parts, struct value *ret)
{
    if (parts->items) {
        return parts_digest(h, obj, parts, ret);
    }
    if (is_container(obj)) {
        return container_digest(h, obj, ret);
    }
    h->n_visits += WALK_MEMO_VISITS;
    return leaf_is_text(obj) ? leaf_text_digest(h, obj, ret)
                             : array_digest(h, obj, ret);
}

static int
node_digest_new(struct hasher *h, PyObject *obj, struct value *ret)
{
    struct parts parts = {.items = NULL};
    int r;

    if (is_container(obj)) {
        return container_digest(h, obj, ret);
    }
    if (node_expand(h, obj, &parts) < 0) {
        return -1;
    }
    r = node_walk(h, obj, &parts, ret);
    Py_XDECREF(parts.items);
    return r;
}

static int
node_digest_shared(struct hasher *h, PyObject *obj, struct value *ret)
{
    uint64_t n_before = h->n_visits;
    int r = seen_enter(&h->seen, obj, ret);
    bool is_kept;

    if (r == SEEN_OPEN) {
        h->is_cyclic = true;
        memset(ret, 0, sizeof(*ret));
        return 0;
    }
    if (r != SEEN_NEW) {
        return r == SEEN_DONE ? 0 : -1;
    }
    r = node_digest_new(h, obj, ret);
    is_kept = r == 0 && (h->is_cyclic || h->n_visits - n_before >= WALK_MEMO_VISITS);
    seen_leave(&h->seen, obj, is_kept ? ret : NULL);
    return r;
}

int
hash_child(struct hasher *h, PyObject *obj, struct value *ret)
{
    int r = leaf_digest(h, obj, ret);

    if (r != LEAF_NOT) {
        return r == LEAF_DONE ? 0 : -1;
    }
    if (h->graph) {
        return graph_child(h, obj, ret);
    }
    if (hasher_check_stack(h) < 0) {
        return -1;
    }
    h->n_visits++;
    return compat_is_shared(obj, 2) ? node_digest_shared(h, obj, ret)
                                    : node_digest_new(h, obj, ret);
}
