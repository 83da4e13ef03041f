/* Arrays that are shuffled and compressed. */

#include <cjoblib/array.h>

#include "codec_bytes.h"

static const struct cj_codec_options one_thread = {.n_threads = 1};

static void
each_codec(void (*check)(enum cj_array_codec codec))
{
    for (int i = CJ_ARRAY_LZ4; i <= CJ_ARRAY_BLOSCLZ; i++) {
        if (cj_array_codec_is_built((enum cj_array_codec)i)) {
            check((enum cj_array_codec)i);
        }
    }
}

static int
array_encode(enum cj_array_codec codec, int level, unsigned int n_threads,
             struct cj_bytes data, size_t item_bytes, struct heap *ret_stream)
{
    struct cj_array_options options = {codec, level, n_threads};
    struct cj_sink sink = {heap_sink, ret_stream};

    return cj_array_encode(data.data, data.size, item_bytes, &options, sink);
}

/* Decode so many bytes; `ret_n_left`: what the source had left. */
static int
array_decode(struct cj_bytes stream, size_t size,
             const struct cj_codec_options *options, struct heap *ret_data,
             size_t *ret_n_left)
{
    struct reading reading = {stream.data, stream.size, 10007};
    struct cj_source source = {reading_source, &reading};
    uint8_t *buffer = malloc(size + 1);
    int r;

    REQUIRE(buffer);
    r = cj_array_decode(source, buffer, size, options);
    if (r == 0) {
        heap_add(ret_data, buffer, size);
    }
    *ret_n_left = reading.size;
    free(buffer);
    return r;
}

static void
check_round_trip(enum cj_array_codec codec)
{
    static const size_t sizes[] = {0, 1, 7, 8, 5000, 1 << 20, (1 << 20) + 1, 3 << 20};
    static const size_t items[] = {1, 2, 8, 12, 255, 256, 1000};
    struct heap stream = HEAP_INIT, back = HEAP_INIT;
    size_t n_left;

    for (size_t i = 0; i < N_ITEMS(sizes) * N_ITEMS(items); i++) {
        struct cj_bytes data = sample(sizes[i / N_ITEMS(items)]);
        size_t item_bytes = items[i % N_ITEMS(items)];

        CHECK(array_encode(codec, 1, 1 + i % 3, data, item_bytes, &stream) == 0);
        heap_add(&stream, "behind", 6);
        CHECK(array_decode(heap_bytes(&stream), data.size, NULL, &back, &n_left) == 0);
        CHECK(heap_is(&back, data));
        CHECK(n_left == 6);
        heap_done(&stream);
        heap_done(&back);
    }
}

static void
test_round_trip(void)
{
    each_codec(check_round_trip);
}

static void
check_levels(enum cj_array_codec codec)
{
    struct heap stream = HEAP_INIT, back = HEAP_INIT;
    struct cj_bytes data = sample(100000);
    size_t n_left;

    for (int level = CJ_CODEC_LEVEL_DEFAULT; level <= 9; level++) {
        CHECK(array_encode(codec, level, 1, data, 4, &stream) == 0);
        CHECK(level == 0 || codec == CJ_ARRAY_BLOSCLZ || stream.size < data.size);
        CHECK(array_decode(heap_bytes(&stream), data.size, &one_thread, &back,
                           &n_left) == 0);
        CHECK(heap_is(&back, data));
        heap_done(&stream);
        heap_done(&back);
    }
    CHECK(array_encode(codec, 10, 1, data, 4, &stream) == -EINVAL);
    CHECK(array_encode(codec, -2, 1, data, 4, &stream) == -EINVAL);
    CHECK(stream.size == 0);
}

static void
test_levels(void)
{
    each_codec(check_levels);
}

/* Small numbers in large items are what this is for. */
static void
test_small_numbers(void)
{
    struct heap numbers = HEAP_INIT, stream = HEAP_INIT;
    uint32_t state = 1;

    for (size_t i = 0; i < 200000; i++) {
        uint64_t number;

        state = state * 1664525 + 1013904223;
        number = (state >> 16) % 100;
        heap_add(&numbers, &number, sizeof(number));
    }
    if (cj_array_codec_is_built(CJ_ARRAY_LZ4)) {
        CHECK(array_encode(CJ_ARRAY_LZ4, 5, 0, heap_bytes(&numbers), 8, &stream) == 0);
        CHECK(stream.size < numbers.size / 7);
    }
    heap_done(&numbers);
    heap_done(&stream);
}

