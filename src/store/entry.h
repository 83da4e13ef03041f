/* The bytes of an entry's file; doc/formats/entry.md is their description.
 *
 *      head 88 | metadata | zeros to a multiple of 64 | payload | checksum 16
 *
 * Nothing here touches a file.
 */

#ifndef STORE_ENTRY_H
#define STORE_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "cjoblib/store.h"

#define ENTRY_HEAD_BYTES 88
#define ENTRY_CHECKSUM_BYTES 16

/* What an entry is the answer to. */
struct entry_key {
    uint8_t function[CJ_KEY_BYTES]; /* entry_function_digest() */
    uint8_t version[CJ_KEY_BYTES];
    uint8_t arguments[CJ_KEY_BYTES];
};

/* What the head says beside the key: lengths in bytes, and when it was made. */
struct entry_shape {
    uint64_t meta;
    uint64_t payload;
    int64_t created_ns;
};

/* A file about to be written: the pieces in their order. The pieces that the image
 * itself holds are why it must not be moved. */
struct entry_image {
    uint8_t head[ENTRY_HEAD_BYTES];
    uint8_t checksum[ENTRY_CHECKSUM_BYTES];
    struct cj_bytes *pieces; /* on the heap */
    size_t n_pieces;
    uint64_t n_bytes; /* of all pieces */
};

#define ENTRY_IMAGE_INIT {.pieces = NULL}

/* Of a function's path as name_escape() writes it. */
void entry_function_digest(const char *path, size_t size,
                           uint8_t ret_digest[CJ_KEY_BYTES]);

/* Lay out a file. `meta` and `parts` are looked at until the image is done with.
 * -EFBIG: the lengths do not fit into 63 bits; -ENOMEM. */
CJ_MUST_CHECK int entry_encode(struct entry_image *image, const struct entry_key *key,
                               int64_t created_ns, struct cj_bytes meta,
                               const struct cj_bytes *parts, size_t n_parts);

void entry_image_done(struct entry_image *image);

/* Read the head of a file of `n_bytes`; false: it is not one of that key and size. */
bool entry_head_decode(const uint8_t head[ENTRY_HEAD_BYTES],
                       const struct entry_key *key, uint64_t n_bytes,
                       struct entry_shape *ret_shape);

/* Check a whole file and find its parts; false: it is not, to the last bit, what
 * entry_encode() laid out for that key. `ret_entry` gets all but the file itself. */
bool entry_decode(const uint8_t *file, size_t n_bytes, const struct entry_key *key,
                  struct cj_entry *ret_entry);

#endif
