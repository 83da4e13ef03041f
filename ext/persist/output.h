/* Where the bytes of a dump go:
 *
 *      pickler, arrays -> output_take() -> buffer -> digest -> [encoder] -> end
 *
 * The end is a file that is to be published, or write() of a Python file. All passes
 * through one buffer, so that what is digested and compressed is what is written, even
 * when somebody changes an array meanwhile; only an array for a Python file that takes
 * no part in either goes straight.
 *
 * Functions return 0, or -1 with an exception set; they are called with the GIL. */

#ifndef EXT_PERSIST_OUTPUT_H
#define EXT_PERSIST_OUTPUT_H

#include "compat.h"

#include <cjoblib/codec.h>
#include <cjoblib/digest.h>
#include <cjoblib/file.h>

#include "persist/gil.h"

/* How a dump is compressed. */
struct output_codec {
    bool is_on;
    enum cj_codec_kind kind;
    int level; /* or CJ_CODEC_LEVEL_DEFAULT */
    struct cj_codec_options options;
};

/* All zero to begin with. */
struct output {
    struct gil gil;
    struct cj_file *file; /* NULL: there is `write` */
    PyObject *write;      /* owned */
    PyObject *name;       /* owned; the path for errors, NULL: none */
    bool may_lend;        /* to write(), which does not keep what it gets */
    bool is_raw;          /* write() may take some only, and None means nothing */
    struct cj_encoder *encoder;
    struct cj_digest *digest;
    uint64_t n_bytes;    /* of the data, all that were taken */
    uint64_t n_reserved; /* in the file */
    uint64_t n_unheard;  /* bytes since signals were asked for */
    uint8_t *buffer;
    size_t n_buffered;
    size_t n_room;
    size_t n_room_max;
};

/* Begin to replace the file at `path` (bytes), called `name` in errors. `is_durable`:
 * see cj_file_options. After a failure only output_done() may follow. */
int output_open(struct output *output, PyObject *path, PyObject *name, bool is_durable,
                const struct output_codec *codec);

/* Into a Python file with write(). */
int output_of_file(struct output *output, PyObject *file,
                   const struct output_codec *codec);

/* What was not published did not happen. */
void output_done(struct output *output);

/* A sink_consumer. */
int output_take(void *output, const void *data, size_t size);

/* Have room for n_bytes more set aside in the file, if that is possible. */
int output_reserve(struct output *output, uint64_t n_bytes);

/* Everything was taken: end the stream and publish the file. */
int output_finish(struct output *output);

/* As a sink for the C library, which may call it without the GIL. */
struct cj_sink output_sink(struct output *output);

#endif
