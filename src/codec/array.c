/* Arrays in pieces, each packed by c-blosc on one of several threads; the stream is
 * described in the public header. */

#include "cjoblib/array.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/memory.h"
#include "codec/array_codecs.h"
#include "codec/blosc.h"
#include "codec/ring.h"

#define ARRAY_MAGIC "cjsh\1\0\0\0"
#define ARRAY_HEADER_BYTES 24
#define ARRAY_PIECE_BYTES ((size_t)1 << 20)
#define ARRAY_MAX_ITEM_BYTES 255
#define ARRAY_CHECK_BYTES 8
#define ARRAY_DEFAULT_LEVEL 5

static const char *const array_codec_names[] = {
    [CJ_ARRAY_LZ4] = "lz4",   [CJ_ARRAY_LZ4HC] = "lz4hc",     [CJ_ARRAY_ZLIB] = "zlib",
    [CJ_ARRAY_ZSTD] = "zstd", [CJ_ARRAY_BLOSCLZ] = "blosclz",
};

#define N_ARRAY_CODECS (sizeof(array_codec_names) / sizeof(array_codec_names[0]))

const char *
array_codec_name(enum cj_array_codec codec)
{
    return (size_t)codec < N_ARRAY_CODECS ? array_codec_names[codec] : NULL;
}

