/* What a codec does with damaged streams, failing files and without memory: an error of
 * the right kind, that stays; never a crash, never wrong data. */

#include "codec_bytes.h"
#include "codec_streams.h"

/* --- the heap, one call of which can be made to fail ------------------------------ */

static size_t n_allocs;
static size_t failing_alloc; /* 0: none */
static size_t n_failed_allocs;

void *__real_mem_alloc(size_t size);
void *__real_mem_alloc_zero(size_t n, size_t size);
void *__wrap_mem_alloc(size_t size);
void *__wrap_mem_alloc_zero(size_t n, size_t size);

static bool
alloc_fails(void)
{
    bool fails = ++n_allocs == failing_alloc;

    n_failed_allocs += fails;
    return fails;
}

void *
__wrap_mem_alloc(size_t size)
{
    return alloc_fails() ? NULL : __real_mem_alloc(size);
}

void *
__wrap_mem_alloc_zero(size_t n, size_t size)
{
    return alloc_fails() ? NULL : __real_mem_alloc_zero(n, size);
}

/* --- damaged streams -------------------------------------------------------------- */

static void
check_trailing_garbage(enum cj_codec_kind kind)
{
    static const char *const garbage[] = {"\x01", "garbage",
                                          "one fish, two more fishes"};
    struct heap stream = HEAP_INIT, back = HEAP_INIT;
    int r;

    for (size_t i = 0; i < N_ITEMS(garbage); i++) {
        heap_add(&stream, tool_streams[kind].data, tool_streams[kind].size);
        heap_add(&stream, garbage[i], strlen(garbage[i]));
        r = decode(kind, heap_bytes(&stream), &back);
        /* liblzma looks at a stream's header only when it is whole. */
        CHECK(r == -EBADMSG || (r == -ENODATA && kind == CJ_CODEC_XZ));
        CHECK(back.size == 0);
        heap_done(&stream);
        heap_done(&back);
    }
}

static void
test_trailing_garbage(void)
{
    each_kind(check_trailing_garbage);
}

static void
check_something_else(enum cj_codec_kind kind)
{
    static const char text[] = "this is no compressed stream at all, of whatever kind";
    struct heap back = HEAP_INIT;

    CHECK(decode(kind, (struct cj_bytes){text, strlen(text)}, &back) == -EBADMSG);
    CHECK(decode(kind, (struct cj_bytes){text, 0}, &back) == -ENODATA);
    CHECK(back.size == 0);
}

static void
test_something_else(void)
{
    each_kind(check_something_else);
}

/* Cut off after every byte: never data that ends well. */
static void
check_truncations(enum cj_codec_kind kind, struct cj_bytes stream)
{
    struct heap back = HEAP_INIT;

    for (size_t size = 0; size < stream.size; size++) {
        CHECK(decode(kind, (struct cj_bytes){stream.data, size}, &back) == -ENODATA);
        heap_done(&back);
    }
}

static void
check_truncation(enum cj_codec_kind kind)
{
    struct heap stream = HEAP_INIT;

    check_truncations(kind, tool_streams[kind]);
    REQUIRE(encode(kind, 1, sample(600), 600, &stream) == 0);
    check_truncations(kind, heap_bytes(&stream));
    heap_done(&stream);
}

static void
test_truncation(void)
{
    each_kind(check_truncation);
}

/* Each bit flipped in turn: an error, or the very same data (a bit that says nothing
 * about it, like gzip's time). lzma-alone has no checksum: there only crashes count. */
static void
check_flipped_bits(enum cj_codec_kind kind)
{
    struct heap stream = HEAP_INIT, back = HEAP_INIT;
    struct cj_bytes data = sample(500);
    size_t n_noticed = 0;
    int r;

    REQUIRE(encode(kind, 1, data, data.size, &stream) == 0);
    for (size_t bit = 0; bit < 8 * stream.size; bit++) {
        stream.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        r = decode(kind, heap_bytes(&stream), &back);
        stream.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(r < 0 || kind == CJ_CODEC_LZMA || heap_is(&back, data));
        n_noticed += r < 0;
        heap_done(&back);
    }
    CHECK(n_noticed > stream.size);
    heap_done(&stream);
}

