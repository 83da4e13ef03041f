/* One interface over xxHash and OpenSSL: a table of kinds, and a state that is one or
 * the other. */

#include "cjoblib/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "digest/xxh.h"

struct cj_digest {
    const struct digest_kind *kind;
    XXH3_state_t *xxh; /* for kinds without an OpenSSL name */
    EVP_MD_CTX *evp;   /* for the others */
};

struct digest_kind {
    const char *name;
    size_t n_bytes;
    const EVP_MD *(*evp)(void); /* NULL: xxh128 */
};

static const struct digest_kind digest_kinds[] = {
    [CJ_DIGEST_XXH128] = {"xxh128", 16, NULL},
    [CJ_DIGEST_MD5] = {"md5", 16, EVP_md5},
    [CJ_DIGEST_SHA1] = {"sha1", 20, EVP_sha1},
    [CJ_DIGEST_SHA256] = {"sha256", 32, EVP_sha256},
};

#define N_DIGEST_KINDS (sizeof(digest_kinds) / sizeof(digest_kinds[0]))

static const struct digest_kind *
digest_kind_find(enum cj_digest_kind kind)
{
    return (size_t)kind < N_DIGEST_KINDS ? &digest_kinds[kind] : NULL;
}

int
cj_digest_by_name(const char *name, enum cj_digest_kind *ret_kind)
{
    for (size_t i = 0; i < N_DIGEST_KINDS; i++) {
        if (strcmp(name, digest_kinds[i].name) == 0) {
            *ret_kind = (enum cj_digest_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

size_t
cj_digest_size(enum cj_digest_kind kind)
{
    const struct digest_kind *found = digest_kind_find(kind);

    return found ? found->n_bytes : 0;
}

/* Ready for the first byte of a message. */
static int
digest_begin(struct cj_digest *digest)
{
    if (digest->xxh) {
        XXH3_128bits_reset(digest->xxh);
        return 0;
    }
    return EVP_DigestInit_ex(digest->evp, digest->kind->evp(), NULL) ? 0 : -EPERM;
}

static void
digest_free_p(struct cj_digest **digest)
{
    cj_digest_free(*digest);
}

int
cj_digest_new(enum cj_digest_kind kind, struct cj_digest **ret_digest)
{
    AUTO(digest_free_p) struct cj_digest *digest = NULL;
    int r;

    if (!digest_kind_find(kind)) {
        return -EINVAL;
    }
    digest = mem_alloc_zero(1, sizeof(*digest));
    if (!digest) {
        return -ENOMEM;
    }
    digest->kind = digest_kind_find(kind);
    if (digest->kind->evp) {
        digest->evp = EVP_MD_CTX_new();
    }
    else {
        digest->xxh = XXH3_createState();
    }
    if (!digest->evp && !digest->xxh) {
        return -ENOMEM;
    }
    r = digest_begin(digest);
    if (r == 0) {
        *ret_digest = TAKE_PTR(digest);
    }
    return r;
}

void
cj_digest_free(struct cj_digest *digest)
{
    if (digest) {
        XXH3_freeState(digest->xxh);
        EVP_MD_CTX_free(digest->evp);
        mem_free(digest);
    }
}

void
cj_digest_update(struct cj_digest *digest, const void *data, size_t size)
{
    if (size == 0) {
        return;
    }
    if (digest->xxh) {
        xxh_update(digest->xxh, data, size);
    }
    else {
        EVP_DigestUpdate(digest->evp, data, size);
    }
}

void
cj_digest_final(struct cj_digest *digest, uint8_t *ret_value, size_t *ret_n_bytes)
{
    XXH128_canonical_t canonical;

    if (digest->xxh) {
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(digest->xxh));
        memcpy(ret_value, canonical.digest, sizeof(canonical.digest));
    }
    else {
        EVP_DigestFinal_ex(digest->evp, ret_value, NULL);
    }
    *ret_n_bytes = digest->kind->n_bytes;
    /* It began once with this very kind, so it can begin again; not naming the kind
     * spares OpenSSL looking it up, which takes longer than a short message. */
    if (digest->xxh) {
        XXH3_128bits_reset(digest->xxh);
    }
    else {
        (void)EVP_DigestInit_ex(digest->evp, NULL, NULL);
    }
}

void
cj_xxh128(const void *data, size_t size, uint8_t ret_value[16])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, xxh_once(data, size));
    memcpy(ret_value, canonical.digest, sizeof(canonical.digest));
}
