/* Message digests, of a whole buffer or of a stream of pieces.
 *
 *      struct cj_digest *digest;
 *      cj_digest_new(CJ_DIGEST_XXH128, &digest);
 *      cj_digest_update(digest, data, size);         any number of times
 *      cj_digest_final(digest, value, &n_bytes);     once
 *      cj_digest_free(digest);
 *
 * xxh128 is XXH3-128 of the xxHash library with seed 0, written in its canonical (big
 * endian) form: the fastest by far (memory speed), and no defence against somebody who
 * wants two inputs to collide. md5 (RFC 1321), sha1 and sha256 (FIPS 180-4) are
 * OpenSSL's.
 */

#ifndef CJ_DIGEST_H
#define CJ_DIGEST_H

#include <cjoblib/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cj_digest_kind {
    CJ_DIGEST_XXH128, /* 16 bytes */
    CJ_DIGEST_MD5,    /* 16 bytes */
    CJ_DIGEST_SHA1,   /* 20 bytes */
    CJ_DIGEST_SHA256, /* 32 bytes */
};

/* Room that holds any digest's value, in bytes. */
#define CJ_DIGEST_MAX_BYTES 32

struct cj_digest;

/* The kind called `name` ("xxh128", "md5", "sha1", "sha256").
 * -EINVAL: there is none of that name. */
CJ_API CJ_MUST_CHECK int cj_digest_by_name(const char *name,
                                           enum cj_digest_kind *ret_kind);

/* The size of a kind's value in bytes; 0 for no such kind. */
CJ_API size_t cj_digest_size(enum cj_digest_kind kind);

/* -EINVAL: no such kind; -ENOMEM; -EPERM: OpenSSL refuses the kind (md5 under FIPS). */
CJ_API CJ_MUST_CHECK int cj_digest_new(enum cj_digest_kind kind,
                                       struct cj_digest **ret_digest);

CJ_API void cj_digest_free(struct cj_digest *digest);

/* Take `size` more bytes in. Cannot fail on a digest that has no value yet. */
CJ_API void cj_digest_update(struct cj_digest *digest, const void *data, size_t size);

/* Write the value of all bytes taken in, at most CJ_DIGEST_MAX_BYTES, and its size. The
 * digest is then empty again and may be used for the next message. */
CJ_API void cj_digest_final(struct cj_digest *digest, uint8_t *ret_value,
                            size_t *ret_n_bytes);

/* The xxh128 of one buffer, 16 bytes: no object, no failure. */
CJ_API void cj_xxh128(const void *data, size_t size, uint8_t ret_value[16]);

#ifdef __cplusplus
}
#endif

#endif
