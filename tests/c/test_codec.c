/* What a codec does with sound streams, and what it says to wrong calls. */

#include "codec_bytes.h"
#include "codec_streams.h"

static void
check_round_trip(enum cj_codec_kind kind, int level, size_t size, size_t piece)
{
    struct cj_bytes data = sample(size);
    struct heap stream = HEAP_INIT, back = HEAP_INIT;

    CHECK(encode(kind, level, data, piece, &stream) == 0);
    CHECK(decode_pieces(kind, heap_bytes(&stream), piece, 0, &back) == 0);
    CHECK(heap_is(&back, data));
    heap_done(&stream);
    heap_done(&back);
}

static void
check_pieces(enum cj_codec_kind kind)
{
    static const struct {
        size_t size, piece;
    } shapes[] = {{0, 1},
                  {1, 1},
                  {5000, 1},
                  {100003, 7},
                  {100003, 4099},
                  {262144, 65536},
                  {(1 << 20) + 5, 1 << 20},
                  {1200001, 1200001}};

    for (size_t i = 0; i < N_ITEMS(shapes); i++) {
        check_round_trip(kind, CJ_CODEC_LEVEL_DEFAULT, shapes[i].size, shapes[i].piece);
    }
}

static void
test_round_trip_pieces(void)
{
    each_kind(check_pieces);
}

static void
check_levels(enum cj_codec_kind kind)
{
    int min, max;

    REQUIRE(cj_codec_levels(kind, &min, &max) == 0);
    for (int level = min; level <= max; level++) {
        check_round_trip(kind, level, 40000, 1021);
    }
}

static void
test_round_trip_levels(void)
{
    each_kind(check_levels);
}

/* A source may give as little as it likes. */
static void
check_slow_source(enum cj_codec_kind kind)
{
    struct heap stream = HEAP_INIT, back = HEAP_INIT;
    struct cj_bytes data = sample(20000);

    REQUIRE(encode(kind, 1, data, data.size, &stream) == 0);
    for (size_t piece = 1; piece < 200; piece += 66) {
        CHECK(decode_pieces(kind, heap_bytes(&stream), 997, piece, &back) == 0);
        CHECK(heap_is(&back, data));
        heap_done(&back);
    }
    heap_done(&stream);
}

static void
test_slow_source(void)
{
    each_kind(check_slow_source);
}

static void
check_stream_of_the_tool(enum cj_codec_kind kind)
{
    struct cj_bytes text = {TOOL_TEXT, strlen(TOOL_TEXT)};
    struct heap back = HEAP_INIT;

    CHECK(decode(kind, tool_streams[kind], &back) == 0);
    CHECK(heap_is(&back, text));
    heap_done(&back);
}

static void
test_streams_of_the_tools(void)
{
    each_kind(check_stream_of_the_tool);
}

/* One member of the format's own tool, one of ours. */
static void
check_members(enum cj_codec_kind kind)
{
    struct cj_bytes second = sample(70000);
    struct heap stream = HEAP_INIT, back = HEAP_INIT, both = HEAP_INIT;

    heap_add(&both, TOOL_TEXT, strlen(TOOL_TEXT));
    heap_add(&both, second.data, second.size);
    heap_add(&stream, tool_streams[kind].data, tool_streams[kind].size);
    REQUIRE(encode(kind, 1, second, second.size, &stream) == 0);
    if (kind == CJ_CODEC_ZLIB) {
        CHECK(decode(kind, heap_bytes(&stream), &back) == -EBADMSG);
    }
    else {
        CHECK(decode(kind, heap_bytes(&stream), &back) == 0);
        CHECK(heap_is(&back, heap_bytes(&both)));
    }
    heap_done(&stream);
    heap_done(&back);
    heap_done(&both);
}

static void
test_members(void)
{
    each_kind(check_members);
}

/* `filler` between two streams, and behind the last. */
static void
check_filler(enum cj_codec_kind kind, struct cj_bytes filler, int expected)
{
    struct cj_bytes tool = tool_streams[kind];
    struct heap stream = HEAP_INIT, back = HEAP_INIT;

    heap_add(&stream, tool.data, tool.size);
    heap_add(&stream, filler.data, filler.size);
    CHECK(decode(kind, heap_bytes(&stream), &back) == expected);
    heap_done(&back);
    heap_add(&stream, tool.data, tool.size);
    CHECK(decode(kind, heap_bytes(&stream), &back) == expected);
    CHECK(expected < 0 || back.size == 2 * strlen(TOOL_TEXT));
    heap_done(&stream);
    heap_done(&back);
}