/* Cut off after every byte, and each bit flipped: an error, never wrong data. */
static void
check_damage(enum cj_array_codec codec)
{
    struct heap stream = HEAP_INIT, back = HEAP_INIT;
    struct cj_bytes data = sample(600);
    size_t n_left;
    int r;

    REQUIRE(array_encode(codec, 1, 1, data, 4, &stream) == 0);
    for (size_t size = 0; size < stream.size; size++) {
        CHECK(array_decode((struct cj_bytes){stream.data, size}, data.size, &one_thread,
                           &back, &n_left) == -ENODATA);
    }
    for (size_t bit = 0; bit < 8 * stream.size; bit++) {
        stream.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        r = array_decode(heap_bytes(&stream), data.size, &one_thread, &back, &n_left);
        stream.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(r == -EBADMSG || r == -ENODATA);
    }
    CHECK(array_decode(heap_bytes(&stream), data.size + 1, NULL, &back, &n_left) ==
          -EBADMSG);
    CHECK(array_decode(heap_bytes(&stream), data.size - 1, NULL, &back, &n_left) ==
          -EBADMSG);
    CHECK(back.size == 0);
    heap_done(&stream);
}

static void
test_damage(void)
{
    each_codec(check_damage);
}

/* Two pieces in each other's place: each is sound, together they are not. */
static void
test_exchanged_pieces(void)
{
    struct heap stream = HEAP_INIT, changed = HEAP_INIT, back = HEAP_INIT;
    size_t size = 2 << 20, n_left, n_piece;
    uint8_t *data = calloc(size, 1);

    REQUIRE(data);
    memset(data, 7, size / 2);
    if (cj_array_codec_is_built(CJ_ARRAY_BLOSCLZ)) {
        REQUIRE(array_encode(CJ_ARRAY_BLOSCLZ, 0, 1, (struct cj_bytes){data, size}, 8,
                             &stream) == 0);
        n_piece = (stream.size - 24) / 2;
        heap_add(&changed, stream.data, 24);
        heap_add(&changed, stream.data + 24 + n_piece, n_piece);
        heap_add(&changed, stream.data + 24, n_piece);
        CHECK(array_decode(heap_bytes(&stream), size, NULL, &back, &n_left) == 0);
        CHECK(array_decode(heap_bytes(&changed), size, NULL, &back, &n_left) ==
              -EBADMSG);
    }
    free(data);
    heap_done(&stream);
    heap_done(&changed);
    heap_done(&back);
}

static int
failing_sink(void *context, const void *data, size_t size)
{
    (void)data;
    (void)size;
    return (*(int *)context)-- > 0 ? 0 : -ENOSPC;
}

static void
check_failing_sink(enum cj_array_codec codec)
{
    struct cj_array_options options = {codec, 1, 3};
    struct cj_bytes data = sample(3 << 20);

    for (int n_left, at = 0; at < 4; at++) {
        struct cj_sink sink = {failing_sink, &n_left};

        n_left = at;
        CHECK(cj_array_encode(data.data, data.size, 8, &options, sink) ==
              (at < 4 ? -ENOSPC : 0));
        CHECK(n_left == -1);
    }
}

static void
test_failing_sink(void)
{
    each_codec(check_failing_sink);
}

static void
test_names(void)
{
    enum cj_array_codec codec = CJ_ARRAY_ZLIB;
    struct cj_sink sink = {heap_sink, NULL};
    struct cj_array_options none = {.codec = (enum cj_array_codec)99};

    CHECK(cj_array_codec_by_name("zstd", &codec) == 0 && codec == CJ_ARRAY_ZSTD);
    CHECK(cj_array_codec_by_name("lz4", &codec) == 0 && codec == CJ_ARRAY_LZ4);
    CHECK(cj_array_codec_by_name("snappy", &codec) == -EINVAL && codec == CJ_ARRAY_LZ4);
    CHECK(!cj_array_codec_is_built(none.codec));
    CHECK(cj_array_encode("", 0, 1, &none, sink) == -EINVAL);
}

/* Built without c-blosc, both directions say so. */
static void
test_not_built(void)
{
    struct reading reading = {NULL, 0, 0};
    struct cj_source source = {reading_source, &reading};
    struct cj_sink sink = {heap_sink, NULL};

    if (!cj_array_codec_is_built(CJ_ARRAY_BLOSCLZ)) {
        CHECK(cj_array_encode("", 0, 1, NULL, sink) == -ENOTSUP);
        CHECK(cj_array_decode(source, &reading, 0, NULL) == -ENOTSUP);
    }
}

TESTS(TEST(test_round_trip), TEST(test_levels), TEST(test_small_numbers),
      TEST(test_damage), TEST(test_exchanged_pieces), TEST(test_failing_sink),
      TEST(test_names), TEST(test_not_built))
