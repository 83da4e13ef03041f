/* An open-addressing table of objects by identity, with linear probing. Entries hold a
 * reference, so that no address is used again while the table lives. */

#include <string.h>

#include "hash/hasher.h"

#define SEEN_FIRST_SLOTS 16

struct seen_entry {
    PyObject *object; /* NULL: free */
    uint64_t is_open; /* being hashed: `value` is not there yet */
    struct value value;
};

static size_t
seen_home(const struct seen *seen, PyObject *obj)
{
    return (size_t)(((uint64_t)(uintptr_t)obj >> 4) * 0x9E3779B97F4A7C15u >> 32) &
           (seen->n_slots - 1);
}

/* Its entry, or the free one where it belongs. */
static struct seen_entry *
seen_find(const struct seen *seen, PyObject *obj)
{
    size_t at = seen_home(seen, obj);

    while (seen->entries[at].object && seen->entries[at].object != obj) {
        at = (at + 1) & (seen->n_slots - 1);
    }
    return &seen->entries[at];
}

static int
seen_grow(struct seen *seen)
{
    struct seen larger = {.n_slots =
                              seen->n_slots ? 2 * seen->n_slots : SEEN_FIRST_SLOTS,
                          .n_used = seen->n_used};

    larger.entries = PyMem_Calloc(larger.n_slots, sizeof(*larger.entries));
    if (!larger.entries) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < seen->n_slots; i++) {
        if (seen->entries[i].object) {
            *seen_find(&larger, seen->entries[i].object) = seen->entries[i];
        }
    }
    PyMem_Free(seen->entries);
    *seen = larger;
    return 0;
}

int
seen_enter(struct seen *seen, PyObject *obj, struct value *ret)
{
    struct seen_entry *entry;

    if (seen->n_used * 4 >= seen->n_slots * 3 && seen_grow(seen) < 0) {
        return -1;
    }
    entry = seen_find(seen, obj);
    if (!entry->object) {
        entry->object = Py_NewRef(obj);
        entry->is_open = true;
        seen->n_used++;
        return SEEN_NEW;
    }
    if (entry->is_open) {
        return SEEN_OPEN;
    }
    *ret = entry->value;
    return SEEN_DONE;
}

/* Free the slot, and move entries into the gap that would not be found beyond it. */
static void
seen_remove(struct seen *seen, struct seen_entry *entry)
{
    size_t mask = seen->n_slots - 1, gap = (size_t)(entry - seen->entries), at = gap;

    seen->n_used--;
    for (;;) {
        at = (at + 1) & mask;
        entry = &seen->entries[at];
        if (!entry->object) {
            break;
        }
        if (((at - seen_home(seen, entry->object)) & mask) >= ((at - gap) & mask)) {
            seen->entries[gap] = *entry;
            gap = at;
        }
    }
    seen->entries[gap].object = NULL;
}

void
seen_leave(struct seen *seen, PyObject *obj, const struct value *value)
{
    struct seen_entry *entry = seen_find(seen, obj);

    if (value) {
        entry->value = *value;
        entry->is_open = false;
        return;
    }
    seen_remove(seen, entry);
    Py_DECREF(obj);
}

void
seen_done(struct seen *seen)
{
    for (size_t i = 0; i < seen->n_slots; i++) {
        Py_XDECREF(seen->entries[i].object);
    }
    PyMem_Free(seen->entries);
}
