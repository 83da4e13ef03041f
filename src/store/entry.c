#include "store/entry.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/memory.h"
#include "cjoblib/digest.h"

/* Not text, and broken by every conversion of line ends: the idea is PNG's. */
static const uint8_t entry_magic[8] = {0x89, 'c', 'j', 'e', '\r', '\n', 0x1a, '\n'};

#define ENTRY_VERSION 2

enum entry_offset {
    ENTRY_AT_MAGIC = 0,
    ENTRY_AT_VERSION = 8,
    ENTRY_AT_FLAGS = 12,
    ENTRY_AT_META_BYTES = 16,
    ENTRY_AT_PAYLOAD_BYTES = 24,
    ENTRY_AT_CREATED = 32,
    ENTRY_AT_KEY = 40,
};

_Static_assert(ENTRY_AT_KEY + sizeof(struct entry_key) == ENTRY_HEAD_BYTES,
               "the key ends the head");

/* No file is larger, and sums of two lengths can't overflow. */
#define ENTRY_MAX_BYTES ((uint64_t)INT64_MAX / 4)

static const uint8_t entry_zeros[CJ_STORE_ALIGN];

void
entry_function_digest(const char *path, size_t size, uint8_t ret_digest[CJ_KEY_BYTES])
{
    cj_xxh128(path, size, ret_digest);
}

static uint64_t
entry_payload_offset(uint64_t meta_bytes)
{
    return (ENTRY_HEAD_BYTES + meta_bytes + CJ_STORE_ALIGN - 1) / CJ_STORE_ALIGN *
           CJ_STORE_ALIGN;
}

static uint64_t
entry_file_bytes(const struct entry_shape *shape)
{
    return entry_payload_offset(shape->meta) + shape->payload + ENTRY_CHECKSUM_BYTES;
}

static void
entry_head_encode(const struct entry_key *key, const struct entry_shape *shape,
                  uint8_t ret_head[ENTRY_HEAD_BYTES])
{
    memcpy(ret_head + ENTRY_AT_MAGIC, entry_magic, sizeof(entry_magic));
    put_le32(ret_head + ENTRY_AT_VERSION, ENTRY_VERSION);
    put_le32(ret_head + ENTRY_AT_FLAGS, 0);
    put_le64(ret_head + ENTRY_AT_META_BYTES, shape->meta);
    put_le64(ret_head + ENTRY_AT_PAYLOAD_BYTES, shape->payload);
    put_le64(ret_head + ENTRY_AT_CREATED, (uint64_t)shape->created_ns);
    memcpy(ret_head + ENTRY_AT_KEY, key, sizeof(*key));
}

static int
entry_measure(struct cj_bytes meta, const struct cj_bytes *parts, size_t n_parts,
              struct entry_shape *ret_shape)
{
    struct entry_shape shape = {.meta = meta.size};

    for (size_t i = 0; i < n_parts && shape.payload <= ENTRY_MAX_BYTES; i++) {
        if (parts[i].size > ENTRY_MAX_BYTES) {
            return -EFBIG;
        }
        shape.payload += parts[i].size;
    }
    if (shape.meta > ENTRY_MAX_BYTES || shape.payload > ENTRY_MAX_BYTES) {
        return -EFBIG;
    }
    *ret_shape = shape;
    return 0;
}

/* Add a piece to those the image has. */
static void
entry_image_add(struct entry_image *image, const void *data, size_t size)
{
    image->pieces[image->n_pieces++] = (struct cj_bytes){data, size};
    image->n_bytes += size;
}

static void
digest_free_p(struct cj_digest **digest)
{
    cj_digest_free(*digest);
}

/* The checksum over the pieces so far becomes the last one. */
static int
entry_image_seal(struct entry_image *image)
{
    AUTO(digest_free_p) struct cj_digest *digest = NULL;
    uint8_t value[CJ_DIGEST_MAX_BYTES];
    size_t n_value;
    int r = cj_digest_new(CJ_DIGEST_XXH128, &digest);

    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < image->n_pieces; i++) {
        cj_digest_update(digest, image->pieces[i].data, image->pieces[i].size);
    }
    cj_digest_final(digest, value, &n_value);
    memcpy(image->checksum, value, sizeof(image->checksum));
    entry_image_add(image, image->checksum, sizeof(image->checksum));
    return 0;
}

int
entry_encode(struct entry_image *image, const struct entry_key *key, int64_t created_ns,
             struct cj_bytes meta, const struct cj_bytes *parts, size_t n_parts)
{
    struct entry_shape shape;
    size_t padding;
    int r = entry_measure(meta, parts, n_parts, &shape);

    if (r < 0) {
        return r;
    }
    shape.created_ns = created_ns;
    /* Beside the parts: head, metadata, padding, checksum. */
    image->pieces = mem_alloc_zero(n_parts + 4, sizeof(*image->pieces));
    if (!image->pieces) {
        return -ENOMEM;
    }
    padding = (size_t)(entry_payload_offset(meta.size) - ENTRY_HEAD_BYTES - meta.size);
    entry_head_encode(key, &shape, image->head);
    entry_image_add(image, image->head, sizeof(image->head));
    entry_image_add(image, meta.data, meta.size);
    entry_image_add(image, entry_zeros, padding);
    for (size_t i = 0; i < n_parts; i++) {
        entry_image_add(image, parts[i].data, parts[i].size);
    }
    return entry_image_seal(image);
}

void
entry_image_done(struct entry_image *image)
{
    mem_free(image->pieces);
    *image = (struct entry_image)ENTRY_IMAGE_INIT;
}

bool
entry_head_decode(const uint8_t head[ENTRY_HEAD_BYTES], const struct entry_key *key,
                  uint64_t n_bytes, struct entry_shape *ret_shape)
{
    struct entry_shape shape = {
        .meta = get_le64(head + ENTRY_AT_META_BYTES),
        .payload = get_le64(head + ENTRY_AT_PAYLOAD_BYTES),
        .created_ns = (int64_t)get_le64(head + ENTRY_AT_CREATED),
    };

    if (memcmp(head + ENTRY_AT_MAGIC, entry_magic, sizeof(entry_magic)) != 0 ||
        get_le32(head + ENTRY_AT_VERSION) != ENTRY_VERSION ||
        get_le32(head + ENTRY_AT_FLAGS) != 0 ||
        memcmp(head + ENTRY_AT_KEY, key, sizeof(*key)) != 0) {
        return false;
    }
    if (shape.meta > ENTRY_MAX_BYTES || shape.payload > ENTRY_MAX_BYTES ||
        entry_file_bytes(&shape) != n_bytes) {
        return false;
    }
    *ret_shape = shape;
    return true;
}

bool
entry_decode(const uint8_t *file, size_t n_bytes, const struct entry_key *key,
             struct cj_entry *ret_entry)
{
    uint8_t checksum[ENTRY_CHECKSUM_BYTES];
    struct entry_shape shape;

    if (n_bytes < ENTRY_HEAD_BYTES || !entry_head_decode(file, key, n_bytes, &shape)) {
        return false;
    }
    cj_xxh128(file, n_bytes - ENTRY_CHECKSUM_BYTES, checksum);
    if (memcmp(file + n_bytes - ENTRY_CHECKSUM_BYTES, checksum, sizeof(checksum)) !=
        0) {
        return false;
    }
    ret_entry->created_ns = shape.created_ns;
    ret_entry->meta = (struct cj_bytes){file + ENTRY_HEAD_BYTES, (size_t)shape.meta};
    ret_entry->payload = (struct cj_bytes){file + entry_payload_offset(shape.meta),
                                           (size_t)shape.payload};
    return true;
}
