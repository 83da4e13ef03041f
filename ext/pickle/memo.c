#include "pickle/memo.h"

#define MEMO_SLOTS_MIN 16
/* So many slots ahead, the cache is asked for the object whose count will change. */
#define SLOTS_AHEAD 12

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
            *memo_search(&larger, memo->slots[i].key) = memo->slots[i];
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
    slot = memo_search(memo, key);
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
        if (i + SLOTS_AHEAD < old.n_slots) {
            __builtin_prefetch(old.slots[i + SLOTS_AHEAD].key, 1);
        }
        Py_XDECREF(old.slots[i].key);
    }
    PyMem_Free(old.slots);
}
