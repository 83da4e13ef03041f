#include <cjoblib/digest.h>
#include <errno.h>

#include "check.h"

static void
value_text(enum cj_digest_kind kind, const void *data, size_t size, char ret_text[65])
{
    struct cj_digest *digest;
    uint8_t value[CJ_DIGEST_MAX_BYTES];
    size_t n_bytes;

    REQUIRE(cj_digest_new(kind, &digest) == 0);
    cj_digest_update(digest, data, size);
    cj_digest_final(digest, value, &n_bytes);
    CHECK(n_bytes == cj_digest_size(kind));
    for (size_t i = 0; i < n_bytes; i++) {
        snprintf(ret_text + 2 * i, 3, "%02x", value[i]);
    }
    cj_digest_free(digest);
}

/* The published values of "" and "abc"; for xxh128, what xxhsum -H2 prints. */
static void
test_known_values(void)
{
    static const struct {
        enum cj_digest_kind kind;
        const char *empty, *abc;
    } known[] = {
        {CJ_DIGEST_XXH128, "99aa06d3014798d86001c324468d497f",
         "06b05ab6733a618578af5f94892f3950"},
        {CJ_DIGEST_MD5, "d41d8cd98f00b204e9800998ecf8427e",
         "900150983cd24fb0d6963f7d28e17f72"},
        {CJ_DIGEST_SHA1, "da39a3ee5e6b4b0d3255bfef95601890afd80709",
         "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {CJ_DIGEST_SHA256,
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    };
    char text[65];

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        value_text(known[i].kind, "", 0, text);
        CHECK(strcmp(text, known[i].empty) == 0);
        value_text(known[i].kind, "abc", 3, text);
        CHECK(strcmp(text, known[i].abc) == 0);
    }
}

/* However a message is cut, and however often a digest is used, its value is the same.
 */
static void
test_pieces(void)
{
    uint8_t message[1000], whole[CJ_DIGEST_MAX_BYTES], value[CJ_DIGEST_MAX_BYTES];
    struct cj_digest *digest;
    size_t n_whole, n_value;

    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (uint8_t)(i * 7);
    }
    for (int kind = CJ_DIGEST_XXH128; kind <= CJ_DIGEST_SHA256; kind++) {
        REQUIRE(cj_digest_new((enum cj_digest_kind)kind, &digest) == 0);
        cj_digest_update(digest, message, sizeof(message));
        cj_digest_final(digest, whole, &n_whole);
        for (size_t cut = 0; cut <= sizeof(message); cut += 37) {
            cj_digest_update(digest, message, cut);
            cj_digest_update(digest, NULL, 0);
            cj_digest_update(digest, message + cut, sizeof(message) - cut);
            cj_digest_final(digest, value, &n_value);
            CHECK(n_value == n_whole && memcmp(value, whole, n_whole) == 0);
        }
        cj_digest_free(digest);
    }
    REQUIRE(cj_digest_new(CJ_DIGEST_XXH128, &digest) == 0);
    cj_digest_update(digest, message, sizeof(message));
    cj_digest_final(digest, whole, &n_whole);
    cj_xxh128(message, sizeof(message), value);
    CHECK(memcmp(value, whole, 16) == 0);
    cj_digest_free(digest);
}

static void
test_wrong_kinds(void)
{
    enum cj_digest_kind kind = CJ_DIGEST_MD5;
    struct cj_digest *digest;

    CHECK(cj_digest_by_name("sha256", &kind) == 0 && kind == CJ_DIGEST_SHA256);
    CHECK(cj_digest_by_name("md6", &kind) == -EINVAL && kind == CJ_DIGEST_SHA256);
    CHECK(cj_digest_new((enum cj_digest_kind)99, &digest) == -EINVAL);
    CHECK(cj_digest_size((enum cj_digest_kind)99) == 0);
    cj_digest_free(NULL);
}

TESTS(TEST(test_known_values), TEST(test_pieces), TEST(test_wrong_kinds))
