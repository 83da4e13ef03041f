/* What every part of the library shares: how results are told, and who owns bytes.
 *
 * Results. A function that can fail returns `int`:
 *
 *      0      done; outputs (`ret_*`, always last) are written
 *    > 0      an outcome of the call's own enum (a miss, a dead worker): not an error
 *    < 0      -errno; outputs are untouched
 *
 * Ownership. `*_new` and `*_open` hand the caller an object that `*_free` or `*_close`
 * releases; both accept NULL. Bytes that are only looked at are a `struct cj_bytes`;
 * bytes that belong to somebody are a `struct cj_blob`.
 *
 * Threads. An object may be used by one thread at a time unless its header says more.
 * The library has no global state: two objects never disturb each other.
 */

#ifndef CJ_BASE_H
#define CJ_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CJ_API __attribute__((visibility("default")))
#define CJ_MUST_CHECK __attribute__((warn_unused_result))

/* Bytes that somebody else owns. `data` may be NULL only when `size` is 0. */
struct cj_bytes {
    const void *data;
    size_t size;
};

/* Bytes that the holder owns, writable. How they are released is the library's
 * business: they are on the heap, or a private mapping of a file. Move one by
 * assignment and set the source to CJ_BLOB_INIT; release it with cj_blob_done(). */
struct cj_blob {
    void *data;
    size_t size;
    size_t mapped_bytes; /* 0: on the heap */
};

#define CJ_BLOB_INIT {NULL, 0, 0}

/* Release the bytes and set the blob to CJ_BLOB_INIT. Accepts an empty one. */
CJ_API void cj_blob_done(struct cj_blob *blob);

/* The library's version, "major.minor.patch"; static. */
CJ_API const char *cj_version(void);

#ifdef __cplusplus
}
#endif

#endif
