/* Where the bytes of a load come from, read ahead of the unpickler:
 *
 *      descriptor or read() -> [decoder] -> digest -> source (pickle/source.h)
 *
 * The digest runs FOOTER_BYTES behind: those may be the footer. Functions that return
 * int give 0, or -1 with an exception set, unless they say otherwise. */

#ifndef EXT_PERSIST_INPUT_H
#define EXT_PERSIST_INPUT_H

#include "compat.h"

#include <cjoblib/codec.h>
#include <cjoblib/digest.h>

#include "persist/footer.h"
#include "persist/gil.h"
#include "pickle/source.h"

struct input {
    struct gil gil;
    int fd; /* borrowed; -1: there is `read` */
    PyObject *read;
    bool is_seekable;
    uint64_t begin; /* where the data begins in a seekable file */
    uint64_t at;    /* and where the next byte to read stands */
    uint64_t size;  /* of the file, when it is seekable */
    const char *codec_name;
    struct cj_decoder *decoder;
    uint64_t n_bytes;   /* of the data, all that were read or passed over */
    uint64_t max_bytes; /* UINT64_MAX: as many as there are */
    size_t n_piece;     /* read at most at once */
    uint64_t n_unheard; /* bytes since signals were asked for */
    struct cj_digest *digest;
    bool is_verified; /* the footer was found to be right */
    uint8_t tail[FOOTER_BYTES];
    size_t n_tail;
};

/* All zero but fd. */
#define INPUT_INIT {.fd = -1, .max_bytes = UINT64_MAX, .n_piece = SIZE_MAX}

/* A descriptor, from the position `begin` on when it can seek. */
int input_of_descriptor(struct input *input, int fd, uint64_t begin);

/* A Python file's read(n). */
int input_of_file(struct input *input, PyObject *file);

/* What comes is compressed. */
int input_decode(struct input *input, enum cj_codec_kind kind,
                 const struct cj_codec_options *options);

int input_digest_from_here(struct input *input);

void input_done(struct input *input);

/* For source_of_stream(), with the input as its stream. */
extern const struct source_ops input_ops;

/* Pass over n bytes of a plain, seekable file. */
void input_skip(struct input *input, struct source *source, uint64_t n);

/* Read to the end and forget it. */
int input_drain(struct input *input);

/* Read bytes of a seekable file where they stand; *ret_n < n only at the end. Reads
 * nothing of the stream. */
int input_peek(const struct input *input, uint64_t at, uint8_t *bytes, size_t n,
               size_t *ret_n);

/* Digest bytes of a seekable file from its beginning on, `n` of them. */
int input_digest_again(struct input *input, uint64_t n, struct cj_digest *digest);

#endif