static void
test_flipped_bits(void)
{
    each_kind(check_flipped_bits);
}

/* --- errors of others ------------------------------------------------------------- */

static int
failing_sink(void *context, const void *data, size_t size)
{
    (void)data;
    (void)size;
    ++*(int *)context;
    return -ENOSPC;
}

static void
check_failing_sink(enum cj_codec_kind kind)
{
    struct cj_bytes data = sample(3 << 20);
    int n_calls = 0;
    struct cj_sink sink = {failing_sink, &n_calls};
    struct cj_encoder *encoder;

    REQUIRE(cj_encoder_new(kind, 1, sink, &encoder) == 0);
    CHECK(cj_encoder_write(encoder, data.data, data.size) == -ENOSPC);
    CHECK(cj_encoder_write(encoder, data.data, 1) == -ENOSPC);
    CHECK(cj_encoder_finish(encoder) == -ENOSPC);
    CHECK(n_calls == 1);
    cj_encoder_free(encoder);
}

static void
test_failing_sink(void)
{
    each_kind(check_failing_sink);
}

/* Gives what there is, then fails. */
static int
failing_source(void *context, void *buffer, size_t size, size_t *ret_n_read)
{
    if (((struct reading *)context)->size == 0) {
        return -EIO;
    }
    return reading_source(context, buffer, size, ret_n_read);
}

static void
check_failing_source(enum cj_codec_kind kind)
{
    struct reading reading = {tool_streams[kind].data, 10, 3};
    struct cj_source source = {failing_source, &reading};
    struct cj_decoder *decoder;
    uint8_t buffer[100];
    size_t n_read = 77;

    REQUIRE(cj_decoder_new(kind, source, &decoder) == 0);
    CHECK(cj_decoder_read(decoder, buffer, sizeof(buffer), &n_read) == -EIO);
    CHECK(cj_decoder_read(decoder, buffer, sizeof(buffer), &n_read) == -EIO);
    CHECK(n_read == 77);
    cj_decoder_free(decoder);
}

static void
test_failing_source(void)
{
    each_kind(check_failing_source);
}

static int
lying_source(void *context, void *buffer, size_t size, size_t *ret_n_read)
{
    (void)context;
    (void)buffer;
    *ret_n_read = size + 1;
    return 0;
}

static void
test_lying_source(void)
{
    struct cj_source source = {lying_source, NULL};
    struct cj_decoder *decoder;
    uint8_t byte;
    size_t n_read;

    REQUIRE(cj_decoder_new(CJ_CODEC_ZLIB, source, &decoder) == 0);
    CHECK(cj_decoder_read(decoder, &byte, 1, &n_read) == -EIO);
    cj_decoder_free(decoder);
}

/* Fail each call of the heap once, in writing and in reading: an error or the right
 * data, never anything else, and nothing is lost (ASan looks). */
static void
check_no_memory(enum cj_codec_kind kind)
{
    struct cj_bytes data = sample(3000);
    struct heap stream = HEAP_INIT, back = HEAP_INIT;
    bool was_reached = true;
    int r;

    n_failed_allocs = 0;
    for (size_t at = 1; was_reached; at++) {
        n_allocs = 0;
        failing_alloc = at;
        r = encode(kind, 1, data, data.size, &stream);
        if (r == 0) {
            r = decode(kind, heap_bytes(&stream), &back);
        }
        was_reached = n_allocs >= at;
        CHECK(r == (was_reached ? -ENOMEM : 0));
        CHECK(r < 0 || heap_is(&back, data));
        heap_done(&stream);
        heap_done(&back);
    }
    failing_alloc = 0;
    CHECK(n_failed_allocs >= 2);
}

static void
test_no_memory(void)
{
    each_kind(check_no_memory);
}

TESTS(TEST(test_trailing_garbage), TEST(test_something_else), TEST(test_truncation),
      TEST(test_flipped_bits), TEST(test_failing_sink), TEST(test_failing_source),
      TEST(test_lying_source), TEST(test_no_memory))
