/* Objects that contain themselves. Which node is met first, and which of two equal
 * parts is one object, must not show; so no node is named by where it was met. Instead
 * all nodes that lead into a cycle are told apart step by step, as states of an
 * automaton are:
 *
 *      round 0     all values are zero
 *      round k     value = D('%', value, digest of the node with its children's values)
 *
 * until a round makes no new difference. The result is the root's value with all the
 * different ones. Two objects that look the same wherever one follows them to are
 * equal; parts that lead into no cycle keep their ordinary digest and are done once.
 *
 * It takes as many rounds as the longest way on which two nodes first differ: two or
 * three for trees with links to the parent, half the length for a doubly linked one. */

#include <string.h>

#include "hash/hasher.h"

struct node {
    PyObject *object;
    struct parts parts;
    struct value value, next;
    bool is_expanded;
    bool is_fixed; /* leads into no cycle; `value` is its digest */
};

struct graph {
    struct node *nodes;
    size_t n, room;
    size_t *slots; /* index in `nodes` plus 1; open addressing by identity */
    size_t n_slots;
    bool has_open_child; /* of the node at work */
};

static size_t *
graph_slot(const struct graph *graph, PyObject *obj)
{
    size_t mask = graph->n_slots - 1;
    size_t at = (size_t)(((uint64_t)(uintptr_t)obj >> 4) * 0x9E3779B97F4A7C15u >> 20);

    for (at &= mask; graph->slots[at]; at = (at + 1) & mask) {
        if (graph->nodes[graph->slots[at] - 1].object == obj) {
            break;
        }
    }
    return &graph->slots[at];
}

static int
graph_grow(struct graph *graph)
{
    size_t room = graph->room ? 2 * graph->room : 64;
    struct node *nodes = PyMem_Realloc(graph->nodes, room * sizeof(*nodes));
    size_t *slots;

    if (nodes) {
        graph->nodes = nodes;
    }
    slots = nodes ? PyMem_Calloc(2 * room, sizeof(*slots)) : NULL;
    if (!slots) {
        PyErr_NoMemory();
        return -1;
    }
    PyMem_Free(graph->slots);
    graph->slots = slots;
    graph->n_slots = 2 * room;
    graph->room = room;
    for (size_t i = 0; i < graph->n; i++) {
        *graph_slot(graph, graph->nodes[i].object) = i + 1;
    }
    return 0;
}

/* The object's node, new or known; NULL with an exception set. */
static struct node *
graph_node(struct graph *graph, PyObject *obj)
{
    struct node *node;
    size_t *slot;

    if (graph->n == graph->room && graph_grow(graph) < 0) {
        return NULL;
    }
    slot = graph_slot(graph, obj);
    if (*slot == 0) {
        node = &graph->nodes[graph->n++];
        memset(node, 0, sizeof(*node));
        node->object = Py_NewRef(obj);
        *slot = graph->n;
    }
    return &graph->nodes[*slot - 1];
}

static void
graph_done(struct graph *graph)
{
    for (size_t i = 0; i < graph->n; i++) {
        Py_DECREF(graph->nodes[i].object);
        Py_XDECREF(graph->nodes[i].parts.items);
    }
    PyMem_Free(graph->nodes);
    PyMem_Free(graph->slots);
}

int
graph_child(struct hasher *h, PyObject *obj, struct value *ret)
{
    struct node *node = graph_node(h->graph, obj);

    if (!node) {
        return -1;
    }
    if (!node->is_fixed) {
        h->graph->has_open_child = true;
    }
    *ret = node->value;
    return 0;
}

/* The parts are made once, so that their identity is the same in every round. */
static int
node_prepare(struct hasher *h, size_t at)
{
    struct parts parts = {.items = NULL};

    if (h->graph->nodes[at].is_expanded) {
        return 0;
    }
    if (node_expand(h, h->graph->nodes[at].object, &parts) < 0) {
        return -1;
    }
    h->graph->nodes[at].parts = parts;
    h->graph->nodes[at].is_expanded = true;
    return 0;
}

/* The digest of the node with its children's values; `nodes` may move meanwhile. */
static int
node_value(struct hasher *h, size_t at, struct value *ret)
{
    const struct node *node;
    struct parts parts;

    if (node_prepare(h, at) < 0) {
        return -1;
    }
    node = &h->graph->nodes[at];
    parts = node->parts;
    h->graph->has_open_child = false;
    memset(ret, 0, sizeof(*ret));
    return node_walk(h, node->object, &parts, ret);
}

