/* The unpickler's memo: index -> value.
 *
 * Indexes come from the stream, so an index alone must not make us allocate: those up
 * to a bound that grows with the bytes read are slots of an array, the others are keys
 * of a dict. A stream needs at least one byte for each value that it memoizes; a writer
 * that numbers them from 0 on never leaves the array. */

#ifndef EXT_PICKLE_LOAD_MEMO_H
#define EXT_PICKLE_LOAD_MEMO_H

#include "compat.h"

#include <stddef.h>
#include <stdint.h>

struct load_memo {
    PyObject **slots; /* NULL where nothing was put */
    size_t n_slots;   /* in use: beyond are none */
    size_t room;
    size_t n_values;  /* in the slots */
    PyObject *sparse; /* a dict, or NULL */
};

/* How many values are there; MEMOIZE uses it as the next index. */
size_t load_memo_count(const struct load_memo *memo);

/* Borrowed. NULL when there is none; an exception is set only when looking failed. */
PyObject *load_memo_find(const struct load_memo *memo, size_t index);

/* Keep a new reference of `value`. `offset` is how many bytes the stream has taken to
 * say so; for values of another origin, as many as there are. */
int load_memo_put(struct load_memo *memo, size_t index, PyObject *value,
                  uint64_t offset);

/* A new dict {index: value}. */
PyObject *load_memo_as_dict(const struct load_memo *memo);

/* From a dict of int >= 0; TypeError, ValueError. `memo` is empty before. */
int load_memo_from_dict(struct load_memo *memo, PyObject *dict);

int load_memo_traverse(const struct load_memo *memo, visitproc visit, void *arg);

/* Values that are released may run code that looks at the memo: it is empty by then. */
void load_memo_done(struct load_memo *memo);

static inline PyObject *
load_memo_get(const struct load_memo *memo, size_t index)
{
    if (index < memo->n_slots && memo->slots[index]) {
        return memo->slots[index];
    }
    return load_memo_find(memo, index);
}

/* The same for the index after the last one, when there is room; -1, without an
 * exception, when load_memo_put() must do it. */
static inline int
load_memo_push(struct load_memo *memo, size_t index, PyObject *value)
{
    if (index != memo->n_slots || index >= memo->room || memo->sparse) {
        return -1;
    }
    memo->slots[index] = Py_NewRef(value);
    memo->n_slots++;
    memo->n_values++;
    return 0;
}

#endif
