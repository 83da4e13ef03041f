/* Encoders and decoders with several threads: the same streams, all of the data, and
 * clean ends. */

#include "codec_bytes.h"

#define N_BIG (((size_t)2 << 20) + 70000)

/* Encode with `n_threads`, the data in pieces of so many bytes. */
static int
encode_threads(enum cj_codec_kind kind, int level, unsigned int n_threads,
               struct cj_bytes data, size_t piece, struct heap *ret_stream)
{
    struct cj_codec_options options = {.n_threads = n_threads};
    struct cj_sink sink = {heap_sink, ret_stream};
    struct cj_encoder *encoder = NULL;
    int r = cj_encoder_new_with(kind, level, &options, sink, &encoder);
    size_t n;

    for (size_t at = 0; r == 0 && at < data.size; at += n) {
        n = data.size - at < piece ? data.size - at : piece;
        r = cj_encoder_write(encoder, (const uint8_t *)data.data + at, n);
    }
    if (r == 0) {
        r = cj_encoder_finish(encoder);
    }
    cj_encoder_free(encoder);
    return r;
}

static int
decode_threads(enum cj_codec_kind kind, unsigned int n_threads, struct cj_bytes stream,
               size_t piece, struct heap *ret_data)
{
    struct cj_codec_options options = {.n_threads = n_threads};
    struct reading reading = {stream.data, stream.size, 0};
    struct cj_source source = {reading_source, &reading};
    struct cj_decoder *decoder = NULL;
    int r = cj_decoder_new_with(kind, &options, source, &decoder);
    uint8_t *buffer = malloc(piece);
    size_t n = piece;

    REQUIRE(buffer);
    while (r == 0 && n == piece) {
        r = cj_decoder_read(decoder, buffer, piece, &n);
        heap_add(ret_data, buffer, r == 0 ? n : 0);
    }
    cj_decoder_free(decoder);
    free(buffer);
    return r;
}

/* lzma-alone has nothing for a second thread to do. */
static void
each_threaded_kind(void (*check)(enum cj_codec_kind kind))
{
    for (int i = 0; i < CJ_CODEC_COUNT; i++) {
        if (i != CJ_CODEC_LZMA && cj_codec_is_built((enum cj_codec_kind)i)) {
            check((enum cj_codec_kind)i);
        }
    }
}

static int
low_level(enum cj_codec_kind kind)
{
    return kind == CJ_CODEC_XZ ? 0 : 1;
}

static void
check_same_stream(enum cj_codec_kind kind)
{
    static const size_t pieces[3] = {1000003, 65536, N_BIG};
    struct heap one = HEAP_INIT, many = HEAP_INIT, back = HEAP_INIT;
    struct cj_bytes data = sample(N_BIG - 7);

    REQUIRE(encode_threads(kind, low_level(kind), 1, data, data.size, &one) == 0);
    for (unsigned int n_threads = 0; n_threads < 3; n_threads++) {
        size_t piece = pieces[n_threads];

        CHECK(encode_threads(kind, low_level(kind), n_threads, data, piece, &many) ==
              0);
        CHECK(kind == CJ_CODEC_XZ || heap_is(&many, heap_bytes(&one)));
        CHECK(decode_threads(kind, n_threads, heap_bytes(&many), piece, &back) == 0);
        CHECK(heap_is(&back, data));
        heap_done(&many);
        heap_done(&back);
    }
    heap_done(&one);
}

static void
test_threads_do_not_show(void)
{
    each_threaded_kind(check_same_stream);
}

/* All sizes about the ends of a block and of two. */
static void
check_borders(enum cj_codec_kind kind)
{
    static const size_t blocks[CJ_CODEC_COUNT] = {
        [CJ_CODEC_ZLIB] = 256 << 10, [CJ_CODEC_GZIP] = 256 << 10,
        [CJ_CODEC_BZ2] = 899712,     [CJ_CODEC_XZ] = 1 << 20,
        [CJ_CODEC_LZ4] = 256 << 10,  [CJ_CODEC_ZSTD] = 1 << 20,
    };
    struct heap stream = HEAP_INIT, back = HEAP_INIT;

    for (size_t i = 0; blocks[kind] > 0 && i < 6; i++) {
        struct cj_bytes data = sample((1 + i / 3) * blocks[kind] - 1 + i % 3);

        CHECK(encode_threads(kind, low_level(kind), 2, data, data.size, &stream) == 0);
        CHECK(decode_threads(kind, 2, heap_bytes(&stream), 300007, &back) == 0);
        CHECK(heap_is(&back, data));
        heap_done(&stream);
        heap_done(&back);
    }
}

static void
test_block_borders(void)
{
    each_threaded_kind(check_borders);
}

