/* A Python object as bytes and back, for entries of the store and messages of the pool.
 *
 *      u32 number of buffers | u32 note | u64 size of the pickle        (little-endian)
 *      u64 offset, u64 size  of each buffer, offsets from the start; or, with bit 63,
 *                            where the buffer lies elsewhere, as whoever put it there
 * says the pickle (protocol 5) each buffer, at a multiple of 64 bytes
 *
 * Buffers are what protocol 5 calls out-of-band data (PEP 574): array memory above all.
 * It is written from where it stands and, decoded, stands where it was read. */

#ifndef EXT_PICKLE_VALUE_H
#define EXT_PICKLE_VALUE_H

#include "compat.h"

#include <cjoblib/base.h>

#include "state.h"

/* An encoded object: pieces to be written one after the other. They live until
 * value_done(), which also lets go of the buffers. */
struct value {
    PyObject *pickle;  /* bytes */
    PyObject *buffers; /* list of PickleBuffer */
    Py_buffer *views;  /* one for each buffer that has been taken */
    size_t n_views;
    uint8_t *header;
    struct cj_bytes *parts;
    size_t n_parts;
};

#define VALUE_ELSEWHERE ((uint64_t)1 << 63)

/* Where buffers go and come from that do not travel among the pieces. */
struct value_places {
    void *context;
    /* Put the buffers elsewhere that should be: `ret_words` has a zero for each, to be
     * replaced by VALUE_ELSEWHERE and what find() needs. 0, or -1 with an exception. */
    int (*put)(void *context, const Py_buffer *views, size_t n_views,
               uint64_t *ret_words);
    /* A new reference to a buffer of `size` bytes, or NULL with an exception. */
    PyObject *(*find)(void *context, uint64_t word, size_t size);
    PyObject *reducer; /* asked before all others (reducer_override); or NULL */
};

#define VALUE_INIT {NULL, NULL, NULL, 0, NULL, NULL, 0}

/* How an object is encoded. */
enum value_mode {
    VALUE_BY_NAME,  /* as pickle does; functions and classes by their names */
    VALUE_SHIPPING, /* what another process can't import goes by value (cloudpickle) */
};

/* Returns 0, or -1 with an exception; `ret_value` is then as it was. */
int value_encode(struct core_state *state, PyObject *object, enum value_mode mode,
                 struct value *ret_value);

/* The same with `places`, which may be NULL. */
int value_encode_apart(struct core_state *state, PyObject *object, enum value_mode mode,
                       const struct value_places *places, struct value *ret_value);

/* A note of the caller's for who decodes it; 0 when none is set. */
void value_set_note(struct value *value, uint32_t note);

void value_done(struct value *value);

/* The pieces copied together, as a bytes object. */
PyObject *value_join(const struct value *value);

/* The size of the pieces together, in bytes. */
size_t value_size(const struct value *value);

/* Copy the pieces together to `room`, which holds value_size() bytes. */
void value_place(const struct value *value, void *room);

/* The object that the bytes describe. Arrays stand on the bytes themselves: when there
 * are buffers, the blob moves into the objects that need it; in any case it is left
 * empty. `bytes` lie inside `blob`. Raises UnpicklingError when they are not a value.
 */
PyObject *value_decode(struct core_state *state, struct cj_blob *blob,
                       struct cj_bytes bytes);

/* The same of what value_encode_apart() made. */
PyObject *value_decode_apart(struct core_state *state, struct cj_blob *blob,
                             struct cj_bytes bytes, const struct value_places *places);

/* The note; 0 when there are too few bytes for one. */
uint32_t value_note(struct cj_bytes bytes);

/* The same of bytes that belong to the Python object `owner`, which the decoded object
 * keeps alive where it stands on them; it may not change them when `readonly`. */
PyObject *value_decode_within(struct core_state *state, PyObject *owner,
                              struct cj_bytes bytes, int readonly);

/* encode_value(object, allocate, by_value) and decode_value(buffer), for Python. */
extern PyMethodDef value_methods[];

#endif
