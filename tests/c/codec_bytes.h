/* For the tests of codecs: bytes in memory as sink and source, whole streams encoded
 * and decoded at once, sample data, and a test done once for each kind that was built.
 */

#ifndef CODEC_BYTES_H
#define CODEC_BYTES_H

#include <cjoblib/codec.h>
#include <errno.h>
#include <stdbool.h>

#include "check.h"

#define N_ITEMS(array) (sizeof(array) / sizeof((array)[0]))

/* --- bytes that grow -------------------------------------------------------------- */

struct heap {
    uint8_t *data;
    size_t size, room;
};

#define HEAP_INIT {NULL, 0, 0}

static inline void
heap_add(struct heap *heap, const void *data, size_t size)
{
    if (size == 0) {
        return;
    }
    if (heap->size + size > heap->room) {
        heap->room = 2 * (heap->size + size);
        heap->data = realloc(heap->data, heap->room);
        REQUIRE(heap->data);
    }
    memcpy(heap->data + heap->size, data, size);
    heap->size += size;
}

static inline void
heap_done(struct heap *heap)
{
    free(heap->data);
    *heap = (struct heap)HEAP_INIT;
}

static inline struct cj_bytes
heap_bytes(const struct heap *heap)
{
    return (struct cj_bytes){heap->data, heap->size};
}

static inline bool
heap_is(const struct heap *heap, struct cj_bytes data)
{
    return heap->size == data.size &&
           (data.size == 0 || memcmp(heap->data, data.data, data.size) == 0);
}

/* --- sink and source -------------------------------------------------------------- */

static inline int
heap_sink(void *context, const void *data, size_t size)
{
    heap_add(context, data, size);
    return 0;
}

struct reading {
    const uint8_t *data;
    size_t size;
    size_t piece; /* at most so many bytes at once; 0: any number */
};

static inline int
reading_source(void *context, void *buffer, size_t size, size_t *ret_n_read)
{
    struct reading *reading = context;
    size_t n = size;

    n = n < reading->size ? n : reading->size;
    n = reading->piece == 0 || n < reading->piece ? n : reading->piece;
    if (n > 0) {
        memcpy(buffer, reading->data, n);
        reading->data += n;
        reading->size -= n;
    }
    *ret_n_read = n;
    return 0;
}

/* --- whole streams ---------------------------------------------------------------- */

/* Encode `data`, `piece` bytes at a time, and add the stream to `ret_stream`. */
static inline int
encode(enum cj_codec_kind kind, int level, struct cj_bytes data, size_t piece,
       struct heap *ret_stream)
{
    struct cj_sink sink = {heap_sink, ret_stream};
    struct cj_encoder *encoder = NULL;
    int r = cj_encoder_new(kind, level, sink, &encoder);
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

/* Decode a stream, reading `piece` bytes at a time from a source that gives
 * `source_piece` at a time; what came before an error is in `ret_data` too. */
static inline int
decode_pieces(enum cj_codec_kind kind, struct cj_bytes stream, size_t piece,
              size_t source_piece, struct heap *ret_data)
{
    struct reading reading = {stream.data, stream.size, source_piece};
    struct cj_source source = {reading_source, &reading};
    struct cj_decoder *decoder = NULL;
    int r = cj_decoder_new(kind, source, &decoder);
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

static inline int
decode(enum cj_codec_kind kind, struct cj_bytes stream, struct heap *ret_data)
{
    return decode_pieces(kind, stream, 4096, 0, ret_data);
}

/* --- what to do it with ----------------------------------------------------------- */

/* Half noise, half repetition, so that every kind has both to do. */
static inline struct cj_bytes
sample(size_t size)
{
    static uint8_t bytes[3 << 20];
    uint32_t state = 1;

    REQUIRE(size <= sizeof(bytes));
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (i >> 12) % 2 ? (uint8_t)(state >> 24) : (uint8_t)(i / 50);
    }
    return (struct cj_bytes){bytes, size};
}

static inline void
each_kind(void (*check)(enum cj_codec_kind kind))
{
    for (int i = 0; i < CJ_CODEC_COUNT; i++) {
        if (cj_codec_is_built((enum cj_codec_kind)i)) {
            check((enum cj_codec_kind)i);
        }
    }
}

#endif
