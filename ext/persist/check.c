#include "persist/check.h"

#include <string.h>

#include "errors.h"

/* So much of a compressed stream is decoded before any of it is unpickled. */
#define CHECK_AHEAD_BYTES ((size_t)1 << 20)

static int
check_new_digest(struct cj_digest **ret_digest)
{
    int r = cj_digest_new(CJ_DIGEST_XXH128, ret_digest);

    if (r < 0) {
        error_raise(r, NULL);
    }
    return r < 0 ? -1 : 0;
}

static int
refuse_no_footer(struct unpickler *unpickler)
{
    return unpickler_fail(unpickler, PyExc_ValueError,
                          "verify=True, but there is no footer behind the pickle: not "
                          "written by name by cjoblib, or cut off,");
}

static int
refuse_digest(struct unpickler *unpickler, uint64_t n_bytes)
{
    return unpickler_refuse(unpickler,
                            "damaged (or changed in place, through a map of joblib's: "
                            "then verify=False): the checksum of its %llu bytes is not "
                            "the one in its footer,",
                            (unsigned long long)n_bytes);
}

/* `bytes` stand right behind the pickle, up to FOOTER_BYTES of them. 1: a footer that
 * speaks of this pickle and can be verified; 0: none; -1: it is damaged. */
static int
judge(struct unpickler *unpickler, const uint8_t *bytes, size_t n, uint64_t n_bytes,
      enum check_mode mode)
{
    switch (footer_judge(bytes, n, n_bytes)) {
    case FOOTER_WHOLE:
        return 1;
    case FOOTER_DAMAGED:
        return unpickler_refuse(
            unpickler,
            "damaged: a footer of %zu bytes was expected behind the "
            "pickle's %llu bytes, there is half of one or another,",
            FOOTER_BYTES, (unsigned long long)n_bytes);
    case FOOTER_NEWER:
        return mode == CHECK_ALWAYS
                   ? unpickler_fail(unpickler, PyExc_ValueError,
                                    "its footer is of a newer version of cjoblib,")
                   : 0;
    default:
        return mode == CHECK_ALWAYS ? refuse_no_footer(unpickler) : 0;
    }
}

/* The file ends with a footer that speaks of another length: the pickle's own end is
 * not where it was. */
static int
refuse_early_end(struct unpickler *unpickler, const uint8_t *footer, uint64_t n_bytes)
{
    return unpickler_refuse(
        unpickler,
        "damaged: the pickle ends after %llu bytes, by its footer it "
        "has %llu,",
        (unsigned long long)n_bytes, (unsigned long long)footer_length(footer));
}

/* --- an input of its own ---------------------------------------------------------- */

/* Compare the running digest, which is complete when the input was read to its end. */
static int
compare_running(struct unpickler *unpickler, struct input *input, const uint8_t *footer,
                uint64_t n_bytes)
{
    return footer_agrees(footer, input->digest) ? 0 : refuse_digest(unpickler, n_bytes);
}

static int
compare_again(struct unpickler *unpickler, struct input *input, const uint8_t *footer,
              uint64_t n_bytes)
{
    struct cj_digest *digest = NULL;
    int r = check_new_digest(&digest);

    if (r == 0) {
        r = input_digest_again(input, n_bytes, digest);
    }
    if (r == 0 && !footer_agrees(footer, digest)) {
        r = refuse_digest(unpickler, n_bytes);
    }
    cj_digest_free(digest);
    return r;
}

/* Behind the pickle of a plain file. */
static int
check_plain(struct unpickler *unpickler, struct input *input, enum check_mode mode)
{
    uint64_t n_bytes = source_offset(&unpickler->source);
    uint64_t end = input->begin + n_bytes, last = input->size - FOOTER_BYTES;
    uint8_t footer[FOOTER_BYTES];
    size_t n = 0;
    int r = input_peek(input, end, footer, FOOTER_BYTES, &n);

    if (r == 0) {
        r = judge(unpickler, footer, n, n_bytes, mode);
    }
    if (r == 1) {
        if (mode == CHECK_NEVER || input->is_verified ||
            (mode == CHECK_AUTO && !input->digest)) {
            return 0;
        }
        if (!input->digest || end != last || input_drain(input) < 0) {
            return PyErr_Occurred() ? -1
                                    : compare_again(unpickler, input, footer, n_bytes);
        }
        return compare_running(unpickler, input, footer, n_bytes);
    }
    if (r == 0 && n == FOOTER_BYTES && input->size != UINT64_MAX) {
        r = input_peek(input, last, footer, FOOTER_BYTES, &n);
        if (r == 0 && n == FOOTER_BYTES && footer_has_magic(footer)) {
            r = refuse_early_end(unpickler, footer, n_bytes);
        }
    }
    return r;
}

/* Up to FOOTER_BYTES of what follows the pickle, and what remains of the stream behind
 * them is passed by. */
static int
take_rest(struct unpickler *unpickler, struct input *input, uint8_t *footer,
          size_t *ret_n, uint64_t *ret_n_all)
{
    uint64_t n_bytes = source_offset(&unpickler->source);
    int r = source_read(&unpickler->source, footer, FOOTER_BYTES, ret_n);

    if (r == 0) {
        r = input_drain(input);
    }
    *ret_n_all = input->n_bytes - n_bytes;
    return r < 0 ? -1 : 0;
}

/* Behind the pickle of a compressed one: to the end, where the codec's own checksum is.
 */
