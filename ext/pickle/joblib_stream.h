/* The digest of what comes aside (arrays), followed by a stream: in constant memory
 * though the two arrive mixed.
 *
 * The beginning of the stream is kept. When it outgrows that, it is digested on the
 * chance that nothing comes aside. If something does, the stream is lost, and a second
 * pass over the object brings it again. */

#ifndef EXT_PICKLE_JOBLIB_STREAM_H
#define EXT_PICKLE_JOBLIB_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include <cjoblib/digest.h>

#define STREAM_FIRST_BYTES 512
#define STREAM_KEPT_MAX 1048576

enum stream_state {
    STREAM_KEPT,     /* all of it is in `kept` */
    STREAM_DIGESTED, /* all of it has been digested, and nothing came aside */
    STREAM_LOST,     /* only what comes aside counts */
    STREAM_SECOND,   /* only the stream counts */
};

struct joblib_stream {
    struct cj_digest *digest;
    enum stream_state state;
    bool has_asides;
    char *kept;
    size_t n_kept;
    size_t max_kept;
    char first[STREAM_FIRST_BYTES];
};

/* `digest` is empty, and stays the caller's. */
void joblib_stream_init(struct joblib_stream *stream, struct cj_digest *digest);

/* Forget all that was taken in, whatever it went to: a first pass begins. */
void joblib_stream_restart(struct joblib_stream *stream);

void joblib_stream_done(struct joblib_stream *stream);

/* A sink_consumer: `context` is the stream. */
int joblib_stream_take(void *context, const void *data, size_t size);

/* What goes before the stream. The memory is pinned by the caller: large pieces are
 * digested without the GIL. */
void joblib_stream_aside(struct joblib_stream *stream, const void *data, size_t size);

/* The object has been walked. 0: the digest has taken in all of it; 1: it has to be
 * walked once more, from the beginning. */
int joblib_stream_finish(struct joblib_stream *stream);

#endif
