#include "store/shelf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "store/load.h"
#include "store/names.h"
#include "store/place.h"
#include "store/usage.h"
#include "sys/clock.h"
#include "sys/descriptor.h"
#include "sys/files.h"
#include "sys/folder.h"

/* An entry's time of last use may be this old before a hit sets it again. */
#define SHELF_TOUCH_NS ((int64_t)60 * 1000000000)

static void
shelf_close_p(struct cj_shelf **shelf)
{
    cj_shelf_close(*shelf);
}

/* PLACE_ROOT/function/version */
static int
shelf_set_path(struct cj_shelf *shelf, const char *function)
{
    AUTO(mem_free_p) char *escaped = NULL;
    char version[NAME_KEY_BYTES];
    size_t n_bytes;
    int r = name_escape(function, &escaped);

    if (r < 0) {
        return r;
    }
    n_bytes = sizeof(PLACE_ROOT) + strlen(escaped) + 1 + sizeof(version);
    shelf->path = mem_alloc(n_bytes);
    if (!shelf->path) {
        return -ENOMEM;
    }
    name_of_key(shelf->key.version, version);
    snprintf(shelf->path, n_bytes, "%s/%s/%s", PLACE_ROOT, escaped, version);
    shelf->function = shelf->path + sizeof(PLACE_ROOT);
    shelf->n_function = strlen(escaped);
    return 0;
}

int
cj_shelf_open(struct cj_store *store, const char *function,
              const uint8_t version[CJ_KEY_BYTES], struct cj_shelf **ret_shelf)
{
    AUTO(shelf_close_p) struct cj_shelf *shelf = mem_alloc_zero(1, sizeof(*shelf));
    int r;

    if (!shelf) {
        return -ENOMEM;
    }
    shelf->store = store;
    atomic_init(&shelf->folder_fd, -1);
    memcpy(shelf->key.version, version, CJ_KEY_BYTES);
    r = shelf_set_path(shelf, function);
    if (r < 0) {
        return r;
    }
    entry_function_digest(shelf->function, shelf->n_function, shelf->key.function);
    *ret_shelf = TAKE_PTR(shelf);
    return 0;
}

void
cj_shelf_close(struct cj_shelf *shelf)
{
    if (shelf) {
        /* No other thread has the shelf any more. */
        descriptor_close(atomic_load_explicit(&shelf->folder_fd, memory_order_relaxed));
        mem_free(shelf->path);
        mem_free(shelf);
    }
}

const char *
cj_shelf_path(const struct cj_shelf *shelf)
{
    return shelf->path;
}

/* The open folder, opened now if nobody did before. */
static int
shelf_folder(struct cj_shelf *shelf, bool make, int *ret_fd)
{
    AUTO(close_p) int fd = -1;
    int known = atomic_load_explicit(&shelf->folder_fd, memory_order_acquire);
    int r;

    if (known >= 0) {
        *ret_fd = known;
        return 0;
    }
    r = place_open(shelf->store, shelf->function, make, &fd);
    if (r < 0) {
        return r;
    }
    if (atomic_compare_exchange_strong_explicit(&shelf->folder_fd, &known, fd,
                                                memory_order_acq_rel,
                                                memory_order_acquire)) {
        known = TAKE(fd, -1);
    }
    *ret_fd = known;
    return 0;
}

static bool
shelf_folder_is_gone(int folder_fd)
{
    struct file_facts facts;
    int r = file_facts(folder_fd, &facts);

    /* ESTALE: a network's file system, of what another host removed. */
    return r == -ESTALE || (r == 0 && facts.is_unlinked);
}

/* Do a step that failed again, in folders that no other thread exchanges meanwhile:
 * first in the one that is open now, then, as long as that turns out to be removed, in
 * the one that stands there. In a removed folder a call fails with ENOENT, EPERM or
 * other errors, as the file system likes. */
static int
shelf_do_again(struct cj_shelf *shelf, int folder_fd, bool make, shelf_step step,
               void *context)
{
    int r;

    for (int i = 0; i < PLACE_TRIES; i++) {
        AUTO(close_p) int fd = -1;

        r = i == 0 ? folder_copy(folder_fd, &fd)
                   : place_open(shelf->store, shelf->function, make, &fd);
        if (r < 0) {
            return r;
        }
        r = step(shelf, fd, context);
        if (r < 0 && shelf_folder_is_gone(fd)) {
            continue;
        }
        if (i > 0) {
            /* Else the next one comes here again. */
            (void)!folder_replace(folder_fd, fd);
        }
        return r;
    }
    return -EBUSY;
}

int
shelf_do(struct cj_shelf *shelf, bool make, shelf_step step, void *context)
{
    int folder_fd;
    int r = shelf_folder(shelf, make, &folder_fd);

    if (r == 0) {
        r = step(shelf, folder_fd, context);
        if (r < 0) {
            r = shelf_do_again(shelf, folder_fd, make, step, context);
        }
    }
    return r;
}

/* What an operation that changes nothing says of a folder it can't enter. */
static int
shelf_outcome(int r)
{
    if (r == -ENOENT) {
        return CJ_STORE_MISS;
    }
    return place_is_foreign(r) ? CJ_STORE_FOREIGN : r;
}