/* Fix the node if all its children are: 1, 0, or -1. */
static int
node_try_fix(struct hasher *h, size_t at)
{
    struct value value;

    if (h->graph->nodes[at].is_fixed) {
        return 0;
    }
    if (node_value(h, at, &value) < 0) {
        return -1;
    }
    if (h->graph->has_open_child) {
        return 0;
    }
    h->graph->nodes[at].value = value;
    h->graph->nodes[at].is_fixed = true;
    return 1;
}

/* Looking at a node adds its children to the end. */
static int
graph_discover(struct hasher *h)
{
    for (size_t i = 0; i < h->graph->n; i++) {
        if (node_try_fix(h, i) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Children mostly come after their parents: from the end, one pass does nearly all. */
static int
graph_settle(struct hasher *h)
{
    size_t n_fixed = 1;

    while (n_fixed > 0) {
        n_fixed = 0;
        for (size_t i = h->graph->n; i-- > 0;) {
            int r = node_try_fix(h, i);

            if (r < 0) {
                return -1;
            }
            n_fixed += (size_t)r;
        }
    }
    return PyErr_CheckSignals();
}

static int
node_round(struct hasher *h, size_t at)
{
    uint8_t message[1 + 2 * CJ_DIGEST_MAX_BYTES] = {TAG_ROUND};
    struct value value;

    if (node_value(h, at, &value) < 0) {
        return -1;
    }
    memcpy(message + 1, h->graph->nodes[at].value.bytes, h->width);
    memcpy(message + 1 + h->width, value.bytes, h->width);
    message_digest(h, message, 1 + 2 * h->width, &h->graph->nodes[at].next);
    return 0;
}

static int
graph_round(struct hasher *h)
{
    struct graph *graph = h->graph;

    for (size_t i = 0; i < graph->n; i++) {
        if (!graph->nodes[i].is_fixed && node_round(h, i) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < graph->n; i++) {
        if (!graph->nodes[i].is_fixed) {
            graph->nodes[i].value = graph->nodes[i].next;
        }
    }
    return PyErr_CheckSignals();
}

/* The different values of open nodes, sorted, in `values`; their number. */
static size_t
graph_classes(const struct graph *graph, struct value *values)
{
    size_t n = 0, n_classes = 0;

    for (size_t i = 0; i < graph->n; i++) {
        if (!graph->nodes[i].is_fixed) {
            values[n++] = graph->nodes[i].value;
        }
    }
    values_sort(values, n);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || memcmp(&values[i], &values[i - 1], sizeof(values[i])) != 0) {
            values[n_classes++] = values[i];
        }
    }
    return n_classes;
}

/* Rounds until one makes no new difference. There are never more than nodes, unless a
 * hook makes the object grow. */
static int
graph_tell_apart(struct hasher *h, struct value *values, size_t *ret_n_classes)
{
    size_t n = h->graph->n, n_before = 0, n_classes = 1;

    while (n_classes != n_before) {
        n_before = n_classes;
        if (graph_round(h) < 0) {
            return -1;
        }
        if (h->graph->n != n) {
            PyErr_SetString(PyExc_RuntimeError,
                            "the object changed while it was hashed");
            return -1;
        }
        n_classes = graph_classes(h->graph, values);
    }
    *ret_n_classes = n_classes;
    return 0;
}

static int
classes_digest(struct hasher *h, const struct value *values, size_t n,
               struct value *ret)
{
    struct sequence sequence;

    if (sequence_begin(h, &sequence, TAG_CYCLE, n + 1) < 0) {
        return -1;
    }
    sequence_add(h, &sequence, &h->graph->nodes[0].value);
    for (size_t i = 0; i < n; i++) {
        sequence_add(h, &sequence, &values[i]);
    }
    sequence_end(h, &sequence, ret);
    return 0;
}

static int
graph_digest(struct hasher *h, struct value *ret)
{
    struct value *values = PyMem_Malloc(h->graph->n * sizeof(*values));
    size_t n_classes;
    int r;

    if (!values) {
        PyErr_NoMemory();
        return -1;
    }
    r = graph_tell_apart(h, values, &n_classes);
    if (r == 0) {
        r = classes_digest(h, values, n_classes, ret);
    }
    PyMem_Free(values);
    return r;
}

static int
root_digest(struct hasher *h, PyObject *root, struct value *ret)
{
    if (!graph_node(h->graph, root) || graph_discover(h) < 0 || graph_settle(h) < 0) {
        return -1;
    }
    if (h->graph->nodes[0].is_fixed) {
        *ret = h->graph->nodes[0].value;
        return 0;
    }
    return graph_digest(h, ret);
}

int
cycle_digest(struct hasher *h, PyObject *root, struct value *ret)
{
    struct graph graph = {.nodes = NULL};
    int r;

    h->graph = &graph;
    r = root_digest(h, root, ret);
    h->graph = NULL;
    graph_done(&graph);
    return r;
}
