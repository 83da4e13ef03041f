/* What `dump` leaves behind the pickle in a file that it writes by name
 * (doc/formats/file.md):
 *
 *      0  magic                                        8 bytes
 *      8  version, 1                                   le32
 *     12  0                                            le32
 *     16  how many bytes stand before the footer       le64
 *     24  xxh128 of all that stands before this value  16 bytes, big-endian
 */

#ifndef EXT_PERSIST_FOOTER_H
#define EXT_PERSIST_FOOTER_H

#include <stddef.h>
#include <stdint.h>

#include <cjoblib/digest.h>

#define FOOTER_BYTES ((size_t)40)

/* What bytes at the end of a file are. */
enum footer_kind {
    FOOTER_NONE,    /* something else */
    FOOTER_WHOLE,   /* a footer; what it says may still be wrong */
    FOOTER_DAMAGED, /* what is left of one: cut off, or changed */
    FOOTER_NEWER,   /* of a version that is not known here */
};

/* Make the footer of `n_bytes` bytes that `digest` has taken in; ends the digest. */
void footer_make(struct cj_digest *digest, uint64_t n_bytes,
                 uint8_t ret_footer[FOOTER_BYTES]);

/* What the last `n` <= FOOTER_BYTES bytes of a file are, when they stand behind a
 * pickle of `n_bytes` bytes. */
enum footer_kind footer_judge(const uint8_t *bytes, size_t n, uint64_t n_bytes);

/* Whether FOOTER_BYTES bytes begin as a footer does. */
int footer_has_magic(const uint8_t *bytes);

uint64_t footer_length(const uint8_t footer[FOOTER_BYTES]);

/* Whether the bytes that `digest` has taken in are those the footer was made of; ends
 * the digest. */
int footer_agrees(const uint8_t footer[FOOTER_BYTES], struct cj_digest *digest);

#endif