static int
check_decoded(struct unpickler *unpickler, struct input *input, enum check_mode mode)
{
    uint64_t n_bytes = source_offset(&unpickler->source), n_rest;
    uint8_t footer[FOOTER_BYTES];
    size_t n = 0;
    int r = take_rest(unpickler, input, footer, &n, &n_rest);

    if (r == 0) {
        r = judge(unpickler, footer, n, n_bytes, mode);
    }
    if (r == 1) {
        r = 0;
        if (input->digest && n_rest == FOOTER_BYTES) {
            r = compare_running(unpickler, input, footer, n_bytes);
        }
        else if (mode == CHECK_ALWAYS && !input->is_verified) {
            r = refuse_no_footer(unpickler);
        }
    }
    else if (r == 0 && n_rest > FOOTER_BYTES && input->n_tail == FOOTER_BYTES &&
             footer_has_magic(input->tail)) {
        r = refuse_early_end(unpickler, input->tail, n_bytes);
    }
    return r;
}

/* The stream is in the window from its beginning to its end, and digested. */
static int
check_window(struct unpickler *unpickler, struct input *input)
{
    uint64_t n_bytes = input->n_bytes - FOOTER_BYTES;

    if (!input->digest || input->n_tail < FOOTER_BYTES ||
        footer_judge(input->tail, FOOTER_BYTES, n_bytes) != FOOTER_WHOLE) {
        return 0;
    }
    input->is_verified = footer_agrees(input->tail, input->digest);
    cj_digest_free(input->digest);
    input->digest = NULL;
    return input->is_verified ? 0 : refuse_digest(unpickler, n_bytes);
}

static int
check_decoded_before(struct unpickler *unpickler, struct input *input)
{
    struct source *source = &unpickler->source;
    int r = 0;

    while (r == 0 && source_here(source) < CHECK_AHEAD_BYTES) {
        r = source_more(source, source_here(source) + 1);
    }
    return r == SOURCE_SHORT ? check_window(unpickler, input) : r;
}

int
check_before(struct unpickler *unpickler, struct input *input, uint64_t max_plain)
{
    int r;

    if (input->decoder) {
        return check_decoded_before(unpickler, input);
    }
    if (!input->is_seekable || input->begin || input->size > max_plain) {
        return 0;
    }
    r = check_damage(input, false);
    if (r == 1) {
        return refuse_digest(unpickler, input->size - FOOTER_BYTES);
    }
    return r;
}

int
check_end(struct unpickler *unpickler, struct input *input, enum check_mode mode)
{
    if (input->decoder) {
        return check_decoded(unpickler, input, mode);
    }
    if (input->is_seekable) {
        return check_plain(unpickler, input, mode);
    }
    return mode == CHECK_ALWAYS ? refuse_no_footer(unpickler) : 0;
}

/* --- among other things ----------------------------------------------------------- */

static int
compare_memory(struct unpickler *unpickler, const uint8_t *end, uint64_t n_bytes)
{
    struct cj_digest *digest = NULL;
    int r = check_new_digest(&digest);

    if (r == 0) {
        cj_digest_update(digest, end - n_bytes, n_bytes);
        r = footer_agrees(end, digest) ? 0 : refuse_digest(unpickler, n_bytes);
    }
    cj_digest_free(digest);
    return r;
}

Py_ssize_t
check_here(struct unpickler *unpickler, struct input *input, enum check_mode mode)
{
    struct source *source = &unpickler->source;
    uint64_t n_bytes = source_offset(source);
    uint8_t footer[FOOTER_BYTES];
    const uint8_t *bytes = source->at;
    size_t n = source_here(source);
    int r = 0;

    if (input) {
        bytes = footer;
        r = input_peek(input, input->begin + n_bytes, footer, FOOTER_BYTES, &n);
    }
    if (r < 0 || n < FOOTER_BYTES || !footer_has_magic(bytes) ||
        footer_length(bytes) != n_bytes) {
        return r < 0 ? -1 : mode == CHECK_ALWAYS ? refuse_no_footer(unpickler) : 0;
    }
    r = judge(unpickler, bytes, FOOTER_BYTES, n_bytes, mode);
    if (r == 1 && mode == CHECK_ALWAYS) {
        r = input ? compare_again(unpickler, input, footer, n_bytes)
                  : compare_memory(unpickler, bytes, n_bytes);
    }
    return r < 0 ? -1 : (Py_ssize_t)FOOTER_BYTES;
}

int
check_damage(struct input *input, bool by_length)
{
    uint8_t footer[FOOTER_BYTES];
    struct cj_digest *digest = NULL;
    uint64_t n_bytes;
    size_t n = 0;
    int r;

    if (!input->is_seekable || input->size < FOOTER_BYTES) {
        return 0;
    }
    n_bytes = input->size - FOOTER_BYTES;
    r = input_peek(input, n_bytes, footer, FOOTER_BYTES, &n);
    if (r < 0 || n < FOOTER_BYTES || !footer_has_magic(footer)) {
        return r;
    }
    if (footer_length(footer) != n_bytes) {
        return by_length;
    }
    r = check_new_digest(&digest);
    if (r == 0) {
        r = input_digest_again(input, n_bytes, digest);
    }
    if (r == 0) {
        input->is_verified = footer_agrees(footer, digest);
        r = !input->is_verified;
    }
    cj_digest_free(digest);
    return r;
}
