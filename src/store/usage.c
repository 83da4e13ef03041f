#include "store/usage.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/own.h"
#include "store/place.h"
#include "store/usage_slot.h"
#include "sys/descriptor.h"
#include "sys/entropy.h"
#include "sys/files.h"
#include "sys/folder.h"
#include "sys/range_lock.h"

/* Locks, beside the slots' own at 0 (the head), 1, 2, ... */
#define USAGE_AT_COUNT ((uint64_t)1 << 20)

/* A slot can be read while it is written. */
#define USAGE_READS 5

static struct range
usage_range(uint64_t at)
{
    return (struct range){at, 1};
}

static int
usage_write_slot(int fd, size_t slot, const struct usage *usage)
{
    uint8_t bytes[USAGE_SLOT_BYTES];

    usage_slot_encode(usage, slot, bytes);
    return file_write_at(fd, slot * USAGE_SLOT_BYTES, bytes, sizeof(bytes));
}

static int
usage_write_head(int fd, bool is_counted)
{
    uint8_t bytes[USAGE_SLOT_BYTES];

    usage_head_encode(is_counted, bytes);
    return file_write_at(fd, 0, bytes, sizeof(bytes));
}

/* Give the file its full length again, whatever was cut off. */
static int
usage_write_tail(int fd)
{
    static const uint8_t tail[USAGE_TAIL_BYTES];

    return file_write_at(fd, USAGE_FILE_BYTES - sizeof(tail), tail, sizeof(tail));
}

/* One slot, read again as long as it looks half written. 0, USAGE_UNKNOWN, an error. */
static int
usage_read_slot(int fd, size_t slot, struct usage *ret_usage)
{
    uint8_t bytes[USAGE_SLOT_BYTES];
    size_t n_read;
    int r;

    for (int i = 0; i < USAGE_READS; i++) {
        memset(bytes, 0, sizeof(bytes));
        r = file_read(fd, slot * USAGE_SLOT_BYTES, bytes, sizeof(bytes), &n_read);
        if (r < 0) {
            return r;
        }
        if (usage_slot_decode(bytes, slot, ret_usage)) {
            return 0;
        }
    }
    return USAGE_UNKNOWN;
}

/* Lock a slot that nobody else has at this moment. Where there are no locks, any. */
static int
usage_lock_slot(const struct cj_store *store, int fd, size_t *ret_slot)
{
    uint64_t number = store->usage_slot;
    int r = -EBUSY;

    for (size_t i = 0; i < USAGE_SLOTS - 1; i++) {
        size_t slot = 1 + (number + i) % (USAGE_SLOTS - 1);

        r = range_lock_take(fd, usage_range(slot));
        if (r != RANGE_LOCK_BUSY) {
            *ret_slot = slot;
            return r < 0 ? r : 0;
        }
    }
    return -EBUSY;
}

/* Whether nothing stands in the root but what is the store's own. */
static int
usage_root_is_empty(const struct cj_store *store, bool *ret_is_empty)
{
    AUTO(folder_list_close_p) struct folder_list *list = NULL;
    const char *name;
    int fd;
    int r = place_open(store, "", false, &fd);

    if (r == 0) {
        r = folder_list_open(fd, &list);
    }
    while (r == 0) {
        r = folder_list_next(list, &name);
        if (r == 0 && (!name || name[0] != '.')) {
            *ret_is_empty = !name;
            break;
        }
    }
    return r;
}

/* The file is new, or was cut off. One writes its head; who comes second counts
 * already, in a slot. */
static int
usage_init(const struct cj_store *store, int fd)
{
    uint8_t bytes[USAGE_SLOT_BYTES] = {0};
    bool is_counted = false;
    size_t n_read;
    int r;

    if (range_lock_take(fd, usage_range(0)) == RANGE_LOCK_BUSY) {
        return 0;
    }
    r = file_read(fd, 0, bytes, sizeof(bytes), &n_read);
    if (r == 0 && usage_head_decode(bytes, &is_counted)) {
        return 0;
    }
    if (r == 0 && n_read == 0) {
        r = usage_root_is_empty(store, &is_counted);
    }
    if (r == 0) {
        r = usage_write_head(fd, is_counted);
    }
    return r < 0 || n_read > 0 ? r : usage_write_tail(fd);
}

static int
usage_open(struct cj_store *store, enum own_make make, int *ret_fd)
{
    AUTO(close_p) int fd = -1;
    struct file_facts facts;
    int r = own_open(store, PLACE_USAGE, make, &fd, &facts);

    if (r == 0 && facts.n_bytes < USAGE_FILE_BYTES) {
        r = usage_init(store, fd);
    }
    if (r == 0) {
        *ret_fd = TAKE(fd, -1);
    }
    return r;
}

struct usage_file {
    bool is_counted;
    size_t n_damaged;
    struct usage sum;
};

static int
usage_read_file(int fd, struct usage_file *ret_file)
{
    uint8_t bytes[USAGE_FILE_BYTES] = {0};
    struct usage_file file = {0};
    struct usage slot;
    size_t n_read;
    int r = file_read(fd, 0, bytes, sizeof(bytes), &n_read);

    for (size_t i = 1; r >= 0 && i < USAGE_SLOTS; i++) {
        r = 0;
        if (!usage_slot_decode(bytes + i * USAGE_SLOT_BYTES, i, &slot)) {
            r = usage_read_slot(fd, i, &slot);
        }
        if (r == 0) {
            usage_sum(&file.sum, &slot);
        }
        file.n_damaged += r == USAGE_UNKNOWN;
    }
    if (r < 0) {
        return r;
    }
    if (n_read < sizeof(bytes) || !usage_head_decode(bytes, &file.is_counted)) {
        file.is_counted = false;
    }
    *ret_file = file;
    return 0;
}

