/* What has been pickled already: a map from an object's identity to its number.
 *
 * Open addressing with linear probing; the slot follows from the address so that
 * objects made one after the other sit near each other. Each key is a strong reference:
 * an address in the table cannot come to mean another object. */

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

static inline size_t
memo_slot_of(const struct memo *memo, PyObject *key)
{
    uintptr_t address = (uintptr_t)key >> 4;

    return (size_t)(address ^ (address >> 20)) & (memo->n_slots - 1);
}

/* The number of `key`, or -1. */
static inline Py_ssize_t
memo_find(const struct memo *memo, PyObject *key)
{
    if (memo->n_used == 0) {
        return -1;
    }
    for (size_t i = memo_slot_of(memo, key);; i = (i + 1) & (memo->n_slots - 1)) {
        if (memo->slots[i].key == key) {
            return memo->slots[i].number;
        }
        if (!memo->slots[i].key) {
            return -1;
        }
    }
}

/* Add an object, or give it another number. 0, or -1 with MemoryError set. */
int memo_add(struct memo *memo, PyObject *key, Py_ssize_t number);

/* Forget everything, and release the memory. */
void memo_clear(struct memo *memo);

#endif
