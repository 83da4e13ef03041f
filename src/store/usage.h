/* How much is in the store, kept without going through it.
 *
 * PLACE_USAGE is a head and USAGE_SLOTS - 1 slots of 64 bytes. Who has something to
 * count locks a slot that nobody has at that moment (range_lock), adds to it and lets
 * it go; the sum over all slots is what there is. Nobody waits for anybody.
 *
 *      head    magic 8 | is counted 1 | zeros
 *      slot    checksum 8 | bytes, entries (signed) | bytes and entries ever added |
 *              hits | misses | evicted                           8 each, little-endian
 *      tail    zeros 8: a file that is shorter is damaged
 *
 * A put counts its entry before it stands there, a removal after it is gone: a process
 * that is killed in between leaves the sum too large, never too small. So "no more than
 * the limit" is right without a look; "more" is looked into by a walk, which sets the
 * sum right. One walk at a time does so (the lock USAGE_AT_COUNT); what is put while it
 * goes on counts, what is removed may not.
 *
 * A sum is not known when the head or a slot is damaged, or nobody has counted what
 * stood there before the file did. */

#ifndef STORE_USAGE_H
#define STORE_USAGE_H

#include <stdbool.h>

#include "store/store.h"

struct usage {
    int64_t n_bytes;
    int64_t n_entries;
    uint64_t n_bytes_added; /* ever; only grows */
    uint64_t n_entries_added;
    uint64_t n_hits;
    uint64_t n_misses;
    uint64_t n_evicted;
};

enum usage_outcome {
    USAGE_UNKNOWN = 1, /* nobody has counted, or the file is damaged */
    USAGE_BUSY,        /* another one counts at this moment */
};

/* An entry is going to stand there. What can't be counted is not: all of these go on
 * without. */
void usage_add(struct cj_store *store, uint64_t n_bytes);

/* Entries are gone, or were not put after all. */
void usage_subtract(struct cj_store *store, uint64_t n_bytes, uint64_t n_entries);

/* Entries are gone, to make room. */
void usage_evict(struct cj_store *store, uint64_t n_bytes, uint64_t n_entries);

/* The sum: 0; USAGE_UNKNOWN; or an error. */
CJ_MUST_CHECK int usage_read(struct cj_store *store, struct usage *ret_usage);

/* A walk that counts. */
struct usage_count {
    int fd; /* -1: there is none */
    struct usage before;
};

#define USAGE_COUNT_INIT {.fd = -1}

/* Before such a walk: 0; USAGE_BUSY; or an error. */
CJ_MUST_CHECK int usage_begin_count(struct cj_store *store,
                                    struct usage_count *ret_count);

/* After it: set the sum right by what was found. */
void usage_end_count(const struct cj_store *store, struct usage_count *count,
                     int64_t n_bytes, int64_t n_entries);

/* Let others count. Accepts one that never began. */
void usage_count_done(struct usage_count *count);

/* The store is being closed. */
void usage_flush(struct cj_store *store);

#endif
