/* What opcodes share: arguments from the stream, operands from the stack. */

#ifndef EXT_PICKLE_LOAD_ARGS_H
#define EXT_PICKLE_LOAD_ARGS_H

#include "pickle/unpickler.h"

#include <string.h>

static inline uint16_t
load_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}

static inline uint32_t
load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | ((uint32_t)p[1] << 8) | ((uint32_t)p[2] << 16) |
           ((uint32_t)p[3] << 24);
}

static inline uint64_t
load_le64(const uint8_t *p)
{
    return (uint64_t)load_le32(p) | ((uint64_t)load_le32(p + 4) << 32);
}

/* What the source said about an argument of `claimed` bytes, as an opcode's result. */
int load_source_failed(struct unpickler *unpickler, int r, uint64_t claimed);

/* source_more(), out of the loop. */
int load_more(struct unpickler *unpickler, size_t n);

/* The next n bytes of the argument. */
static inline int
load_bytes(struct unpickler *unpickler, size_t n, const uint8_t **ret_bytes)
{
    struct source *source = &unpickler->source;

    if (source_here(source) < n) {
        int r = load_more(unpickler, n);

        if (r) {
            (void)load_source_failed(unpickler, r, n);
            return -1;
        }
    }
    *ret_bytes = source->at;
    source->at += n;
    return 0;
}

/* A line of text, without its newline. */
int load_line(struct unpickler *unpickler, const uint8_t **ret_line,
              size_t *ret_n_bytes);

/* The line as a decimal memo index or size; ValueError otherwise. */
int load_index(struct unpickler *unpickler, size_t *ret_index);

/* An 8-byte length that Py_ssize_t can hold; OverflowError otherwise. */
int load_size8(struct unpickler *unpickler, size_t *ret_n);

/* str from n bytes of UTF-8 at p, lone surrogates included. */
PyObject *load_text(const uint8_t *p, size_t n);

/* Push what a constructor returned, or pass its exception on. */
static inline int
load_push(struct unpickler *unpickler, PyObject *value)
{
    return value ? load_stack_push(&unpickler->stack, value) : -1;
}

/* Check that n values lie above the last mark. */
static inline int
load_need(struct unpickler *unpickler, size_t n)
{
    return load_stack_n(&unpickler->stack) < n ? unpickler_underflow(unpickler) : 0;
}

/* Pop a value that is there: the caller owns it. */
static inline PyObject *
load_pop_value(struct unpickler *unpickler)
{
    return *--unpickler->stack.top;
}

/* The values above the last mark, n of them at *ret_items; the mark is closed. The
 * caller moves them, and sets stack.top to the first. */
int load_marked(struct unpickler *unpickler, PyObject ***ret_items, size_t *ret_n);

/* Close the mark and move what lies above into a new list or tuple. */
PyObject *load_marked_tuple(struct unpickler *unpickler);

PyObject *load_marked_list(struct unpickler *unpickler);

int load_get_value(struct unpickler *unpickler, size_t index);

int load_put_value_slow(struct unpickler *unpickler, size_t index);

/* Memoize the top of the stack. */
static inline int
load_put_value(struct unpickler *unpickler, size_t index)
{
    if (load_need(unpickler, 1) < 0) {
        return -1;
    }
    if (load_memo_push(&unpickler->memo, index, unpickler->stack.top[-1]) == 0) {
        return 0;
    }
    return load_put_value_slow(unpickler, index);
}

#endif
