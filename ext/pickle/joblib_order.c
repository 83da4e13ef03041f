/* The order of a dict's entries when all keys are str, or all are int: sorted without
 * making an item for each, in 12 bytes an entry.
 *
 * Multikey quicksort (Bentley and Sedgewick, 1997): an entry carries the next 8 bytes
 * of its key as a number. Entries are split in three by that number; those that are
 * equal go on with the 8 bytes after it. A key's characters are bytes if no key has any
 * beyond U+00FF, and pairs of code points otherwise: in both cases numbers compare as
 * the strings do. */

#include "pickle/joblib_hash.h"

#include <string.h>

#define ORDER_SMALL 12

struct __attribute__((packed)) entry {
    uint64_t chunk;
    uint32_t at;
};

enum key_kind { KEYS_INT, KEYS_NARROW, KEYS_WIDE, KEYS_OTHER };

struct order {
    PyObject *dict;
    enum key_kind kind;
    Py_ssize_t n_chunk; /* characters in a chunk */
};

static PyObject *
entry_key(const struct order *order, uint32_t at)
{
    PyObject *key = NULL, *value;
    Py_ssize_t position = at;

    (void)PyDict_Next(order->dict, &position, &key, &value);
    return key;
}

static uint64_t
chunk_narrow(const unsigned char *data, Py_ssize_t n)
{
    uint64_t chunk = 0;

    for (Py_ssize_t i = 0; i < 8; i++) {
        chunk = chunk << 8 | (i < n ? data[i] : 0);
    }
    return chunk;
}

static uint64_t
chunk_wide(PyObject *key, Py_ssize_t from)
{
    uint64_t chunk = 0;

    for (Py_ssize_t i = from; i < from + 2; i++) {
        chunk <<= 32;
        chunk |= i < PyUnicode_GET_LENGTH(key) ? PyUnicode_READ_CHAR(key, i) : 0;
    }
    return chunk;
}

static uint64_t
key_chunk(const struct order *order, PyObject *key, Py_ssize_t from)
{
    Py_ssize_t n;

    if (order->kind == KEYS_INT) {
        return (uint64_t)PyLong_AsLongLong(key) ^ (uint64_t)1 << 63;
    }
    if (order->kind == KEYS_WIDE) {
        return chunk_wide(key, from);
    }
    n = PyUnicode_GET_LENGTH(key) - from;
    return n > 0 ? chunk_narrow(PyUnicode_1BYTE_DATA(key) + from, n) : 0;
}

static Py_ssize_t
entry_length(const struct order *order, const struct entry *entry)
{
    return order->kind == KEYS_INT ? 0
                                   : PyUnicode_GET_LENGTH(entry_key(order, entry->at));
}

static void
entry_swap(struct entry *a, struct entry *b)
{
    struct entry c = *a;

    *a = *b;
    *b = c;
}

/* Whether `a` sorts before `b`; both chunks are of characters from `from` on. */
static bool
entry_less(const struct order *order, const struct entry *a, const struct entry *b)
{
    if (a->chunk != b->chunk || order->kind == KEYS_INT) {
        return a->chunk < b->chunk;
    }
    return PyUnicode_Compare(entry_key(order, a->at), entry_key(order, b->at)) < 0;
}

static void
sort_small(const struct order *order, struct entry *entries, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct entry entry = entries[i];
        size_t at = i;

        for (; at > 0 && entry_less(order, &entry, &entries[at - 1]); at--) {
            entries[at] = entries[at - 1];
        }
        entries[at] = entry;
    }
}

static uint64_t
median(uint64_t a, uint64_t b, uint64_t c)
{
    if (a < b) {
        return b < c ? b : a < c ? c : a;
    }
    return a < c ? a : b < c ? c : b;
}

static uint64_t
pivot_of(const struct entry *entries, size_t n)
{
    size_t step = n / 9;
    uint64_t m[3];

    for (size_t i = 0; i < 3; i++) {
        const struct entry *at = entries + (3 * i + 1) * step;

        m[i] = median(at[-(Py_ssize_t)(step / 2)].chunk, at->chunk, at[step / 2].chunk);
    }
    return median(m[0], m[1], m[2]);
}

struct part {
    struct entry *entries;
    size_t n;
    Py_ssize_t from; /* the character that the chunks begin with */
};

/* Keys that are equal so far: those that end here come first, the shorter before the
 * longer (they differ in how many NULs they end with). The others get their next chunk.
 */
static void
part_advance(const struct order *order, struct part *part)
{
    size_t n_ended = 0;

    part->from += order->n_chunk;
    for (size_t i = 0; i < part->n; i++) {
        if (entry_length(order, &part->entries[i]) <= part->from) {
            entry_swap(&part->entries[i], &part->entries[n_ended++]);
        }
    }
    sort_small(order, part->entries, n_ended);
    part->entries += n_ended;
    part->n -= n_ended;
    for (size_t i = 0; i < part->n; i++) {
        struct entry *entry = &part->entries[i];

        entry->chunk = key_chunk(order, entry_key(order, entry->at), part->from);
    }
}

