/* Reading zlib and gzip: streams of blocks, streams that only look like them, damage
 * anywhere, and all that a gzip header may have. */

#include <zlib.h>

#include "codec_bytes.h"

#define BLOCK_BYTES ((size_t)256 * 1024)
#define N_DATA (5 * BLOCK_BYTES + 12345)

/* What a stream of our blocks begins with, behind zlib's header. */
static const uint8_t ours[5] = {0, 0, 0, 0xff, 0xff};

/* Numbers as in arrays: small, in eight bytes. */
static struct cj_bytes
numbers(void)
{
    static uint8_t bytes[N_DATA];
    uint32_t state = 7;

    for (size_t i = 0; i < N_DATA; i += 8) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)((state >> 16) % 100);
    }
    return (struct cj_bytes){bytes, N_DATA};
}

static int
decode_by(enum cj_codec_kind kind, unsigned int n_threads, struct cj_bytes stream,
          size_t piece, size_t source_piece, struct heap *ret_data)
{
    struct cj_codec_options options = {n_threads};
    struct reading reading = {stream.data, stream.size, source_piece};
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

/* In all ways of asking: little and much at once, alone and with others. */
static void
check_reads(enum cj_codec_kind kind, struct cj_bytes stream, struct cj_bytes data)
{
    static const struct {
        size_t piece, source_piece;
    } ways[] = {{N_DATA + 1, 0},          {N_DATA, 0},
                {BLOCK_BYTES, 0},         {BLOCK_BYTES - 1, 0},
                {BLOCK_BYTES + 1, 1009},  {2 * BLOCK_BYTES + 5, 0},
                {3 * BLOCK_BYTES, 70001}, {1000, 0},
                {N_DATA / 2, 1}};

    for (size_t i = 0; i < 2 * N_ITEMS(ways); i++) {
        struct heap back = HEAP_INIT;

        CHECK(decode_by(kind, 1 + i % 2 * 2, stream, ways[i / 2].piece,
                        ways[i / 2].source_piece, &back) == 0);
        CHECK(heap_is(&back, data));
        heap_done(&back);
    }
}

static void
check_own(enum cj_codec_kind kind)
{
    struct heap stream = HEAP_INIT;

    for (int level = 0; level <= 9; level += 3) {
        REQUIRE(encode(kind, level, numbers(), 100000, &stream) == 0);
        check_reads(kind, heap_bytes(&stream), numbers());
        heap_done(&stream);
    }
}

static void
test_own_blocks(void)
{
    check_own(CJ_CODEC_ZLIB);
    check_own(CJ_CODEC_GZIP);
}

/* A stream that zlib makes of pieces of `n_piece` bytes, each flushed as `flush` says,
 * with our beginning put before. */
static void
disguised(size_t n_piece, int flush, struct heap *ret_stream)
{
    struct cj_bytes data = numbers();
    uLong check = adler32(1, data.data, (uInt)data.size);
    uint8_t *out = malloc(2 * N_DATA);
    uint8_t trailer[4] = {(uint8_t)(check >> 24), (uint8_t)(check >> 16),
                          (uint8_t)(check >> 8), (uint8_t)check};
    z_stream z = {0};

    REQUIRE(out && deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_out = out;
    z.avail_out = 2 * N_DATA;
    for (size_t at = 0; at < data.size; at += n_piece) {
        z.next_in = (Bytef *)(uintptr_t)data.data + at;
        z.avail_in = (uInt)(data.size - at < n_piece ? data.size - at : n_piece);
        REQUIRE(deflate(&z, at + n_piece < data.size ? flush : Z_FINISH) >= Z_OK);
    }
    heap_add(ret_stream, "\x78\x5e", 2);
    heap_add(ret_stream, ours, sizeof(ours));
    heap_add(ret_stream, out, z.total_out);
    heap_add(ret_stream, trailer, 4);
    deflateEnd(&z);
    free(out);
}

/* Streams of others that begin as ours do: blocks of another size, blocks that refer
 * to what is before them, no blocks at all. */
static void
test_disguised(void)
{
    static const struct {
        size_t n_piece;
        int flush;
    } cases[] = {{BLOCK_BYTES, Z_FULL_FLUSH},
                 {BLOCK_BYTES, Z_SYNC_FLUSH},
                 {1000, Z_FULL_FLUSH},
                 {BLOCK_BYTES / 2, Z_SYNC_FLUSH},
                 {2 * BLOCK_BYTES, Z_FULL_FLUSH},
                 {BLOCK_BYTES + 1, Z_SYNC_FLUSH},
                 {N_DATA, Z_NO_FLUSH},
                 {7, Z_NO_FLUSH}};

    for (size_t i = 0; i < N_ITEMS(cases); i++) {
        struct heap stream = HEAP_INIT;

        disguised(cases[i].n_piece, cases[i].flush, &stream);
        check_reads(CJ_CODEC_ZLIB, heap_bytes(&stream), numbers());
        heap_done(&stream);
    }
}

/* The mark of a block's end may stand inside it. */
static void
test_mark_inside(void)
{
    struct heap stream = HEAP_INIT, data = HEAP_INIT;

    while (data.size < 3 * BLOCK_BYTES) {
        heap_add(&data, "\0\0\xff\xff\0\0\0\xff\xff\3", 1 + data.size % 10);
    }
    /* Stored, so that the data's marks are in the stream. */
    REQUIRE(encode(CJ_CODEC_ZLIB, 0, heap_bytes(&data), data.size, &stream) == 0);
    check_reads(CJ_CODEC_ZLIB, heap_bytes(&stream), heap_bytes(&data));
    heap_done(&stream);
    heap_done(&data);
}

/* Cut off at many places: the end is missing, never less data. */
static void
test_truncated(void)
{
    struct heap stream = HEAP_INIT, back = HEAP_INIT;
    size_t step;

    REQUIRE(encode(CJ_CODEC_GZIP, 1, numbers(), N_DATA, &stream) == 0);
    step = stream.size / 40;
    for (size_t size = stream.size - 30; size < stream.size; size++) {
        CHECK(decode_by(CJ_CODEC_GZIP, 2, (struct cj_bytes){stream.data, size},
                        N_DATA + 1, 0, &back) == -ENODATA);
    }
    for (size_t size = 0; size < stream.size; size += step) {
        CHECK(decode_by(CJ_CODEC_GZIP, 2, (struct cj_bytes){stream.data, size},
                        N_DATA + 1, 0, &back) == -ENODATA);
    }
    CHECK(back.size == 0);
    heap_done(&stream);
}

/* A bit flipped anywhere is an error, or changes nothing (gzip's time and system). */
static void
test_flipped(void)
{
    struct heap stream = HEAP_INIT, back = HEAP_INIT;
    uint32_t state = 3;
    size_t n_noticed = 0;

    REQUIRE(encode(CJ_CODEC_GZIP, 1, numbers(), N_DATA, &stream) == 0);
    for (int i = 0; i < 150; i++) {
        size_t bit;
        int r;

        state = state * 1664525 + 1013904223;
        bit = i < 50 ? 8 * stream.size - 1 - (size_t)i * 3 : state % (8 * stream.size);
        stream.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        r = decode_by(CJ_CODEC_GZIP, 2, heap_bytes(&stream), N_DATA + 1, 0, &back);
        stream.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(r == -EBADMSG || r == -ENODATA || heap_is(&back, numbers()));
        n_noticed += r < 0;
        heap_done(&back);
    }
    CHECK(n_noticed > 140);
    heap_done(&stream);
}

/* Several members, each of blocks; and something behind them. */
static void
test_members(void)
{
    struct heap stream = HEAP_INIT, data = HEAP_INIT, back = HEAP_INIT;

    for (int i = 0; i < 3; i++) {
        heap_add(&data, numbers().data, N_DATA);
        REQUIRE(encode(CJ_CODEC_GZIP, 1, numbers(), N_DATA, &stream) == 0);
    }
    CHECK(decode_by(CJ_CODEC_GZIP, 3, heap_bytes(&stream), data.size + 1, 0, &back) ==
          0);
    CHECK(heap_is(&back, heap_bytes(&data)));
    heap_done(&back);
    heap_add(&stream, "x", 1);
    CHECK(decode_by(CJ_CODEC_GZIP, 3, heap_bytes(&stream), data.size + 1, 0, &back) ==
          -EBADMSG);
    heap_done(&stream);
    heap_done(&data);
    heap_done(&back);
}

/* A gzip file with everything in its header, by zlib. */
static size_t
full_header(struct cj_bytes text, uint8_t *out, size_t room)
{
    gz_header header = {.text = 1,
                        .time = 1234567,
                        .os = 3,
                        .extra = (Bytef *)(uintptr_t)"extra field",
                        .extra_len = 11,
                        .name = (Bytef *)(uintptr_t)"a name",
                        .comment = (Bytef *)(uintptr_t)"a comment",
                        .hcrc = 1};
    z_stream z = {0};

    REQUIRE(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    REQUIRE(deflateSetHeader(&z, &header) == Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text.data;
    z.avail_in = (uInt)text.size;
    z.next_out = out;
    z.avail_out = (uInt)room;
    REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void
test_gzip_header(void)
{
    struct cj_bytes text = {"some text", 9};
    struct heap back = HEAP_INIT;
    uint8_t stream[200];
    size_t n = full_header(text, stream, sizeof(stream));

    for (size_t piece = 0; piece < 4; piece++) {
        CHECK(decode_by(CJ_CODEC_GZIP, 1, (struct cj_bytes){stream, n}, 100, piece,
                        &back) == 0);
        CHECK(heap_is(&back, text));
        heap_done(&back);
    }
    for (size_t size = 0; size < n; size++) {
        CHECK(decode_by(CJ_CODEC_GZIP, 1, (struct cj_bytes){stream, size}, 100, 0,
                        &back) == -ENODATA);
    }
    /* Its check: of the name, and of the reserved flags. */
    stream[30] ^= 1;
    CHECK(decode_by(CJ_CODEC_GZIP, 1, (struct cj_bytes){stream, n}, 100, 0, &back) ==
          -EBADMSG);
    stream[30] ^= 1;
    stream[3] ^= 0x40;
    CHECK(decode_by(CJ_CODEC_GZIP, 1, (struct cj_bytes){stream, n}, 100, 0, &back) ==
          -EBADMSG);
    CHECK(back.size == 0);
}

/* A source that fails in the middle of blocks that are on their way. */
static int
failing_source(void *context, void *buffer, size_t size, size_t *ret_n_read)
{
    if (((struct reading *)context)->size == 0) {
        return -EIO;
    }
    return reading_source(context, buffer, size, ret_n_read);
}

static void
test_failing_source(void)
{
    struct cj_codec_options options = {3};
    struct heap stream = HEAP_INIT;
    uint8_t *buffer = malloc(N_DATA);
    struct cj_decoder *decoder;
    size_t n = 77;

    REQUIRE(buffer && encode(CJ_CODEC_ZLIB, 1, numbers(), N_DATA, &stream) == 0);
    for (size_t size = 0; size < stream.size; size += stream.size / 11) {
        struct reading reading = {stream.data, size, 4096};
        struct cj_source source = {failing_source, &reading};

        REQUIRE(cj_decoder_new_with(CJ_CODEC_ZLIB, &options, source, &decoder) == 0);
        CHECK(cj_decoder_read(decoder, buffer, N_DATA, &n) == -EIO && n == 77);
        CHECK(cj_decoder_read(decoder, buffer, N_DATA, &n) == -EIO && n == 77);
        cj_decoder_free(decoder);
    }
    free(buffer);
    heap_done(&stream);
}

TESTS(TEST(test_own_blocks), TEST(test_disguised), TEST(test_mark_inside),
      TEST(test_truncated), TEST(test_flipped), TEST(test_members),
      TEST(test_gzip_header), TEST(test_failing_source))