/* Empty the damaged slots that nobody has; the sum is not known then. */
static int
usage_repair(int fd)
{
    static const uint8_t empty[USAGE_SLOT_BYTES];
    struct usage slot;
    int r = usage_write_head(fd, false);

    for (size_t i = 1; r == 0 && i < USAGE_SLOTS; i++) {
        r = usage_read_slot(fd, i, &slot);
        if (r != USAGE_UNKNOWN) {
            continue;
        }
        r = 0;
        if (range_lock_take(fd, usage_range(i)) != RANGE_LOCK_BUSY) {
            r = file_write_at(fd, i * USAGE_SLOT_BYTES, empty, sizeof(empty));
            range_lock_release(fd, usage_range(i));
        }
    }
    return r;
}

/* Add to some slot. When it is damaged it begins again, and the sum is not known. */
static int
usage_change_in(const struct cj_store *store, int fd, const struct usage *more)
{
    struct usage usage = {0};
    size_t slot = 0;
    int r = usage_lock_slot(store, fd, &slot);

    if (r == 0) {
        r = usage_read_slot(fd, slot, &usage);
    }
    if (r == USAGE_UNKNOWN) {
        r = usage_write_head(fd, false);
    }
    if (r == 0) {
        usage_sum(&usage, more);
        r = usage_write_slot(fd, slot, &usage);
    }
    if (slot > 0) {
        range_lock_release(fd, usage_range(slot));
    }
    if (r < 0) {
        /* The sum goes on without this. */
        (void)!usage_write_head(fd, false);
    }
    return r;
}

static void
usage_change(struct cj_store *store, enum own_make make, const struct usage *more)
{
    AUTO(close_p) int fd = -1;

    if (usage_open(store, make, &fd) == 0) {
        (void)!usage_change_in(store, fd, more);
    }
}

void
usage_add(struct cj_store *store, uint64_t n_bytes)
{
    usage_change(store, OWN_MAKE_STORE,
                 &(struct usage){(int64_t)n_bytes, 1, n_bytes, 1, 0, 0, 0});
}

void
usage_subtract(struct cj_store *store, uint64_t n_bytes, uint64_t n_entries)
{
    if (n_entries > 0) {
        usage_change(store, OWN_MAKE_FILE,
                     &(struct usage){.n_bytes = -(int64_t)n_bytes,
                                     .n_entries = -(int64_t)n_entries});
    }
}

void
usage_evict(struct cj_store *store, uint64_t n_bytes, uint64_t n_entries)
{
    if (n_entries > 0) {
        usage_change(store, OWN_MAKE_FILE,
                     &(struct usage){.n_bytes = -(int64_t)n_bytes,
                                     .n_entries = -(int64_t)n_entries,
                                     .n_evicted = n_entries});
    }
}

int
usage_read(struct cj_store *store, struct usage *ret_usage)
{
    AUTO(close_p) int fd = -1;
    struct usage_file file;
    int r = usage_open(store, OWN_MAKE_NOTHING, &fd);

    if (r == 0) {
        r = usage_read_file(fd, &file);
    }
    if (r == -ENOENT || (r == 0 && (!file.is_counted || file.n_damaged > 0))) {
        return USAGE_UNKNOWN;
    }
    if (r == 0) {
        *ret_usage = file.sum;
    }
    return r;
}

int
usage_begin_count(struct cj_store *store, struct usage_count *ret_count)
{
    AUTO(close_p) int fd = -1;
    struct usage_file file;
    int r = usage_open(store, OWN_MAKE_FILE, &fd);

    if (r == 0) {
        r = range_lock_take(fd, usage_range(USAGE_AT_COUNT));
    }
    if (r == RANGE_LOCK_BUSY) {
        return USAGE_BUSY;
    }
    if (r >= 0) {
        r = usage_read_file(fd, &file);
    }
    if (r == 0 && file.n_damaged > 0) {
        r = usage_repair(fd);
        if (r == 0) {
            r = usage_read_file(fd, &file);
        }
    }
    if (r == 0) {
        *ret_count = (struct usage_count){TAKE(fd, -1), file.sum};
    }
    return r;
}

void
usage_end_count(const struct cj_store *store, struct usage_count *count,
                int64_t n_bytes, int64_t n_entries)
{
    const struct usage *before = &count->before;
    struct usage_file now;
    struct usage more = {0};
    int r = usage_read_file(count->fd, &now);

    if (r < 0 || now.n_damaged > 0) {
        return;
    }
    more.n_bytes = n_bytes - now.sum.n_bytes +
                   (int64_t)(now.sum.n_bytes_added - before->n_bytes_added);
    more.n_entries = n_entries - now.sum.n_entries +
                     (int64_t)(now.sum.n_entries_added - before->n_entries_added);
    r = usage_change_in(store, count->fd, &more);
    if (r == 0 && !now.is_counted) {
        r = usage_write_tail(count->fd);
        /* What can't be set right now is not known, or too large. */
        (void)!(r < 0 ? r : usage_write_head(count->fd, true));
    }
}

void
usage_count_done(struct usage_count *count)
{
    descriptor_close(TAKE(count->fd, -1));
}

/* Hits and misses are not worth a write each: they are added at the end. */
void
usage_flush(struct cj_store *store)
{
    struct cj_store_statistics seen;

    cj_store_statistics(store, &seen);
    if (seen.n_hits > 0 || seen.n_misses > 0) {
        usage_change(store, OWN_MAKE_NOTHING,
                     &(struct usage){.n_hits = seen.n_hits, .n_misses = seen.n_misses});
    }
}
