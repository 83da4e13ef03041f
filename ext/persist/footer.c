#include "persist/footer.h"

#include <string.h>

#define FOOTER_VERSION 1
#define FOOTER_MAGIC_BYTES 8
#define FOOTER_VALUE_AT 24

/* No opcode of a pickle begins so, and no text. */
static const uint8_t footer_magic[FOOTER_MAGIC_BYTES] = {0x8f, 'c', 'j',  'e',
                                                         'n',  'd', '\r', '\n'};

static void
put_le(uint8_t *at, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t
get_le(const uint8_t *at, size_t n)
{
    uint64_t value = 0;

    for (size_t i = n; i-- > 0;) {
        value = value << 8 | at[i];
    }
    return value;
}

void
footer_make(struct cj_digest *digest, uint64_t n_bytes,
            uint8_t ret_footer[FOOTER_BYTES])
{
    uint8_t value[CJ_DIGEST_MAX_BYTES];
    size_t n;

    memcpy(ret_footer, footer_magic, FOOTER_MAGIC_BYTES);
    put_le(ret_footer + 8, FOOTER_VERSION, 4);
    put_le(ret_footer + 12, 0, 4);
    put_le(ret_footer + 16, n_bytes, 8);
    cj_digest_update(digest, ret_footer, FOOTER_VALUE_AT);
    cj_digest_final(digest, value, &n);
    memcpy(ret_footer + FOOTER_VALUE_AT, value, FOOTER_BYTES - FOOTER_VALUE_AT);
}

int
footer_has_magic(const uint8_t *bytes)
{
    return memcmp(bytes, footer_magic, FOOTER_MAGIC_BYTES) == 0;
}

uint64_t
footer_length(const uint8_t footer[FOOTER_BYTES])
{
    return get_le(footer + 16, 8);
}

/* A footer was here if most of its magic or its length still is. */
static int
footer_is_likely(const uint8_t *bytes, uint64_t n_bytes)
{
    int n_same = 0;

    for (size_t i = 0; i < FOOTER_MAGIC_BYTES; i++) {
        n_same += bytes[i] == footer_magic[i];
    }
    return n_same > FOOTER_MAGIC_BYTES / 2 || footer_length(bytes) == n_bytes;
}

enum footer_kind
footer_judge(const uint8_t *bytes, size_t n, uint64_t n_bytes)
{
    size_t n_magic = n < FOOTER_MAGIC_BYTES ? n : FOOTER_MAGIC_BYTES;

    if (n < FOOTER_BYTES) {
        return n > 0 && memcmp(bytes, footer_magic, n_magic) == 0 ? FOOTER_DAMAGED
                                                                  : FOOTER_NONE;
    }
    if (!footer_has_magic(bytes)) {
        return footer_is_likely(bytes, n_bytes) ? FOOTER_DAMAGED : FOOTER_NONE;
    }
    if (footer_length(bytes) != n_bytes || get_le(bytes + 12, 4) != 0) {
        return FOOTER_DAMAGED;
    }
    return get_le(bytes + 8, 4) == FOOTER_VERSION ? FOOTER_WHOLE : FOOTER_NEWER;
}

int
footer_agrees(const uint8_t footer[FOOTER_BYTES], struct cj_digest *digest)
{
    uint8_t value[CJ_DIGEST_MAX_BYTES];
    size_t n;

    cj_digest_update(digest, footer, FOOTER_VALUE_AT);
    cj_digest_final(digest, value, &n);
    return memcmp(footer + FOOTER_VALUE_AT, value, FOOTER_BYTES - FOOTER_VALUE_AT) == 0;
}
