/* What lies around the deflate stream, and reading that as zlib does. */

#define ZLIB_CONST
#include <zlib.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "codec/inflate.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/memory.h"
#include "codec/zlib_stream.h"

/* What is inflated before it is checked, while the processor still has it. */
#define INFLATE_STEP_BYTES ((size_t)128 * 1024)

/* gzip's flags. */
#define GZIP_HEADER_CHECK 0x02
#define GZIP_EXTRA 0x04
#define GZIP_NAME 0x08
#define GZIP_COMMENT 0x10
#define GZIP_RESERVED 0xe0

/* --- input ------------------------------------------------------------------------ */

/* Read behind what lies at the beginning of the buffer. */
static int
inflate_read_more(struct inflate *self)
{
    size_t room = sizeof(self->buffer) - self->n_in, n_read = 0;
    int r = self->source.read(self->source.context, self->buffer + self->n_in, room,
                              &n_read);

    if (r < 0) {
        return r;
    }
    if (n_read > room) {
        return -EIO;
    }
    self->in = self->buffer;
    self->n_in += n_read;
    self->source_ended = n_read == 0;
    return 0;
}

/* Whatever is left of the backlog moves into the buffer first. */
int
inflate_refill(struct inflate *self)
{
    if (self->n_in > 0) {
        memmove(self->buffer, self->in, self->n_in);
    }
    self->in = self->buffer;
    mem_free(TAKE_PTR(self->backlog));
    return inflate_read_more(self);
}

int
inflate_peek(struct inflate *self, size_t n)
{
    int r = 0;

    while (r == 0 && self->n_in < n && !self->source_ended) {
        r = inflate_refill(self);
    }
    return r < 0 ? r : self->n_in < n ? -ENODATA : 0;
}

/* --- zlib's header and trailer ---------------------------------------------------- */

static int
zlib_read_header(struct inflate *self)
{
    unsigned int first, second;
    int r = inflate_peek(self, 2);

    if (r < 0) {
        return r;
    }
    first = self->in[0];
    second = self->in[1];
    /* The method, the window's size, no dictionary, and their check. */
    if ((first & 0x0f) != 8 || first >> 4 > 7 || (second & 0x20) != 0 ||
        (first * 256 + second) % 31 != 0) {
        return -EBADMSG;
    }
    inflate_consume(self, 2);
    return 0;
}

static int
zlib_read_trailer(struct inflate *self)
{
    uint32_t check;
    int r = inflate_peek(self, sizeof(check));

    if (r < 0) {
        return r;
    }
    memcpy(&check, self->in, sizeof(check));
    inflate_consume(self, sizeof(check));
    return be32toh(check) == self->check ? 0 : -EBADMSG;
}

/* --- gzip's ----------------------------------------------------------------------- */

/* Take a piece of the header, which has a check of its own. */
static int
gzip_take(struct inflate *self, uint8_t *out, size_t n, uint32_t *check)
{
    int r = inflate_peek(self, n);

    if (r == 0) {
        memcpy(out, self->in, n);
        *check = deflate_crc32(*check, out, n);
        inflate_consume(self, n);
    }
    return r;
}

static int
gzip_skip_extra(struct inflate *self, uint32_t *check)
{
    uint8_t bytes[2];
    int r = gzip_take(self, bytes, 2, check);

    for (unsigned int n = r < 0 ? 0 : bytes[0] + 256u * bytes[1]; r == 0 && n > 0;
         n--) {
        r = gzip_take(self, bytes, 1, check);
    }
    return r;
}

static int
gzip_skip_text(struct inflate *self, uint32_t *check)
{
    uint8_t byte = 1;
    int r = 0;

    while (r == 0 && byte != 0) {
        r = gzip_take(self, &byte, 1, check);
    }
    return r;
}

