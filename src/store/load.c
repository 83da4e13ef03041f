#include "store/load.h"

#include <errno.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/descriptor.h"
#include "sys/pages.h"

/* Beyond this size the head is read and judged alone before there is room for the rest,
 * so that a length nobody meant costs nothing. */
#define LOAD_LARGE_BYTES ((uint64_t)1 << 20)

static bool
load_is_foreign(const struct cj_store *store, const struct file_facts *facts)
{
    return facts->kind != FILE_REGULAR || facts->owner != store->owner ||
           facts->is_open_to_all;
}

/* Why an entry can't be opened: another owner's file usually can't be read either. */
static int
load_refused(const struct cj_store *store, int folder_fd, const char *name, int error)
{
    struct file_facts facts;

    switch (error) {
    case -ENOENT:
        return CJ_STORE_MISS;
    case -ELOOP:
    case -ENXIO:
        return CJ_STORE_FOREIGN;
    case -EACCES:
        if (file_facts_at(folder_fd, name, &facts) == 0 &&
            load_is_foreign(store, &facts)) {
            return CJ_STORE_FOREIGN;
        }
        return error;
    default:
        return error;
    }
}

int
load_open(const struct cj_store *store, int folder_fd, const char *name, int *ret_fd,
          struct file_facts *ret_facts)
{
    AUTO(close_p) int fd = -1;
    struct file_facts facts;
    int r = file_open(folder_fd, name, &fd);

    if (r < 0) {
        return load_refused(store, folder_fd, name, r);
    }
    r = file_facts(fd, &facts);
    if (r < 0) {
        return r;
    }
    if (load_is_foreign(store, &facts)) {
        return CJ_STORE_FOREIGN;
    }
    *ret_fd = TAKE(fd, -1);
    *ret_facts = facts;
    return 0;
}

/* Room for `size` bytes that start at a multiple of CJ_STORE_ALIGN inside the blob. */
static int
load_make_room(size_t size, struct cj_blob *ret_room, uint8_t **ret_start)
{
    struct cj_blob room = {NULL, size + CJ_STORE_ALIGN - 1, 0};
    int r;

    if (size >= PAGES_WORTH_BYTES) {
        r = pages_map(size, &room);
        if (r < 0) {
            return r;
        }
    }
    else {
        /* Cheaper than asking the heap for an aligned block. */
        room.data = mem_alloc(room.size);
        if (!room.data) {
            return -ENOMEM;
        }
    }
    *ret_start = (uint8_t *)room.data + (-(uintptr_t)room.data & (CJ_STORE_ALIGN - 1));
    *ret_room = room;
    return 0;
}

/* Judge the head alone. 0, CJ_STORE_CORRUPT, or an error. */
static int
load_head(int fd, const struct file_facts *facts, const struct entry_key *key,
          struct entry_shape *ret_shape)
{
    uint8_t head[ENTRY_HEAD_BYTES];
    size_t n_read;
    int r = file_read(fd, 0, head, sizeof(head), &n_read);

    if (r < 0) {
        return r;
    }
    if (n_read < sizeof(head) ||
        !entry_head_decode(head, key, facts->n_bytes, ret_shape)) {
        return CJ_STORE_CORRUPT;
    }
    return 0;
}

/* Read the whole file into `room`. */
static int
load_whole(int fd, size_t size, const struct entry_key *key, uint8_t *room,
           struct cj_entry *entry)
{
    size_t n_read;
    int r = file_read(fd, 0, room, size, &n_read);

    if (r < 0) {
        return r;
    }
    if (n_read < size || !entry_decode(room, size, key, entry)) {
        return CJ_STORE_CORRUPT;
    }
    return 0;
}

int
load_entry(int fd, const struct file_facts *facts, const struct entry_key *key,
           struct cj_entry *ret_entry)
{
    AUTO(cj_entry_done) struct cj_entry entry = CJ_ENTRY_INIT;
    struct entry_shape shape;
    uint8_t *start;
    int r = 0;

    if (facts->n_bytes < ENTRY_HEAD_BYTES + ENTRY_CHECKSUM_BYTES) {
        return CJ_STORE_CORRUPT;
    }
    if (facts->n_bytes >= LOAD_LARGE_BYTES) {
        r = load_head(fd, facts, key, &shape);
    }
    if (r == 0) {
        r = load_make_room((size_t)facts->n_bytes, &entry.file, &start);
    }
    if (r == 0) {
        r = load_whole(fd, (size_t)facts->n_bytes, key, start, &entry);
    }
    if (r == 0) {
        *ret_entry = TAKE(entry, (struct cj_entry)CJ_ENTRY_INIT);
    }
    return r;
}

int
load_meta(int fd, const struct file_facts *facts, const struct entry_key *key,
          struct cj_entry *ret_entry)
{
    AUTO(cj_entry_done) struct cj_entry entry = CJ_ENTRY_INIT;
    struct entry_shape shape;
    uint8_t *start;
    size_t n_read;
    int r = load_head(fd, facts, key, &shape);

    if (r == 0) {
        r = load_make_room((size_t)shape.meta, &entry.file, &start);
    }
    if (r == 0) {
        r = file_read(fd, ENTRY_HEAD_BYTES, start, (size_t)shape.meta, &n_read);
    }
    if (r == 0 && n_read < shape.meta) {
        r = CJ_STORE_CORRUPT;
    }
    if (r == 0) {
        entry.meta = (struct cj_bytes){start, (size_t)shape.meta};
        entry.created_ns = shape.created_ns;
        *ret_entry = TAKE(entry, (struct cj_entry)CJ_ENTRY_INIT);
    }
    return r;
}

int
load_created(int fd, const struct file_facts *facts, const struct entry_key *key,
             int64_t *ret_created_ns)
{
    struct entry_shape shape;
    int r = load_head(fd, facts, key, &shape);

    if (r == 0) {
        *ret_created_ns = shape.created_ns;
    }
    return r;
}

void
cj_entry_done(struct cj_entry *entry)
{
    cj_blob_done(&entry->file);
    *entry = (struct cj_entry)CJ_ENTRY_INIT;
}
