#include "store/shelf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "store/ignore.h"
#include "store/load.h"
#include "store/names.h"
#include "store/place.h"
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

static int
shelf_open_folder(const struct cj_shelf *shelf, bool make, int *ret_fd)
{
    int r = place_open(shelf->store, shelf->function, make, ret_fd);

    if (r == 0 && make) {
        /* A cache without the note is as good. */
        (void)!ignore_write(shelf->store);
    }
    return r;
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
    r = shelf_open_folder(shelf, make, &fd);
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

        r = i == 0 ? folder_copy(folder_fd, &fd) : shelf_open_folder(shelf, make, &fd);
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
    char name[NAME_KEY_BYTES];
    struct entry_key key;
    struct cj_entry *ret_entry;
};

static struct shelf_request
shelf_ask(const struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES])
{
    struct shelf_request request = {.key = shelf->key};

    memcpy(request.key.arguments, arguments, CJ_KEY_BYTES);
    name_of_key(arguments, request.name);
    return request;
}

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
    AUTO(close_p) int fd = -1;
    struct file_facts facts;
    int r = load_open(shelf->store, folder_fd, request->name, &fd, &facts);

    if (r == CJ_STORE_MISS) {
        return -ENOENT;
    }
    if (r == 0) {
        r = load_entry(fd, &facts, &request->key, request->ret_entry);
    }
    if (r == 0) {
        shelf_touch(fd, &facts);
    }
    return r;
}

int
shelf_look(struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES],
           struct cj_entry *ret_entry)
{
    struct shelf_request request = shelf_ask(shelf, arguments);

    request.ret_entry = ret_entry;
    return shelf_outcome(shelf_do(shelf, false, shelf_get, &request));
}

int
cj_shelf_get(struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES],
             struct cj_entry *ret_entry)
{
    return shelf_look(shelf, arguments, ret_entry);
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
    return facts.kind == FILE_REGULAR && facts.owner == shelf->store->owner &&
                   !facts.is_open_to_all
               ? 0
               : CJ_STORE_FOREIGN;
}

int
cj_shelf_has(struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES])
{
    struct shelf_request request = shelf_ask(shelf, arguments);

    return shelf_outcome(shelf_do(shelf, false, shelf_has, &request));
}

static int
shelf_remove(struct cj_shelf *shelf, int folder_fd, void *context)
{
    struct shelf_request *request = context;

    (void)shelf;
    return file_remove(folder_fd, request->name);
}

int
cj_shelf_remove(struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES])
{
    struct shelf_request request = shelf_ask(shelf, arguments);
    int r = shelf_do(shelf, false, shelf_remove, &request);

    return r == -ENOENT ? 0 : r;
}
