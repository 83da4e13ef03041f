#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/draft.h"
#include "store/names.h"
#include "store/reduce.h"
#include "store/shelf.h"
#include "store/usage.h"
#include "sys/clock.h"
#include "sys/files.h"
#include "sys/folder.h"

/* From this size on space is set aside before the first byte is written: a disk that is
 * full says so before a long copy, and the file comes to lie in one piece. A smaller
 * file costs more to reserve than to write and lose. */
#define PUT_RESERVE_BYTES ((uint64_t)1 << 20)

/* A put begins again when somebody removes its draft, and with a named one if the
 * nameless could not be linked. */
#define PUT_TRIES 100

struct put {
    const struct entry_image *image;
    const char *name;
    struct draft draft;
    bool named; /* nameless files can't be published here */
    /* What stood there before. */
    bool replaces;
    uint64_t n_replaced_bytes;
};

static int
put_fill(const struct draft *draft, const struct entry_image *image)
{
    int r = image->n_bytes >= PUT_RESERVE_BYTES
                ? file_reserve(draft->fd, image->n_bytes)
                : 0;

    if (r == 0) {
        r = file_write(draft->fd, image->pieces, image->n_pieces);
    }
    return r < 0 || !draft->store->durable ? r : file_sync(draft->fd);
}

static int
put_open(struct cj_shelf *shelf, int folder_fd, void *context)
{
    struct put *put = context;

    draft_done(&put->draft);
    return draft_open(&put->draft, shelf->store, folder_fd, put->named);
}

static int
put_publish(struct cj_shelf *shelf, int folder_fd, void *context)
{
    struct put *put = context;
    struct file_facts before;
    int r;

    put->replaces = file_facts_at(folder_fd, put->name, &before) == 0 &&
                    before.kind == FILE_REGULAR && before.owner == shelf->store->owner;
    put->n_replaced_bytes = put->replaces ? before.n_bytes : 0;
    r = draft_publish(&put->draft, folder_fd, put->name);
    return r < 0 || !shelf->store->durable ? r : folder_sync(folder_fd);
}

/* The folder may be removed at any moment; what is written goes into the next one. */
static int
put_once(struct cj_shelf *shelf, struct put *put)
{
    int r = shelf_do(shelf, true, put_open, put);

    if (r == 0) {
        r = put_fill(&put->draft, put->image);
    }
    if (r == 0) {
        r = shelf_do(shelf, true, put_publish, put);
    }
    draft_done(&put->draft);
    return r;
}

static int
put_until_done(struct cj_shelf *shelf, struct put *put)
{
    int n_tries = 0;
    int r;

    do {
        r = put_once(shelf, put);
        put->named = true;
        n_tries++;
    } while (r == -ENOENT && n_tries < PUT_TRIES);
    return r;
}

int
shelf_publish(struct cj_shelf *shelf, const char *name, const struct entry_image *image)
{
    struct put put = {.image = image, .name = name, .draft = DRAFT_INIT};

    return put_until_done(shelf, &put);
}

/* Publish an entry, and count it. */
static int
put_entry(struct cj_shelf *shelf, const char *name, const struct entry_image *image)
{
    struct put put = {.image = image, .name = name, .draft = DRAFT_INIT};
    struct cj_store *store = shelf->store;
    int r;

    if (store->max_bytes > 0 && image->n_bytes > store->max_bytes) {
        return -EFBIG;
    }
    usage_add(store, image->n_bytes);
    r = put_until_done(shelf, &put);
    if (r < 0) {
        usage_subtract(store, image->n_bytes, 1);
        return r;
    }
    store_count(&store->counts.n_stored, 1);
    usage_subtract(store, put.n_replaced_bytes, put.replaces);
    if (store->max_bytes > 0) {
        reduce_to_bound(store);
    }
    return 0;
}

int
cj_shelf_put(struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES],
             struct cj_bytes meta, const struct cj_bytes *parts, size_t n_parts)
{
    AUTO(entry_image_done) struct entry_image image = ENTRY_IMAGE_INIT;
    struct entry_key key = shelf->key;
    char name[NAME_KEY_BYTES];
    int r;

    memcpy(key.arguments, arguments, CJ_KEY_BYTES);
    name_of_key(arguments, name);
    r = entry_encode(&image, &key, clock_wall_ns(), meta, parts, n_parts);
    return r < 0 ? r : put_entry(shelf, name, &image);
}
