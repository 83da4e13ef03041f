/* The reading hand: feeds a library's decoder from the source, member by member.
 *
 *      MEMBER --- the library says: complete ---> BETWEEN --- the source ends ---> DONE
 *         ^                                          |
 *         +------- another member starts here -------+--- anything else: -EBADMSG
 */

#include <errno.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "codec/ops.h"

enum decoder_place {
    DECODER_MEMBER,
    DECODER_BETWEEN,
    DECODER_DONE,
};

struct cj_decoder {
    const struct codec_ops *ops;
    void *state;
    struct cj_source source;
    enum decoder_place place;
    bool source_ended;
    int error;         /* what every further call gives */
    const uint8_t *in; /* what of `buffer` is not decoded yet */
    size_t n_in;
    uint8_t buffer[]; /* CODEC_BUFFER_BYTES, unless there is a reader */
};

static void
decoder_free_p(struct cj_decoder **decoder)
{
    cj_decoder_free(*decoder);
}

int
cj_decoder_new(enum cj_codec_kind kind, struct cj_source source,
               struct cj_decoder **ret_decoder)
{
    static const struct cj_codec_options one_thread = {.n_threads = 1};

    return cj_decoder_new_with(kind, &one_thread, source, ret_decoder);
}

int
cj_decoder_new_with(enum cj_codec_kind kind, const struct cj_codec_options *options,
                    struct cj_source source, struct cj_decoder **ret_decoder)
{
    AUTO(decoder_free_p) struct cj_decoder *decoder = NULL;
    const struct codec_kind *found = codec_kind_find(kind);
    int r;

    if (!found) {
        return -EINVAL;
    }
    if (!codec_ops_are_there(found->ops)) {
        return -ENOTSUP;
    }
    decoder =
        mem_alloc(sizeof(*decoder) + (found->ops->reader ? 0 : CODEC_BUFFER_BYTES));
    if (!decoder) {
        return -ENOMEM;
    }
    decoder->ops = found->ops;
    decoder->state = NULL;
    decoder->source = source;
    decoder->place = DECODER_MEMBER;
    decoder->source_ended = false;
    decoder->error = 0;
    decoder->in = decoder->buffer;
    decoder->n_in = 0;
    r = decoder->ops->reader
            ? decoder->ops->reader->reader_new(options ? options->n_threads : 0, source,
                                               &decoder->state)
            : decoder->ops->decoder_new(&decoder->state);
    if (r == 0) {
        *ret_decoder = TAKE_PTR(decoder);
    }
    return r;
}

void
cj_decoder_free(struct cj_decoder *decoder)
{
    if (decoder) {
        if (decoder->state) {
            (decoder->ops->reader ? decoder->ops->reader->reader_free
                                  : decoder->ops->decoder_free)(decoder->state);
        }
        mem_free(decoder);
    }
}

/* Get more input; only called when there is none left. */
static int
decoder_refill(struct cj_decoder *decoder)
{
    size_t n_read = 0;
    int r;

    r = decoder->source.read(decoder->source.context, decoder->buffer,
                             CODEC_BUFFER_BYTES, &n_read);
    if (r < 0) {
        return r;
    }
    if (n_read > CODEC_BUFFER_BYTES) {
        return -EIO;
    }
    decoder->in = decoder->buffer;
    decoder->n_in = n_read;
    decoder->source_ended = n_read == 0;
    return 0;
}

/* One step inside a member: decode what lies there and, when nothing comes of it, get
 * more. In this order, as a library may still hold output when its input is used up. */
static int
decoder_step_member(struct cj_decoder *decoder, struct codec_flow *flow)
{
    size_t n_in = decoder->n_in, n_out = flow->n_out;
    int r;

    flow->in = decoder->in;
    flow->n_in = decoder->n_in;
    r = decoder->ops->decode(decoder->state, flow, decoder->source_ended);
    decoder->in = flow->in;
    decoder->n_in = flow->n_in;
    if (r < 0) {
        return r;
    }
    if (r == CODEC_END) {
        decoder->place = DECODER_BETWEEN;
        return 0;
    }
    if (flow->n_in < n_in || flow->n_out < n_out) {
        return 0;
    }
    if (flow->n_in > 0) {
        return -EBADMSG;
    }
    return decoder->source_ended ? -ENODATA : decoder_refill(decoder);
}

static int
decoder_step_between(struct cj_decoder *decoder)
{
    int r;

    if (decoder->n_in == 0 && !decoder->source_ended) {
        r = decoder_refill(decoder);
        if (r < 0) {
            return r;
        }
    }
    if (decoder->n_in == 0) {
        decoder->place = DECODER_DONE;
        return 0;
    }
    if (!decoder->ops->decoder_restart) {
        return -EBADMSG;
    }
    decoder->place = DECODER_MEMBER;
    return decoder->ops->decoder_restart(decoder->state, decoder->in[0]);
}

static int
decoder_read_members(struct cj_decoder *decoder, struct codec_flow *flow)
{
    int r = 0;

    while (r == 0 && flow->n_out > 0 && decoder->place != DECODER_DONE) {
        r = decoder->place == DECODER_MEMBER ? decoder_step_member(decoder, flow)
                                             : decoder_step_between(decoder);
    }
    return r;
}

int
cj_decoder_read(struct cj_decoder *decoder, void *buffer, size_t size,
                size_t *ret_n_read)
{
    struct codec_flow flow = {.out = buffer, .n_out = size};
    int r = decoder->error;

    if (r == 0) {
        r = decoder->ops->reader ? decoder->ops->reader->read(decoder->state, &flow)
                                 : decoder_read_members(decoder, &flow);
    }
    decoder->error = r;
    if (r == 0) {
        *ret_n_read = size - flow.n_out;
    }
    return r;
}
