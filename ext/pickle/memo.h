/* What has been pickled already: a map from an object's identity to its number.
 *
 * Open addressing. The first slot that is looked at follows from the address, so that
 * objects made one after the other sit near each other; objects of different parts of
 * the heap may then want the same run of slots, so the next one follows from a mix of
 * the address's bits. Each key is a strong reference: an address in the table cannot
 * come to mean another object. */

#ifndef EXT_PICKLE_MEMO_H
#define EXT_PICKLE_MEMO_H

#include "compat.h"

#include <stdbool.h>
#include <stdint.h>

struct memo_slot {
    PyObject *key; /* NULL: free */
    Py_ssize_t number;
};

struct memo {
    struct memo_slot *slots; /* NULL: nothing was ever added */
    size_t n_slots;          /* a power of two */
    size_t n_used;
};

#define MEMO_INIT {NULL, 0, 0}

/* So many slots lie next to each other, in two lines of the cache. */
#define MEMO_GROUP 8

/* Where the search for a key begins. */
static inline size_t
memo_home(const struct memo *memo, PyObject *key)
{
    return (size_t)((uintptr_t)key >> 4) & (memo->n_slots - 1);
}

/* How far the search goes on from a group that other keys have filled: odd, so that it
 * comes by all slots. */
static inline size_t
memo_stride(PyObject *key)
{
    return (size_t)(((uint64_t)(uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) |
           1;
}

/* The slot of `key`, or the free one that it would get. Slots are never all used. */
static inline struct memo_slot *
memo_search(const struct memo *memo, PyObject *key)
{
    for (size_t i = memo_home(memo, key);; i += memo_stride(key)) {
        struct memo_slot *first =
            &memo->slots[i & (memo->n_slots - 1) & ~(size_t)(MEMO_GROUP - 1)];

        for (size_t k = 0; k < MEMO_GROUP; k++) {
            struct memo_slot *slot = &first[(i ^ k) & (MEMO_GROUP - 1)];

            if (slot->key == key || !slot->key) {
                return slot;
            }
        }
    }
}

/* The number of `key`, or -1. */
static inline Py_ssize_t
memo_find(const struct memo *memo, PyObject *key)
{
    const struct memo_slot *slot;

    if (memo->n_used == 0) {
        return -1;
    }
    slot = memo_search(memo, key);
    return slot->key ? slot->number : -1;
}

/* Add an object, or give it another number. 0, or -1 with MemoryError set. */
int memo_add(struct memo *memo, PyObject *key, Py_ssize_t number);

/* Forget everything, and release the memory. */
void memo_clear(struct memo *memo);

#endif
