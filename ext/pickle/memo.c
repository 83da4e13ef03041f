#include "pickle/memo.h"

#define MEMO_SLOTS_MIN 16

static struct memo_slot *
memo_free_slot(struct memo *memo, PyObject *key)
{
    size_t i = memo_slot_of(memo, key);

    while (memo->slots[i].key && memo->slots[i].key != key) {
        i = (i + 1) & (memo->n_slots - 1);
    }
    return &memo->slots[i];
}

static int
memo_grow(struct memo *memo)
{
    struct memo larger = {NULL, MEMO_SLOTS_MIN, memo->n_used};

    if (memo->slots) {
        larger.n_slots = memo->n_slots * (memo->n_slots < 1 << 16 ? 4 : 2);
    }
    larger.slots = PyMem_Calloc(larger.n_slots, sizeof(*larger.slots));
    if (!larger.slots) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < memo->n_slots; i++) {
        if (memo->slots[i].key) {
            *memo_free_slot(&larger, memo->slots[i].key) = memo->slots[i];
        }
    }
    PyMem_Free(memo->slots);
    *memo = larger;
    return 0;
}

int
memo_add(struct memo *memo, PyObject *key, Py_ssize_t number)
{
    struct memo_slot *slot;

    if (memo->n_used * 5 >= memo->n_slots * 3 && memo_grow(memo) < 0) {
        return -1;
    }
    slot = memo_free_slot(memo, key);
    if (!slot->key) {
        slot->key = Py_NewRef(key);
        memo->n_used++;
    }
    slot->number = number;
    return 0;
}

void
memo_clear(struct memo *memo)
{
    struct memo old = *memo;

    /* Empty before anything is released: a finalizer may come back here. */
    *memo = (struct memo)MEMO_INIT;
    for (size_t i = 0; i < old.n_slots; i++) {
        Py_XDECREF(old.slots[i].key);
    }
    PyMem_Free(old.slots);
}
