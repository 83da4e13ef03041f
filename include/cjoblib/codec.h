/* Compressed streams: bytes go in piece by piece, in bounded memory.
 *
 * Writing, into whatever the sink is:
 *
 *      cj_encoder_new(CJ_CODEC_ZLIB, 3, sink, &encoder);
 *      cj_encoder_write(encoder, data, size);       any number of times
 *      cj_encoder_finish(encoder);                  once; the stream is complete
 *      cj_encoder_free(encoder);
 *
 * Reading, from whatever the source is:
 *
 *      cj_decoder_new(CJ_CODEC_ZLIB, source, &decoder);
 *      cj_decoder_read(decoder, buffer, size, &n);  n < size only at the data's end
 *      cj_decoder_free(decoder);
 *
 * The streams are the formats' own: zlib (RFC 1950), gzip (RFC 1952), bzip2, xz and the
 * older lzma-alone, lz4 frames, zstd frames (RFC 8878). Readers accept every legal
 * stream, also several members one after the other where the format has them; anything
 * else behind the data is an error, never a wait. Left out: the "legacy" frames of lz4.
 *
 * Encoders but those of lzma-alone work on blocks of the data, several at once if there
 * is more than one thread for it. Of zlib and gzip the blocks become one stream with
 * one checksum, for readers that know only that; of bz2, lz4 and zstd a stream or frame
 * each; of xz the blocks of one stream. How many threads there were does not show in
 * the result, but for xz. Give large pieces: blocks that lie whole in them are not
 * copied, and done when cj_encoder_write() returns. Threads are started for the second
 * block, take no signals and end with the encoder, which is of no use in a forked
 * process.
 *
 * A block is 256 KiB for zlib, gzip and lz4, 900 kB for bz2, 1 MiB or with the level up
 * to 32 MiB for zstd. For each thread there are about two blocks and what they became.
 * For xz a block is 1 to 64 MiB and the threads together take up to 1 GiB.
 *
 * What is asked of a decoder of zlib or gzip at once, from two blocks on, it decodes by
 * several threads, if the stream is one of ours; all others by one.
 *
 * A decoder holds about 256 KiB beside what the format needs: for xz and lzma up to 680
 * MB at preset 9, for the others a few MB, for reading zstd up to a frame's window. A
 * sink gets what a block became at once; a source is asked for up to 256 KiB.
 */

#ifndef CJ_CODEC_H
#define CJ_CODEC_H

#include <stdbool.h>

#include <cjoblib/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cj_codec_kind {
    CJ_CODEC_ZLIB, /* levels 0 to 9 */
    CJ_CODEC_GZIP, /* levels 0 to 9 */
    CJ_CODEC_BZ2,  /* levels 1 to 9 */
    CJ_CODEC_LZMA, /* presets 0 to 9; the lzma-alone container */
    CJ_CODEC_XZ,   /* presets 0 to 9 */
    CJ_CODEC_LZ4,  /* levels 0 to 16 */
    CJ_CODEC_ZSTD, /* levels 1 to 22 */
};

#define CJ_CODEC_COUNT 7

/* Let the codec choose its own usual level. */
#define CJ_CODEC_LEVEL_DEFAULT (-1)

/* Where an encoder's output goes. `write` takes all bytes (0) or fails (-errno); the
 * error is passed up by the call that caused it. */
struct cj_sink {
    int (*write)(void *context, const void *data, size_t size);
    void *context;
};

/* Where a decoder's input comes from. `read` gives up to `size` bytes and how many it
 * gave; 0 at the end. */
struct cj_source {
    int (*read)(void *context, void *buffer, size_t size, size_t *ret_n_read);
    void *context;
};

struct cj_encoder;
struct cj_decoder;

/* "zlib", "gzip", "bz2", "lzma", "xz", "lz4", "zstd". -EINVAL: none is called so. */
CJ_API CJ_MUST_CHECK int cj_codec_by_name(const char *name,
                                          enum cj_codec_kind *ret_kind);

/* The name, static; NULL for no such kind. */
CJ_API const char *cj_codec_name(enum cj_codec_kind kind);

/* The levels an encoder of this kind takes, from and to, both included. -EINVAL: no
 * such kind. */
CJ_API CJ_MUST_CHECK int cj_codec_levels(enum cj_codec_kind kind, int *ret_min,
                                         int *ret_max);

/* Whether the library was built with it. Making one that is not there is -ENOTSUP. */
CJ_API bool cj_codec_is_built(enum cj_codec_kind kind);

/* All zero is the default; NULL in place of the options means the same. */
struct cj_codec_options {
    /* How many threads may work at once. 0: as many as there are processors for this
     * process (by affinity and cgroup); 1: the caller's alone. */
    unsigned int n_threads;
};

/* With one thread: cj_encoder_new_with() and n_threads 1. */
CJ_API CJ_MUST_CHECK int cj_encoder_new(enum cj_codec_kind kind, int level,
                                        struct cj_sink sink,
                                        struct cj_encoder **ret_encoder);

/* -EINVAL: no such kind or level; -ENOTSUP: built without it; -ENOMEM. */
CJ_API CJ_MUST_CHECK int cj_encoder_new_with(enum cj_codec_kind kind, int level,
                                             const struct cj_codec_options *options,
                                             struct cj_sink sink,
                                             struct cj_encoder **ret_encoder);

/* Free it. Without cj_encoder_finish() the stream stays incomplete: nothing is flushed.
 * Accepts NULL. */
CJ_API void cj_encoder_free(struct cj_encoder *encoder);

/* Take `size` bytes in; some of what they become may reach the sink now, some later.
 * -ENOMEM, or what the sink returned. After an error every call gives that error
 * again. */
CJ_API CJ_MUST_CHECK int cj_encoder_write(struct cj_encoder *encoder, const void *data,
                                          size_t size);

/* Complete the stream. Errors as cj_encoder_write(); writing afterwards is -EINVAL. */
CJ_API CJ_MUST_CHECK int cj_encoder_finish(struct cj_encoder *encoder);

/* With one thread: cj_decoder_new_with() and n_threads 1. */
CJ_API CJ_MUST_CHECK int cj_decoder_new(enum cj_codec_kind kind,
                                        struct cj_source source,
                                        struct cj_decoder **ret_decoder);

/* -EINVAL: no such kind; -ENOTSUP: built without it; -ENOMEM. */
CJ_API CJ_MUST_CHECK int cj_decoder_new_with(enum cj_codec_kind kind,
                                             const struct cj_codec_options *options,
                                             struct cj_source source,
                                             struct cj_decoder **ret_decoder);

CJ_API void cj_decoder_free(struct cj_decoder *decoder);

/* Fill `buffer` with the next `size` bytes of the data; fewer only at its end.
 *
 * -EBADMSG: not a stream of this kind, damaged, or something else follows it; -ENODATA:
 * the stream ends too early (also when less than a header of garbage follows an xz
 * stream); -ENOMEM, also for an xz or lzma header that asks for more than 2 GiB; -EIO:
 * the source claimed more than it was asked for; or what the source returned. After an
 * error every call gives that error again. What the failing call decoded before it is
 * not handed out.
 *
 * Damage is noticed where the format has a checksum, which lzma-alone has not and lz4
 * and zstd frames of others may lack. As it comes last, it is sure to be noticed only
 * once a call gave n < size. */
CJ_API CJ_MUST_CHECK int cj_decoder_read(struct cj_decoder *decoder, void *buffer,
                                         size_t size, size_t *ret_n_read);

#ifdef __cplusplus
}
#endif

#endif
