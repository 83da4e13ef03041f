/* The writing hand: has a library work in blocks, or steps its encoder and hands the
 * output to the sink in large pieces. */

#include <errno.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "codec/ops.h"

struct cj_encoder {
    const struct codec_ops *ops;
    struct blocks *blocks; /* or all that follows */
    int error; /* of every further call: the first failure, or -EINVAL once finished */
    void *state;
    struct cj_sink sink;
    size_t n_out; /* bytes of `out` that the sink has not seen */
    uint8_t out[];
};

static void
encoder_free_p(struct cj_encoder **encoder)
{
    cj_encoder_free(*encoder);
}

int
cj_encoder_new(enum cj_codec_kind kind, int level, struct cj_sink sink,
               struct cj_encoder **ret_encoder)
{
    static const struct cj_codec_options one_thread = {.n_threads = 1};

    return cj_encoder_new_with(kind, level, &one_thread, sink, ret_encoder);
}

int
cj_encoder_new_with(enum cj_codec_kind kind, int level,
                    const struct cj_codec_options *options, struct cj_sink sink,
                    struct cj_encoder **ret_encoder)
{
    AUTO(encoder_free_p) struct cj_encoder *encoder = NULL;
    const struct codec_kind *found = codec_kind_find(kind);
    unsigned int n_threads = options ? options->n_threads : 0;
    int r;

    if (found && level == CJ_CODEC_LEVEL_DEFAULT) {
        level = found->level_default;
    }
    if (!found || level < found->level_min || level > found->level_max) {
        return -EINVAL;
    }
    if (!codec_ops_are_there(found->ops)) {
        return -ENOTSUP;
    }
    encoder = mem_alloc_zero(1, sizeof(*encoder) +
                                    (found->ops->blocks ? 0 : CODEC_BUFFER_BYTES));
    if (!encoder) {
        return -ENOMEM;
    }
    encoder->ops = found->ops;
    encoder->sink = sink;
    r = found->ops->blocks
            ? blocks_new(found->ops->blocks, level, n_threads, sink, &encoder->blocks)
            : found->ops->encoder_new(level, n_threads, &encoder->state);
    if (r == 0) {
        *ret_encoder = TAKE_PTR(encoder);
    }
    return r;
}

void
cj_encoder_free(struct cj_encoder *encoder)
{
    if (encoder) {
        blocks_free(encoder->blocks);
        if (encoder->state) {
            encoder->ops->encoder_free(encoder->state);
        }
        mem_free(encoder);
    }
}

/* Hand the sink what has gathered. */
static int
encoder_drain(struct cj_encoder *encoder)
{
    size_t n_out = encoder->n_out;

    encoder->n_out = 0;
    return n_out > 0 ? encoder->sink.write(encoder->sink.context, encoder->out, n_out)
                     : 0;
}

/* One step of `encode` or `finish` into the room that is left. */
static int
encoder_step(struct cj_encoder *encoder, int (*step)(void *, struct codec_flow *),
             struct codec_flow *flow)
{
    int r;

    flow->out = encoder->out + encoder->n_out;
    flow->n_out = CODEC_BUFFER_BYTES - encoder->n_out;
    r = step(encoder->state, flow);
    encoder->n_out = CODEC_BUFFER_BYTES - flow->n_out;
    return r;
}

static int
encoder_write_stream(struct cj_encoder *encoder, const void *data, size_t size)
{
    struct codec_flow flow = {.in = data, .n_in = size};
    int r = 0;

    while (r == 0 && flow.n_in > 0) {
        r = encoder_step(encoder, encoder->ops->encode, &flow);
        /* What is left was left for want of room. */
        if (r == 0 && flow.n_in > 0) {
            r = encoder_drain(encoder);
        }
    }
    return r;
}

static int
encoder_finish_stream(struct cj_encoder *encoder)
{
    struct codec_flow flow = {.in = encoder->out, .n_in = 0};
    int step = CODEC_MORE, r = 0;

    while (r == 0 && step == CODEC_MORE) {
        step = encoder_step(encoder, encoder->ops->finish, &flow);
        r = step < 0 ? step : encoder_drain(encoder);
    }
    return r;
}

int
cj_encoder_write(struct cj_encoder *encoder, const void *data, size_t size)
{
    if (encoder->error == 0) {
        encoder->error = encoder->blocks ? blocks_write(encoder->blocks, data, size)
                                         : encoder_write_stream(encoder, data, size);
    }
    return encoder->error;
}

int
cj_encoder_finish(struct cj_encoder *encoder)
{
    int r = encoder->error;

    if (r == 0) {
        r = encoder->blocks ? blocks_finish(encoder->blocks)
                            : encoder_finish_stream(encoder);
    }
    encoder->error = r < 0 ? r : -EINVAL;
    return r;
}
