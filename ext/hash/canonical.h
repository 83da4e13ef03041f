/* The canonical hash: a digest of a Python object's value that is the same in every
 * process, whatever the hash seed, the insertion order of its dicts and sets, and which
 * of its equal parts are one object. doc/formats/hash.md says what is hashed, byte by
 * byte.
 *
 * All functions need the GIL, may run Python code (reduce methods, hooks) and release
 * the GIL around buffers over 64 kB. They never change `obj`.
 *
 * Errors (an exception is set): UnhashableError with the path to a part that has no
 * value of its own (a lock, a generator, a bare object()); RecursionError when the
 * nesting needs more C stack than the thread has; MemoryError; what a hook raised. */

#ifndef EXT_HASH_CANONICAL_H
#define EXT_HASH_CANONICAL_H

#include "compat.h"
#include "state.h"

#define CANONICAL_BYTES 16

/* The xxh128 canonical hash of `obj`. 0, or -1 with an exception set. */
int hash_object(struct core_state *state, PyObject *obj,
                uint8_t ret_value[CANONICAL_BYTES]);

/* The hash of the dict that maps each of the `n` names (all different) to the value
 * beside it, without making the dict. Paths in errors start with the name. */
int hash_pairs(struct core_state *state, PyObject *const *names,
               PyObject *const *values, size_t n, uint8_t ret_value[CANONICAL_BYTES]);

/* Module set-up: what the canonical hash keeps in the state. 0, or -1 with an
 * exception. */
int canonical_exec(PyObject *module, struct core_state *state);

#endif