int
cj_array_codec_by_name(const char *name, enum cj_array_codec *ret_codec)
{
    for (size_t i = 0; i < N_ARRAY_CODECS; i++) {
        if (strcmp(name, array_codec_names[i]) == 0) {
            *ret_codec = (enum cj_array_codec)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool
cj_array_codec_is_built(enum cj_array_codec codec)
{
    return array_codec_name(codec) && blosc_has(codec);
}

/* --- what both directions share --------------------------------------------------- */

/* What all pieces have in common. */
struct array {
    struct cj_array_options options;
    size_t item_bytes; /* 1 where the bytes are not shuffled */
    size_t piece_bytes;
    struct ring ring;
};

/* A piece: its place in the array, and its chunk behind the chunk's check. */
struct array_slot {
    struct team_job job;
    const struct array *array;
    uint64_t number; /* of the piece; it goes into the check, so that none is another */
    uint8_t *data;
    size_t n_data;
    size_t n_chunk;
    int result;
    uint8_t chunk[]; /* ARRAY_CHECK_BYTES before it */
};

static void
array_done_p(struct array *array)
{
    ring_done(&array->ring);
}

static uint64_t
slot_check(const struct array_slot *slot)
{
    return XXH3_64bits_withSeed(slot->chunk + ARRAY_CHECK_BYTES, slot->n_chunk,
                                slot->number);
}

static int
array_slot_new(void *context, struct team_job **ret_job)
{
    const struct array *array = context;
    struct array_slot *slot = mem_alloc(sizeof(*slot) + ARRAY_CHECK_BYTES +
                                        array->piece_bytes + BLOSC_HEADER_BYTES);

    if (!slot) {
        return -ENOMEM;
    }
    slot->array = array;
    *ret_job = &slot->job;
    return 0;
}

static void
array_slot_free(struct team_job *job)
{
    mem_free(job);
}

/* --- writing ---------------------------------------------------------------------- */

static void
slot_pack(struct team_job *job)
{
    struct array_slot *slot = (struct array_slot *)job;
    const struct array *array = slot->array;

    slot->result = blosc_pack(&array->options, array->item_bytes,
                              (struct cj_bytes){slot->data, slot->n_data},
                              slot->chunk + ARRAY_CHECK_BYTES, &slot->n_chunk);
    if (slot->result == 0) {
        put_le64(slot->chunk, slot_check(slot));
    }
}

/* Hand the oldest chunk to the sink. */
static int
array_retire_packed(struct array *array, struct cj_sink sink)
{
    struct array_slot *slot = (struct array_slot *)ring_take(&array->ring);

    return slot->result < 0 ? slot->result
                            : sink.write(sink.context, slot->chunk,
                                         ARRAY_CHECK_BYTES + slot->n_chunk);
}

static int
array_pack_piece(struct array *array, struct cj_sink sink, uint64_t number,
                 struct cj_bytes data)
{
    struct team_job *job = NULL;
    struct array_slot *slot;
    int r = 0;

    while (r == 0 && ring_is_full(&array->ring)) {
        r = array_retire_packed(array, sink);
    }
    if (r == 0) {
        r = ring_next(&array->ring, &job);
    }
    if (r < 0) {
        return r;
    }
    slot = (struct array_slot *)job;
    slot->job.run = slot_pack;
    slot->number = number;
    /* It is only read. */
    slot->data = (uint8_t *)(uintptr_t)data.data;
    slot->n_data = data.size;
    ring_give(&array->ring);
    return 0;
}

static int
array_write_header(const struct array *array, size_t size, struct cj_sink sink)
{
    uint8_t header[ARRAY_HEADER_BYTES] = ARRAY_MAGIC;

    put_le32(header + 8, (uint32_t)array->piece_bytes);
    put_le64(header + 16, size);
    return sink.write(sink.context, header, sizeof(header));
}

static int
array_plan(struct array *array, size_t item_bytes,
           const struct cj_array_options *wanted)
{
    static const struct cj_array_options usual = {.level = CJ_CODEC_LEVEL_DEFAULT};
    struct cj_array_options options = wanted ? *wanted : usual;

    if (options.level == CJ_CODEC_LEVEL_DEFAULT) {
        options.level = ARRAY_DEFAULT_LEVEL;
    }
    if (options.level < 0 || options.level > 9 || !array_codec_name(options.codec)) {
        return -EINVAL;
    }
    if (!blosc_has(options.codec)) {
        return -ENOTSUP;
    }
    if (item_bytes == 0 || item_bytes > ARRAY_MAX_ITEM_BYTES) {
        item_bytes = 1;
    }
    array->options = options;
    array->item_bytes = item_bytes;
    array->piece_bytes = ARRAY_PIECE_BYTES / item_bytes * item_bytes;
    ring_init(&array->ring, options.n_threads, array_slot_new, array_slot_free, array);
    return 0;
}

int
cj_array_encode(const void *data, size_t size, size_t item_bytes,
                const struct cj_array_options *options, struct cj_sink sink)
{
    AUTO(array_done_p) struct array array = {0};
    const uint8_t *bytes = data;
    size_t n;
    int r = array_plan(&array, item_bytes, options);

    if (r == 0) {
        r = array_write_header(&array, size, sink);
    }
    for (size_t at = 0, i = 0; r == 0 && at < size; at += n, i++) {
        n = size - at < array.piece_bytes ? size - at : array.piece_bytes;
        r = array_pack_piece(&array, sink, i, (struct cj_bytes){bytes + at, n});
    }
    while (r == 0 && array.ring.n_busy > 0) {
        r = array_retire_packed(&array, sink);
    }
    return r;
}

/* --- reading ---------------------------------------------------------------------- */

static void
slot_unpack(struct team_job *job)
{
    struct array_slot *slot = (struct array_slot *)job;

    slot->result =
        get_le64(slot->chunk) != slot_check(slot)
            ? -EBADMSG
            : blosc_unpack(slot->chunk + ARRAY_CHECK_BYTES, slot->data, slot->n_data);
}

static int
source_read_all(struct cj_source source, uint8_t *buffer, size_t size)
{
    size_t n = 0;
    int r = 0;

    for (size_t at = 0; r == 0 && at < size; at += n) {
        n = 0;
        r = source.read(source.context, buffer + at, size - at, &n);
        if (r == 0 && (n == 0 || n > size - at)) {
            r = n == 0 ? -ENODATA : -EIO;
        }
    }
    return r;
}

static int
array_read_header(struct array *array, size_t size, struct cj_source source)
{
    uint8_t header[ARRAY_HEADER_BYTES];
    int r = source_read_all(source, header, sizeof(header));

    if (r < 0) {
        return r;
    }
    array->piece_bytes = get_le32(header + 8);
    if (memcmp(header, ARRAY_MAGIC, 8) != 0 || get_le32(header + 12) != 0 ||
        array->piece_bytes == 0 || array->piece_bytes > ARRAY_PIECE_BYTES ||
        get_le64(header + 16) != size) {
        return -EBADMSG;
    }
    return 0;
}

/* A chunk and its check. What the chunk says of itself decides how much is read. */
static int
slot_read(struct array_slot *slot, struct cj_source source)
{
    uint8_t *chunk = slot->chunk + ARRAY_CHECK_BYTES;
    int r =
        source_read_all(source, slot->chunk, ARRAY_CHECK_BYTES + BLOSC_HEADER_BYTES);

    if (r < 0) {
        return r;
    }
    slot->n_chunk = get_le32(chunk + 12);
    if (get_le32(chunk + 4) != slot->n_data || slot->n_chunk < BLOSC_HEADER_BYTES ||
        slot->n_chunk > slot->n_data + BLOSC_HEADER_BYTES) {
        return -EBADMSG;
    }
    return source_read_all(source, chunk + BLOSC_HEADER_BYTES,
                           slot->n_chunk - BLOSC_HEADER_BYTES);
}

static int
array_retire_unpacked(struct array *array)
{
    return ((struct array_slot *)ring_take(&array->ring))->result;
}

static int
array_unpack_piece(struct array *array, struct cj_source source, uint64_t number,
                   uint8_t *data, size_t n_data)
{
    struct team_job *job = NULL;
    struct array_slot *slot;
    int r = 0;

    while (r == 0 && ring_is_full(&array->ring)) {
        r = array_retire_unpacked(array);
    }
    if (r == 0) {
        r = ring_next(&array->ring, &job);
    }
    if (r < 0) {
        return r;
    }
    slot = (struct array_slot *)job;
    slot->job.run = slot_unpack;
    slot->number = number;
    slot->data = data;
    slot->n_data = n_data;
    r = slot_read(slot, source);
    if (r == 0) {
        ring_give(&array->ring);
    }
    return r;
}

int
cj_array_decode(struct cj_source source, void *buffer, size_t size,
                const struct cj_codec_options *options)
{
    AUTO(array_done_p) struct array array = {0};
    uint8_t *bytes = buffer;
    size_t n;
    int r;

    ring_init(&array.ring, options ? options->n_threads : 0, array_slot_new,
              array_slot_free, &array);
    r = blosc_has(CJ_ARRAY_BLOSCLZ) ? array_read_header(&array, size, source)
                                    : -ENOTSUP;
    for (size_t at = 0, i = 0; r == 0 && at < size; at += n, i++) {
        n = size - at < array.piece_bytes ? size - at : array.piece_bytes;
        r = array_unpack_piece(&array, source, i, bytes + at, n);
    }
    while (r == 0 && array.ring.n_busy > 0) {
        r = array_retire_unpacked(&array);
    }
    return r;
}
