#include "pickle/joblib_stream.h"

#include "compat.h"

#include <stdint.h>
#include <string.h>

#include "pickle/sink.h"

void
joblib_stream_init(struct joblib_stream *stream, struct cj_digest *digest)
{
    stream->digest = digest;
    stream->state = STREAM_KEPT;
    stream->has_asides = false;
    stream->kept = stream->first;
    stream->n_kept = 0;
    stream->max_kept = STREAM_FIRST_BYTES;
}

void
joblib_stream_done(struct joblib_stream *stream)
{
    if (stream->kept != stream->first) {
        PyMem_Free(stream->kept);
    }
    stream->kept = stream->first;
    stream->n_kept = 0;
}

/* A sink's own buffer is not worth letting go of the GIL for. */
static void
stream_digest(struct joblib_stream *stream, const void *data, size_t size)
{
    if (size > SINK_CHUNK_BYTES) {
        Py_BEGIN_ALLOW_THREADS
        cj_digest_update(stream->digest, data, size);
        Py_END_ALLOW_THREADS
    }
    else {
        cj_digest_update(stream->digest, data, size);
    }
}

static void
stream_reset(struct joblib_stream *stream)
{
    uint8_t value[CJ_DIGEST_MAX_BYTES];
    size_t n_bytes;

    cj_digest_final(stream->digest, value, &n_bytes);
}

void
joblib_stream_restart(struct joblib_stream *stream)
{
    struct cj_digest *digest = stream->digest;

    stream_reset(stream);
    joblib_stream_done(stream);
    joblib_stream_init(stream, digest);
}

static int
kept_grow(struct joblib_stream *stream, size_t n)
{
    size_t max_kept = stream->max_kept * 4 > n ? stream->max_kept * 4 : n;
    char *kept =
        PyMem_Realloc(stream->kept == stream->first ? NULL : stream->kept, max_kept);

    if (!kept) {
        PyErr_NoMemory();
        return -1;
    }
    if (stream->kept == stream->first) {
        memcpy(kept, stream->first, stream->n_kept);
    }
    stream->kept = kept;
    stream->max_kept = max_kept;
    return 0;
}

/* Too much to keep: bet on there being nothing aside, or wait for the second pass. */
static void
kept_release(struct joblib_stream *stream)
{
    if (!stream->has_asides) {
        stream_digest(stream, stream->kept, stream->n_kept);
    }
    stream->state = stream->has_asides ? STREAM_LOST : STREAM_DIGESTED;
    joblib_stream_done(stream);
}

int
joblib_stream_take(void *context, const void *data, size_t size)
{
    struct joblib_stream *stream = context;

    if (stream->state == STREAM_KEPT && stream->n_kept + size > STREAM_KEPT_MAX) {
        kept_release(stream);
    }
    if (stream->state == STREAM_LOST) {
        return 0;
    }
    if (stream->state != STREAM_KEPT) {
        stream_digest(stream, data, size);
        return 0;
    }
    if (stream->n_kept + size > stream->max_kept &&
        kept_grow(stream, stream->n_kept + size) < 0) {
        return -1;
    }
    memcpy(stream->kept + stream->n_kept, data, size);
    stream->n_kept += size;
    return 0;
}

void
joblib_stream_aside(struct joblib_stream *stream, const void *data, size_t size)
{
    if (stream->state == STREAM_SECOND) {
        return;
    }
    if (stream->state == STREAM_DIGESTED) {
        stream_reset(stream);
        stream->state = STREAM_LOST;
    }
    stream->has_asides = true;
    stream_digest(stream, data, size);
}

int
joblib_stream_finish(struct joblib_stream *stream)
{
    if (stream->state == STREAM_LOST) {
        stream->state = STREAM_SECOND;
        return 1;
    }
    if (stream->state == STREAM_KEPT) {
        stream_digest(stream, stream->kept, stream->n_kept);
    }
    return 0;
}