struct shelf_request {
    const char *name;
    struct entry_key key;
    struct cj_entry *ret_entry;
};

/* A time in the future is as wrong as an old one. */
static void
shelf_touch(int fd, const struct file_facts *facts)
{
    int64_t age_ns = clock_wall_ns() - facts->written_ns;

    if (age_ns > SHELF_TOUCH_NS || age_ns < -SHELF_TOUCH_NS) {
        /* An entry that can't be touched (read-only) is no worse for its reader. */
        (void)!file_touch(fd);
    }
}

static int
shelf_get(struct cj_shelf *shelf, int folder_fd, void *context)
{
    struct shelf_request *request = context;
    AUTO(cj_entry_done) struct cj_entry entry = CJ_ENTRY_INIT;
    AUTO(close_p) int fd = -1;
    struct file_facts facts;
    int r = load_open(shelf->store, folder_fd, request->name, &fd, &facts);

    if (r == CJ_STORE_MISS) {
        return -ENOENT;
    }
    if (r == 0) {
        r = load_entry(fd, &facts, &request->key, &entry);
    }
    if (r != 0) {
        return r;
    }
    if (store_is_expired(shelf->store, entry.created_ns)) {
        store_count(&shelf->store->counts.n_expired, 1);
        return CJ_STORE_MISS;
    }
    shelf_touch(fd, &facts);
    *request->ret_entry = TAKE(entry, (struct cj_entry)CJ_ENTRY_INIT);
    return 0;
}

int
shelf_find(struct cj_shelf *shelf, const char *name, const struct entry_key *key,
           struct cj_entry *ret_entry)
{
    struct shelf_request request = {name, *key, ret_entry};

    return shelf_outcome(shelf_do(shelf, false, shelf_get, &request));
}

int
shelf_look(struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES],
           struct cj_entry *ret_entry)
{
    struct entry_key key = shelf->key;
    char name[NAME_KEY_BYTES];

    memcpy(key.arguments, arguments, CJ_KEY_BYTES);
    name_of_key(arguments, name);
    return shelf_find(shelf, name, &key, ret_entry);
}

static void
shelf_count(struct store_counts *counts, int r)
{
    switch (r) {
    case 0:
        store_count(&counts->n_hits, 1);
        return;
    case CJ_STORE_MISS:
        store_count(&counts->n_misses, 1);
        return;
    case CJ_STORE_CORRUPT:
        store_count(&counts->n_corrupt, 1);
        return;
    case CJ_STORE_FOREIGN:
        store_count(&counts->n_foreign, 1);
        return;
    default:
        return;
    }
}

int
cj_shelf_get(struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES],
             struct cj_entry *ret_entry)
{
    int r = shelf_look(shelf, arguments, ret_entry);

    shelf_count(&shelf->store->counts, r);
    return r;
}

/* Whether an entry that is there is too old, by its head. A damaged one is not: it is
 * for its reader to tell. */
static bool
shelf_is_expired_at(struct cj_shelf *shelf, int folder_fd,
                    const struct shelf_request *request)
{
    AUTO(close_p) int fd = -1;
    struct file_facts facts;
    int64_t created_ns;

    return load_open(shelf->store, folder_fd, request->name, &fd, &facts) == 0 &&
           load_created(fd, &facts, &request->key, &created_ns) == 0 &&
           store_is_expired(shelf->store, created_ns);
}

static int
shelf_has(struct cj_shelf *shelf, int folder_fd, void *context)
{
    struct shelf_request *request = context;
    struct file_facts facts;
    int r = file_facts_at(folder_fd, request->name, &facts);

    if (r < 0) {
        return r;
    }
    if (facts.kind != FILE_REGULAR || facts.owner != shelf->store->owner ||
        facts.is_open_to_all) {
        return CJ_STORE_FOREIGN;
    }
    if (shelf->store->ttl_ns > 0 && shelf_is_expired_at(shelf, folder_fd, request)) {
        return CJ_STORE_MISS;
    }
    return 0;
}

int
cj_shelf_has(struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES])
{
    char name[NAME_KEY_BYTES];
    struct shelf_request request = {name, shelf->key, NULL};

    memcpy(request.key.arguments, arguments, CJ_KEY_BYTES);
    name_of_key(arguments, name);
    return shelf_outcome(shelf_do(shelf, false, shelf_has, &request));
}

char *
shelf_function_path(const struct cj_shelf *shelf)
{
    char *path = mem_alloc_zero(shelf->n_function + 1, 1);

    if (path) {
        memcpy(path, shelf->function, shelf->n_function);
    }
    return path;
}

static int
shelf_remove(struct cj_shelf *shelf, int folder_fd, void *context)
{
    struct shelf_request *request = context;
    struct file_facts facts;
    int r = file_facts_at(folder_fd, request->name, &facts);

    if (r == 0) {
        r = file_remove(folder_fd, request->name);
    }
    if (r == 0) {
        usage_subtract(shelf->store, facts.n_bytes, 1);
    }
    return r;
}

int
cj_shelf_remove(struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES])
{
    char name[NAME_KEY_BYTES];
    struct shelf_request request = {.name = name};
    int r;

    name_of_key(arguments, name);
    r = shelf_do(shelf, false, shelf_remove, &request);
    return r == -ENOENT ? 0 : r;
}
