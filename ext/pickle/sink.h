/* Where pickled bytes go: a bytes object, a file's write(), or a consumer such as a
 * digest.
 *
 *      struct sink sink;
 *      sink_init_memory(&sink);                       or _file, _consumer
 *      at = sink_room(&sink, 5); ... sink.at += 5;    one opcode with its argument
 *      sink_payload(&sink, header, 5, data, n, owner);
 *      sink_finish(&sink); bytes = sink_take_bytes(&sink);
 *      sink_done(&sink);
 *
 *  start        frame              at     end        limit
 *    |------------[95 size........|.......|............|
 *
 * Bytes are gathered in one buffer. Room is asked for once per opcode, so that a frame
 * can be closed, or the buffer be sent off, exactly between two opcodes: `end` is where
 * the next of the two is due. Functions return 0, or -1 with an exception set. */

#ifndef EXT_PICKLE_SINK_H
#define EXT_PICKLE_SINK_H

#include "compat.h"

#include <stdbool.h>
#include <stdint.h>

/* Payloads from this size on travel outside frames, and are not copied if possible. It
 * is also the size at which a frame, or a chunk for a file or a consumer, is complete.
 */
#define SINK_LARGE_BYTES 65536

/* A chunk on its way to a file or a consumer: a full frame and what may stand before
 * it. */
#define SINK_CHUNK_BYTES (SINK_LARGE_BYTES + 64)

#define SINK_SMALL_BYTES 512
#define SINK_FRAME_HEADER_BYTES 9
#define SINK_FRAME_MIN_BYTES 4

/* Takes `size` bytes, which stay valid and unchanged during the call. 0, or -1 with an
 * exception set. */
typedef int (*sink_consumer)(void *context, const void *data, size_t size);

enum sink_kind { SINK_MEMORY, SINK_FILE, SINK_CONSUMER };

struct sink {
    char *at;
    char *end;
    char *start;
    char *limit;
    char *frame;     /* the open frame's header; NULL when no frame is open */
    PyObject *bytes; /* the buffer, once `small` is outgrown */
    PyObject *write; /* borrowed: the file's method */
    sink_consumer consume;
    void *context;
    enum sink_kind kind;
    bool is_framing;
    char small[SINK_SMALL_BYTES];
};

void sink_init_memory(struct sink *sink);

/* `write` is borrowed until sink_done(). */
void sink_init_file(struct sink *sink, PyObject *write);

void sink_init_consumer(struct sink *sink, sink_consumer consume, void *context);

void sink_done(struct sink *sink);

/* From here on bytes are put into frames (protocol 4). */
void sink_begin_frames(struct sink *sink);

/* Make room for `n` bytes, closing a frame or sending the buffer off where that is due.
 */
int sink_make_room(struct sink *sink, size_t n);

/* Where `n` < SINK_LARGE_BYTES + 16 bytes, which are not to be torn apart, may be
 * written by advancing `at`; NULL with an exception set. */
static inline char *
sink_room(struct sink *sink, size_t n)
{
    if ((size_t)(sink->end - sink->at) < n && sink_make_room(sink, n) < 0) {
        return NULL;
    }
    return sink->at;
}

/* One opcode without an argument. */
static inline int
sink_op(struct sink *sink, int op)
{
    char *at = sink_room(sink, 1);

    if (!at) {
        return -1;
    }
    *at = (char)op;
    sink->at = at + 1;
    return 0;
}

/* A few bytes that belong together: n < SINK_LARGE_BYTES. */
int sink_put(struct sink *sink, const void *data, size_t n);

/* Close the open frame; what follows lies outside any frame until more room is asked
 * for by sink_room(). */
int sink_end_frame(struct sink *sink);

/* An opcode with its size (n_header <= 16) and its payload. A large one goes outside
 * frames; then `owner`, if not NULL, is an object whose buffer is exactly `data`: a
 * file gets it as it is. The memory is pinned by the caller. */
int sink_payload(struct sink *sink, const void *header, size_t n_header,
                 const void *data, size_t n, PyObject *owner);

/* Raw bytes of any number outside frames, copied in pieces if need be. */
int sink_raw(struct sink *sink, const void *data, size_t n);

/* Everything has been written: close the frame, send the rest off. */
int sink_finish(struct sink *sink);

/* After sink_finish() on a memory sink: its bytes, or NULL with an exception set. */
PyObject *sink_take_bytes(struct sink *sink);

static inline void
put_u16(char *at, uint16_t value)
{
    at[0] = (char)value;
    at[1] = (char)(value >> 8);
}

static inline void
put_u32(char *at, uint32_t value)
{
    put_u16(at, (uint16_t)value);
    put_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void
put_u64(char *at, uint64_t value)
{
    put_u32(at, (uint32_t)value);
    put_u32(at + 4, (uint32_t)(value >> 32));
}

#endif