/* What can't be made smaller must still fit. */
static void
check_noise(enum cj_codec_kind kind)
{
    struct heap stream = HEAP_INIT, back = HEAP_INIT;
    struct heap noise = HEAP_INIT;
    uint64_t state = 88172645463325252;
    int min, max;

    for (size_t i = 0; i < 560000 / 8; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        heap_add(&noise, &state, 8);
    }
    REQUIRE(cj_codec_levels(kind, &min, &max) == 0);
    for (int level = min; level <= max && level < 10; level += 4) {
        CHECK(encode_threads(kind, level, 2, heap_bytes(&noise), 530000, &stream) == 0);
        CHECK(stream.size < noise.size + noise.size / 50);
        CHECK(decode_threads(kind, 1, heap_bytes(&stream), 100000, &back) == 0);
        CHECK(heap_is(&back, heap_bytes(&noise)));
        heap_done(&stream);
        heap_done(&back);
    }
    heap_done(&noise);
}

static void
test_noise(void)
{
    each_threaded_kind(check_noise);
}

/* The ratios of zlib, about: a higher level is never much larger, the highest clearly
 * smaller. */
static void
check_deflate_levels(enum cj_codec_kind kind)
{
    struct heap text = HEAP_INIT, stream = HEAP_INIT;
    size_t sizes[10];
    uint32_t state = 1;

    while (text.size < 1500000) {
        char line[64];

        state = state * 1664525 + 1013904223;
        snprintf(line, sizeof(line), "entry %u: value=%u;\n", state >> 12, state % 97);
        heap_add(&text, line, strlen(line));
    }
    for (int level = 0; level < 10; level++) {
        CHECK(encode_threads(kind, level, 2, heap_bytes(&text), text.size, &stream) ==
              0);
        sizes[level] = stream.size;
        heap_done(&stream);
    }
    CHECK(sizes[0] > text.size && sizes[0] < text.size + 1000);
    for (int level = 1; level < 10; level++) {
        CHECK(sizes[level] < sizes[level - 1] + sizes[level - 1] / 50);
    }
    CHECK(sizes[9] < sizes[1]);
    heap_done(&text);
}

static void
test_deflate_levels(void)
{
    check_deflate_levels(CJ_CODEC_ZLIB);
    check_deflate_levels(CJ_CODEC_GZIP);
}

/* A sink that fails at its n-th call, with work for several threads on its way. */
struct failing {
    int n_left;
    int n_after; /* calls after the one that failed */
};

static int
failing_sink(void *context, const void *data, size_t size)
{
    struct failing *failing = context;

    (void)data;
    (void)size;
    failing->n_after += failing->n_left < 0;
    return failing->n_left-- > 0 ? 0 : -ENOSPC;
}

static void
check_failing_sink(enum cj_codec_kind kind)
{
    struct cj_codec_options options = {.n_threads = 3};
    struct cj_bytes data = sample(N_BIG);
    struct cj_encoder *encoder;
    int r;

    for (int at = 0; at < 6; at += 2) {
        struct failing failing = {.n_left = at};
        struct cj_sink sink = {failing_sink, &failing};

        REQUIRE(cj_encoder_new_with(kind, low_level(kind), &options, sink, &encoder) ==
                0);
        r = cj_encoder_write(encoder, data.data, data.size);
        r = r == 0 ? cj_encoder_finish(encoder) : r;
        CHECK(failing.n_left >= 0 ? r == 0 : r == -ENOSPC);
        CHECK(failing.n_left >= 0 || cj_encoder_write(encoder, "x", 1) == -ENOSPC);
        CHECK(failing.n_after == 0);
        cj_encoder_free(encoder);
    }
}

static void
test_failing_sink(void)
{
    each_threaded_kind(check_failing_sink);
}

/* Let go in the middle, with blocks under way. */
static void
check_abandoned(enum cj_codec_kind kind)
{
    struct cj_codec_options options = {.n_threads = 3};
    struct cj_bytes data = sample(N_BIG);
    struct heap stream = HEAP_INIT;
    struct cj_sink sink = {heap_sink, &stream};
    struct cj_encoder *encoder;

    for (size_t piece = 70000; piece < N_BIG; piece *= 6) {
        REQUIRE(cj_encoder_new_with(kind, low_level(kind), &options, sink, &encoder) ==
                0);
        for (size_t at = 0; at + piece < data.size; at += piece) {
            CHECK(cj_encoder_write(encoder, (const uint8_t *)data.data + at, piece) ==
                  0);
        }
        cj_encoder_free(encoder);
        heap_done(&stream);
    }
}

static void
test_abandoned(void)
{
    each_threaded_kind(check_abandoned);
}

TESTS(TEST(test_threads_do_not_show), TEST(test_block_borders), TEST(test_noise),
      TEST(test_deflate_levels), TEST(test_failing_sink), TEST(test_abandoned))