/* Less than the pivot, equal to it, greater. */
static void
part_split(const struct part *part, struct part ret_parts[3])
{
    uint64_t pivot = pivot_of(part->entries, part->n);
    struct entry *entries = part->entries;
    size_t n_less = 0, at = 0, end = part->n;

    while (at < end) {
        if (entries[at].chunk < pivot) {
            entry_swap(&entries[at++], &entries[n_less++]);
        }
        else if (entries[at].chunk > pivot) {
            entry_swap(&entries[at], &entries[--end]);
        }
        else {
            at++;
        }
    }
    ret_parts[0] = (struct part){entries, n_less, part->from};
    ret_parts[1] = (struct part){entries + n_less, end - n_less, part->from};
    ret_parts[2] = (struct part){entries + end, part->n - end, part->from};
}

/* The largest part is gone on with in the loop: recursion stays below log2(n). */
static void
order_sort(const struct order *order, struct part part)
{
    while (part.n > ORDER_SMALL) {
        struct part parts[3];
        int largest;

        part_split(&part, parts);
        if (parts[1].n > 1 && order->kind != KEYS_INT) {
            part_advance(order, &parts[1]);
        }
        else {
            parts[1].n = 0;
        }
        largest = parts[0].n > parts[1].n ? 0 : 1;
        largest = parts[2].n > parts[largest].n ? 2 : largest;
        for (int i = 0; i < 3; i++) {
            if (i != largest) {
                order_sort(order, parts[i]);
            }
        }
        part = parts[largest];
    }
    sort_small(order, part.entries, part.n);
}

/* --- what keys there are
 * -------------------------------------------------------------- */

static enum key_kind
key_kind(PyObject *key)
{
    int overflow;

    if (PyLong_CheckExact(key)) {
        (void)PyLong_AsLongLongAndOverflow(key, &overflow);
        return overflow ? KEYS_OTHER : KEYS_INT;
    }
    if (!PyUnicode_CheckExact(key) || compat_str_ready(key) < 0) {
        return KEYS_OTHER;
    }
    return PyUnicode_KIND(key) == PyUnicode_1BYTE_KIND ? KEYS_NARROW : KEYS_WIDE;
}

static enum key_kind
kind_of_both(enum key_kind a, enum key_kind b)
{
    if (a == b) {
        return a;
    }
    return a != KEYS_INT && b != KEYS_INT && a != KEYS_OTHER && b != KEYS_OTHER
               ? KEYS_WIDE
               : KEYS_OTHER;
}

static enum key_kind
keys_kind(PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    enum key_kind kind;

    (void)PyDict_Next(dict, &at, &key, &value);
    kind = key_kind(key);
    while (kind != KEYS_OTHER && PyDict_Next(dict, &at, &key, &value)) {
        kind = kind_of_both(kind, key_kind(key));
    }
    return at > (Py_ssize_t)UINT32_MAX ? KEYS_OTHER : kind;
}

static void
order_fill(const struct order *order, struct entry *entries, size_t n)
{
    PyObject *key, *value;
    Py_ssize_t at = 0, next = 0;

    for (size_t i = 0; i < n && PyDict_Next(order->dict, &next, &key, &value); i++) {
        entries[i].at = (uint32_t)at;
        entries[i].chunk = key_chunk(order, key, 0);
        at = next;
    }
}

/* Only the positions are wanted: put them side by side, at the front. */
static PyObject *
order_pack(PyObject *bytes, size_t n)
{
    struct entry *entries = (struct entry *)PyBytes_AS_STRING(bytes);
    uint32_t *positions = (uint32_t *)PyBytes_AS_STRING(bytes);

    for (size_t i = 0; i < n; i++) {
        positions[i] = entries[i].at;
    }
    (void)_PyBytes_Resize(&bytes, (Py_ssize_t)(n * sizeof(*positions)));
    return bytes;
}

int
joblib_order(PyObject *dict, PyObject **ret_order)
{
    struct order order = {dict, keys_kind(dict), 0};
    size_t n = (size_t)PyDict_GET_SIZE(dict);
    PyObject *bytes;

    if (order.kind == KEYS_OTHER) {
        return PyErr_Occurred() ? -1 : 0;
    }
    order.n_chunk = order.kind == KEYS_WIDE ? 2 : 8;
    bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(n * sizeof(struct entry)));
    if (bytes) {
        struct entry *entries = (struct entry *)PyBytes_AS_STRING(bytes);

        order_fill(&order, entries, n);
        order_sort(&order, (struct part){entries, n, 0});
        bytes = order_pack(bytes, n);
    }
    *ret_order = bytes;
    return bytes ? 1 : -1;
}
