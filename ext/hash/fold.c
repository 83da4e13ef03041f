/* Digests of digests. A sequence is digested in blocks, so that neither the message nor
 * a running state has to be kept for each level of nesting:
 *
 *      D(tag, n, d1 .. d13) = s1     D('+', s1, d14 .. d26) = s2     ...
 *
 * What has no order is, for xxh128, the sum of its digests modulo 2^128: no memory, no
 * sorting. A sum of sha256 values could be forged (Wagner's generalised birthdays), so
 * there the digests are sorted. */

#include <string.h>

#include "hash/hasher.h"

#define BLOCK_ITEMS 13
#define BLOCK_BYTES (1 + 8 + (1 + BLOCK_ITEMS) * CJ_DIGEST_MAX_BYTES)

void
scratch_init(struct scratch *scratch)
{
    scratch->data = scratch->inline_data;
    scratch->used = 0;
    scratch->room = sizeof(scratch->inline_data);
}

void
scratch_done(struct scratch *scratch)
{
    if (scratch->data != scratch->inline_data) {
        PyMem_Free(scratch->data);
    }
}

/* `scratch->data` may move. */
static int
scratch_grow(struct scratch *scratch, size_t more)
{
    size_t room = 2 * scratch->room + more;
    bool is_inline = scratch->data == scratch->inline_data;
    uint8_t *data = PyMem_Realloc(is_inline ? NULL : scratch->data, room);

    if (!data) {
        PyErr_NoMemory();
        return -1;
    }
    if (is_inline) {
        memcpy(data, scratch->inline_data, scratch->used);
    }
    scratch->data = data;
    scratch->room = room;
    return 0;
}

static int
scratch_reserve(struct scratch *scratch, size_t more)
{
    return scratch->room - scratch->used < more ? scratch_grow(scratch, more) : 0;
}

static void
put_u64(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(number >> (8 * i));
    }
}

static uint64_t
get_u64(const uint8_t *at)
{
    uint64_t number = 0;

    for (int i = 0; i < 8; i++) {
        number |= (uint64_t)at[i] << (8 * i);
    }
    return number;
}

void
message_digest(struct hasher *h, const void *data, size_t size, struct value *ret)
{
    size_t n_bytes;

    if (!h->sha256) {
        cj_xxh128(data, size, ret->bytes);
        return;
    }
    cj_digest_update(h->sha256, data, size);
    cj_digest_final(h->sha256, ret->bytes, &n_bytes);
}

int
sequence_begin(struct hasher *h, struct sequence *sequence, enum tag tag, uint64_t n)
{
    struct scratch *scratch = &h->scratch;
    uint8_t *at;

    if (scratch_reserve(scratch, BLOCK_BYTES) < 0) {
        return -1;
    }
    at = scratch->data + scratch->used;
    at[0] = (uint8_t)tag;
    put_u64(at + 1, n);
    sequence->start = scratch->used;
    sequence->used = 9;
    sequence->n_in_block = 0;
    scratch->used += 9 + (1 + BLOCK_ITEMS) * h->width;
    return 0;
}

/* The block so far becomes the start of the next. */
static void
sequence_next_block(struct hasher *h, struct sequence *sequence)
{
    uint8_t *block = h->scratch.data + sequence->start;
    struct value value;

    message_digest(h, block, sequence->used, &value);
    block[0] = TAG_BLOCK;
    memcpy(block + 1, value.bytes, h->width);
    sequence->used = 1 + h->width;
    sequence->n_in_block = 0;
}

void
sequence_add(struct hasher *h, struct sequence *sequence, const struct value *value)
{
    if (sequence->n_in_block == BLOCK_ITEMS) {
        sequence_next_block(h, sequence);
    }
    memcpy(h->scratch.data + sequence->start + sequence->used, value->bytes, h->width);
    sequence->used += h->width;
    sequence->n_in_block++;
}

void
sequence_end(struct hasher *h, struct sequence *sequence, struct value *ret)
{
    message_digest(h, h->scratch.data + sequence->start, sequence->used, ret);
    h->scratch.used = sequence->start;
}

void
unordered_begin(struct hasher *h, struct unordered *all)
{
    all->start = h->scratch.used;
    all->n = all->low = all->high = 0;
}

int
unordered_add(struct hasher *h, struct unordered *all, const struct value *value)
{
    uint64_t low;

    all->n++;
    if (!h->sha256) {
        low = get_u64(value->bytes);
        all->low += low;
        all->high += get_u64(value->bytes + 8) + (all->low < low);
        return 0;
    }
    if (scratch_reserve(&h->scratch, h->width) < 0) {
        return -1;
    }
    memcpy(h->scratch.data + h->scratch.used, value->bytes, h->width);
    h->scratch.used += h->width;
    return 0;
}

/* Hoare's partition of values[0 .. n), n >= 2; the size of the first part. */
static size_t
values_split(struct value *values, size_t n)
{
    struct value middle = values[(n - 1) / 2], swap;
    size_t i = 0, j = n - 1;

    for (;;) {
        while (memcmp(&values[i], &middle, sizeof(middle)) < 0) {
            i++;
        }
        while (memcmp(&values[j], &middle, sizeof(middle)) > 0) {
            j--;
        }
        if (i >= j) {
            return j + 1;
        }
        swap = values[i];
        values[i++] = values[j];
        values[j--] = swap;
    }
}

/* In place: qsort() would take as much memory again. The digests are as good as random,
 * so the splits are even; the recursion goes into the smaller part and is shallow. */
void
values_sort(struct value *values, size_t n)
{
    while (n > 1) {
        size_t n_first = values_split(values, n);

        if (n_first < n - n_first) {
            values_sort(values, n_first);
            values += n_first;
            n -= n_first;
        }
        else {
            values_sort(values + n_first, n - n_first);
            n = n_first;
        }
    }
}

static int
sorted_end(struct hasher *h, struct unordered *all, enum tag tag, struct value *ret)
{
    struct sequence sequence;
    struct value value;

    _Static_assert(sizeof(struct value) == 32, "sha256 digests are sorted in place");
    values_sort((struct value *)(h->scratch.data + all->start), all->n);
    if (sequence_begin(h, &sequence, tag, all->n) < 0) {
        return -1;
    }
    for (uint64_t i = 0; i < all->n; i++) {
        memcpy(&value, h->scratch.data + all->start + i * sizeof(value), sizeof(value));
        sequence_add(h, &sequence, &value);
    }
    sequence_end(h, &sequence, ret);
    h->scratch.used = all->start;
    return 0;
}

int
unordered_end(struct hasher *h, struct unordered *all, enum tag tag, struct value *ret)
{
    uint8_t message[1 + 8 + 16];

    if (h->sha256) {
        return sorted_end(h, all, tag, ret);
    }
    message[0] = (uint8_t)tag;
    put_u64(message + 1, all->n);
    put_u64(message + 9, all->low);
    put_u64(message + 17, all->high);
    message_digest(h, message, sizeof(message), ret);
    return 0;
}