/* lz4 and zstd: frames that only carry somebody's notes. xz: zeros, by fours. */
static void
test_what_may_lie_between(void)
{
    static const uint8_t notes[] = {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};
    static const uint8_t zeros[8] = {0};
    static const struct {
        enum cj_codec_kind kind;
        struct cj_bytes filler;
        int expected;
    } cases[] = {
        {CJ_CODEC_LZ4, {notes, sizeof(notes)}, 0},
        {CJ_CODEC_ZSTD, {notes, sizeof(notes)}, 0},
        {CJ_CODEC_XZ, {zeros, 8}, 0},
        {CJ_CODEC_XZ, {zeros, 7}, -EBADMSG},
        {CJ_CODEC_GZIP, {zeros, 8}, -EBADMSG},
        {CJ_CODEC_BZ2, {zeros, 8}, -EBADMSG},
    };

    for (size_t i = 0; i < N_ITEMS(cases); i++) {
        if (cj_codec_is_built(cases[i].kind)) {
            check_filler(cases[i].kind, cases[i].filler, cases[i].expected);
        }
    }
}

static void
check_order_of_calls(enum cj_codec_kind kind)
{
    struct heap stream = HEAP_INIT;
    struct cj_sink sink = {heap_sink, &stream};
    struct cj_encoder *encoder;

    REQUIRE(cj_encoder_new(kind, 1, sink, &encoder) == 0);
    CHECK(cj_encoder_write(encoder, NULL, 0) == 0);
    CHECK(cj_encoder_finish(encoder) == 0);
    CHECK(cj_encoder_write(encoder, "a", 1) == -EINVAL);
    CHECK(cj_encoder_finish(encoder) == -EINVAL);
    cj_encoder_free(encoder);
    heap_done(&stream);
    /* Not finished: nothing is flushed, nothing is lost. */
    REQUIRE(cj_encoder_new(kind, 1, sink, &encoder) == 0);
    CHECK(cj_encoder_write(encoder, "a", 1) == 0);
    cj_encoder_free(encoder);
    CHECK(stream.size == 0);
}

static void
test_order_of_calls(void)
{
    each_kind(check_order_of_calls);
    cj_encoder_free(NULL);
    cj_decoder_free(NULL);
}

static void
check_level_bounds(enum cj_codec_kind kind)
{
    struct cj_sink sink = {heap_sink, NULL};
    struct cj_encoder *encoder;
    int min, max;

    REQUIRE(cj_codec_levels(kind, &min, &max) == 0);
    CHECK(cj_encoder_new(kind, -2, sink, &encoder) == -EINVAL);
    CHECK(cj_encoder_new(kind, max + 1, sink, &encoder) == -EINVAL);
    CHECK(min == 0 || cj_encoder_new(kind, min - 1, sink, &encoder) == -EINVAL);
}

static void
test_wrong_arguments(void)
{
    const enum cj_codec_kind none = (enum cj_codec_kind)CJ_CODEC_COUNT;
    struct cj_sink sink = {heap_sink, NULL};
    struct cj_source source = {reading_source, NULL};
    struct cj_encoder *encoder;
    struct cj_decoder *decoder;
    int min, max;

    each_kind(check_level_bounds);
    CHECK(cj_encoder_new(none, CJ_CODEC_LEVEL_DEFAULT, sink, &encoder) == -EINVAL);
    CHECK(cj_encoder_new(none, 1, sink, &encoder) == -EINVAL);
    CHECK(cj_decoder_new(none, source, &decoder) == -EINVAL);
    CHECK(cj_codec_levels(none, &min, &max) == -EINVAL);
    CHECK(cj_codec_name(none) == NULL);
    CHECK(!cj_codec_is_built(none));
}

static void
test_not_built(void)
{
    struct cj_sink sink = {heap_sink, NULL};
    struct cj_source source = {reading_source, NULL};
    struct cj_encoder *encoder;
    struct cj_decoder *decoder;

    for (int i = 0; i < CJ_CODEC_COUNT; i++) {
        enum cj_codec_kind kind = (enum cj_codec_kind)i;

        if (!cj_codec_is_built(kind)) {
            CHECK(cj_encoder_new(kind, 1, sink, &encoder) == -ENOTSUP);
            CHECK(cj_encoder_new(kind, 99, sink, &encoder) == -EINVAL);
            CHECK(cj_decoder_new(kind, source, &decoder) == -ENOTSUP);
        }
    }
    CHECK(cj_codec_is_built(CJ_CODEC_ZLIB) && cj_codec_is_built(CJ_CODEC_GZIP));
}

static void
test_names(void)
{
    enum cj_codec_kind found = CJ_CODEC_XZ;

    for (int i = 0; i < CJ_CODEC_COUNT; i++) {
        CHECK(cj_codec_by_name(cj_codec_name((enum cj_codec_kind)i), &found) == 0);
        CHECK((int)found == i);
    }
    CHECK(cj_codec_by_name("rar", &found) == -EINVAL);
    CHECK((int)found == CJ_CODEC_COUNT - 1);
}

TESTS(TEST(test_round_trip_pieces), TEST(test_round_trip_levels),
      TEST(test_slow_source), TEST(test_streams_of_the_tools), TEST(test_members),
      TEST(test_what_may_lie_between), TEST(test_order_of_calls),
      TEST(test_wrong_arguments), TEST(test_not_built), TEST(test_names))