static int
gzip_check_header(struct inflate *self, uint32_t check)
{
    uint8_t bytes[2];
    uint32_t ignored = 0;
    int r = gzip_take(self, bytes, 2, &ignored);

    if (r < 0) {
        return r;
    }
    return bytes[0] + 256u * bytes[1] == (check & 0xffff) ? 0 : -EBADMSG;
}

static int
gzip_read_header(struct inflate *self)
{
    uint8_t fixed[10];
    uint32_t check = 0;
    int r = inflate_peek(self, 1);

    /* Two bytes are enough to see that it is something else. */
    if (r < 0 || self->in[0] != 0x1f || (self->n_in > 1 && self->in[1] != 0x8b)) {
        return r < 0 ? r : -EBADMSG;
    }
    r = gzip_take(self, fixed, sizeof(fixed), &check);
    if (r == 0 &&
        (fixed[1] != 0x8b || fixed[2] != 8 || (fixed[3] & GZIP_RESERVED) != 0)) {
        r = -EBADMSG;
    }
    if (r < 0) {
        return r;
    }
    if (fixed[3] & GZIP_EXTRA) {
        r = gzip_skip_extra(self, &check);
    }
    if (r == 0 && fixed[3] & GZIP_NAME) {
        r = gzip_skip_text(self, &check);
    }
    if (r == 0 && fixed[3] & GZIP_COMMENT) {
        r = gzip_skip_text(self, &check);
    }
    if (r == 0 && fixed[3] & GZIP_HEADER_CHECK) {
        r = gzip_check_header(self, check);
    }
    return r;
}

static int
gzip_read_trailer(struct inflate *self)
{
    uint32_t check, n_bytes;
    int r = inflate_peek(self, 8);

    if (r < 0) {
        return r;
    }
    check = get_le32(self->in);
    n_bytes = get_le32(self->in + 4);
    inflate_consume(self, 8);
    return check == self->check && n_bytes == (uint32_t)self->n_bytes ? 0 : -EBADMSG;
}

/* --- the deflate stream as zlib reads it ------------------------------------------ */

int
inflate_begin_stream(struct inflate *self)
{
    self->place = INFLATE_STREAM;
    if (!self->z) {
        AUTO(mem_free_p) z_stream *z = zlib_stream_new();

        if (!z || inflateInit2(z, -MAX_WBITS) != Z_OK) {
            return -ENOMEM;
        }
        self->z = TAKE_PTR(z);
    }
    if (inflateReset(self->z) != Z_OK) {
        return -EBADMSG;
    }
    return self->n_window > 0 && inflateSetDictionary(self->z, self->window,
                                                      (uInt)self->n_window) != Z_OK
               ? -ENOMEM
               : 0;
}

/* zlib counts in unsigned int. */
static uInt
count(size_t n, size_t limit)
{
    return (uInt)(n < limit ? n : limit);
}

/* What zlib said, and whether it got on at all. */
static int
stream_result(struct inflate *self, int code, bool has_moved)
{
    switch (code) {
    case Z_STREAM_END:
        self->place = INFLATE_TRAILER;
        return 0;
    case Z_OK:
    case Z_BUF_ERROR:
        if (has_moved) {
            return 0;
        }
        return self->n_in > 0       ? -EBADMSG
               : self->source_ended ? -ENODATA
                                    : inflate_refill(self);
    case Z_MEM_ERROR:
        return -ENOMEM;
    default:
        return -EBADMSG;
    }
}

static int
stream_read(struct inflate *self, struct codec_flow *flow)
{
    z_stream *z = self->z;
    size_t n_in, n_out;
    int code;

    z->next_in = self->in;
    z->avail_in = count(self->n_in, UINT_MAX);
    z->next_out = flow->out;
    z->avail_out = count(flow->n_out, INFLATE_STEP_BYTES);
    code = inflate(z, Z_NO_FLUSH);
    n_in = (size_t)(z->next_in - self->in);
    n_out = (size_t)(z->next_out - flow->out);
    self->check = self->format->check(self->check, flow->out, n_out);
    self->n_bytes += n_out;
    codec_flow_advance(flow, 0, n_out);
    inflate_consume(self, n_in);
    return stream_result(self, code, n_in > 0 || n_out > 0);
}

/* --- all of it -------------------------------------------------------------------- */

static int
inflate_begin_member(struct inflate *self)
{
    int r = self->format->read_header(self);

    if (r < 0) {
        return r;
    }
    self->check = self->format->check_of_nothing;
    self->n_bytes = 0;
    self->n_window = 0;
    r = inflate_peek(self, DEFLATE_FIRST_BYTES);
    if (r == 0 && deflate_unpacks() &&
        memcmp(self->in, DEFLATE_FIRST, DEFLATE_FIRST_BYTES) == 0) {
        inflate_consume(self, DEFLATE_FIRST_BYTES);
        self->place = INFLATE_BLOCKS;
        return 0;
    }
    return r == 0 || r == -ENODATA ? inflate_begin_stream(self) : r;
}

static int
inflate_go_on(struct inflate *self)
{
    int r = inflate_peek(self, 1);

    if (r == -ENODATA) {
        self->place = INFLATE_DONE;
        return 0;
    }
    if (r == 0 && (!self->format->has_members || self->in[0] != self->format->first)) {
        return -EBADMSG;
    }
    self->place = INFLATE_HEADER;
    return r;
}

static int
inflate_step(struct inflate *self, struct codec_flow *flow)
{
    switch (self->place) {
    case INFLATE_HEADER:
        return inflate_begin_member(self);
    case INFLATE_STREAM:
        return stream_read(self, flow);
    case INFLATE_BLOCKS:
        return inflate_blocks_read(self, flow);
    case INFLATE_TRAILER:
        self->place = INFLATE_BETWEEN;
        return self->format->read_trailer(self);
    default:
        return inflate_go_on(self);
    }
}

static int
inflate_read(void *reader, struct codec_flow *flow)
{
    struct inflate *self = reader;
    int r = 0;

    while (r == 0 && flow->n_out > 0 && self->place != INFLATE_DONE) {
        r = inflate_step(self, flow);
    }
    return r;
}

static void
inflate_free(void *reader)
{
    struct inflate *self = reader;

    inflate_blocks_done(self);
    if (self->z) {
        (void)inflateEnd(self->z);
        mem_free(self->z);
    }
    mem_free(self->backlog);
    mem_free(self);
}

static int
inflate_new(const struct inflate_format *format, unsigned int n_threads,
            struct cj_source source, void **ret_reader)
{
    struct inflate *self = mem_alloc(sizeof(*self));

    if (!self) {
        return -ENOMEM;
    }
    memset(self, 0, offsetof(struct inflate, window));
    self->format = format;
    self->source = source;
    self->in = self->buffer;
    inflate_blocks_init(self, n_threads);
    *ret_reader = self;
    return 0;
}

static const struct inflate_format zlib_format = {
    .read_header = zlib_read_header,
    .read_trailer = zlib_read_trailer,
    .check = deflate_adler32,
    .combine = deflate_adler32_combine,
    .check_of_nothing = 1,
};

static const struct inflate_format gzip_format = {
    .read_header = gzip_read_header,
    .read_trailer = gzip_read_trailer,
    .check = deflate_crc32,
    .combine = deflate_crc32_combine,
    .first = 0x1f,
    .has_members = true,
};

static int
zlib_reader_new(unsigned int n_threads, struct cj_source source, void **ret_reader)
{
    return inflate_new(&zlib_format, n_threads, source, ret_reader);
}

static int
gzip_reader_new(unsigned int n_threads, struct cj_source source, void **ret_reader)
{
    return inflate_new(&gzip_format, n_threads, source, ret_reader);
}

const struct codec_reader zlib_reader = {zlib_reader_new, inflate_read, inflate_free};
const struct codec_reader gzip_reader = {gzip_reader_new, inflate_read, inflate_free};
