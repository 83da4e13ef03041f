#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "store/names.h"
#include "store/place.h"
#include "store/reduce.h"
#include "store/usage.h"
#include "store/walk.h"
#include "sys/clock.h"
#include "sys/descriptor.h"
#include "sys/files.h"

/* A store that has grown beyond its bound is made smaller than that by a tenth, so that
 * the next entries need no walk. */
#define REDUCE_ROOM 10

#define REDUCE_TRIES 8

/* No entry is older than the library: 2020-01-01. */
#define REDUCE_BEGINNING_NS (INT64_C(1577836800) * 1000000000)

struct reduce_item {
    int64_t used_ns;    /* believable */
    int64_t written_ns; /* as it stands on the file */
    uint64_t n_bytes;
    uint32_t folder;
    uint8_t arguments[CJ_KEY_BYTES];
};

struct reduce {
    const struct cj_store *store;
    int64_t now_ns;
    struct reduce_item *items;
    size_t n_items, n_items_room;
    char **folders; /* of versions, relative to PLACE_ROOT */
    size_t n_folders, n_folders_room;
    uint64_t n_bytes;
};

static void
reduce_done(struct reduce *reduce)
{
    for (size_t i = 0; i < reduce->n_folders; i++) {
        mem_free(reduce->folders[i]);
    }
    mem_free(reduce->folders);
    mem_free(reduce->items);
}

/* Room for one more in a list of things of `size` bytes. */
static int
reduce_make_room(void **list, size_t n, size_t *n_room, size_t size)
{
    size_t n_more = *n_room > 0 ? 2 * *n_room : 256;
    void *more;

    if (n < *n_room) {
        return 0;
    }
    more = mem_resize(*list, n_more * size);
    if (!more) {
        return -ENOMEM;
    }
    *list = more;
    *n_room = n_more;
    return 0;
}

static int
reduce_version(void *context, const struct walk_entry *version, bool *ret_enter)
{
    struct reduce *reduce = context;
    const char *path = version->path + sizeof(PLACE_ROOT);
    void *list = reduce->folders;
    int r = reduce_make_room(&list, reduce->n_folders, &reduce->n_folders_room,
                             sizeof(*reduce->folders));
    char *copy;

    reduce->folders = list;
    copy = r == 0 ? mem_alloc(strlen(path) + 1) : NULL;
    if (!copy) {
        return -ENOMEM;
    }
    strcpy(copy, path);
    reduce->folders[reduce->n_folders++] = copy;
    *ret_enter = true;
    return 0;
}

/* When an entry was last used. A time of the future, or from before the library, is the
 * clock's fault and not the entry's: then the file system's own note counts, which
 * nobody can set; and if that is no better, it was used just now. */
static int64_t
reduce_last_use(const struct reduce *reduce, const struct file_facts *facts)
{
    if (facts->written_ns <= reduce->now_ns &&
        facts->written_ns >= REDUCE_BEGINNING_NS) {
        return facts->written_ns;
    }
    if (facts->changed_ns <= reduce->now_ns &&
        facts->changed_ns >= REDUCE_BEGINNING_NS) {
        return facts->changed_ns;
    }
    return reduce->now_ns;
}

static int
reduce_entry(void *context, const struct walk_entry *entry)
{
    struct reduce *reduce = context;
    struct file_facts facts;
    void *list = reduce->items;
    int r = file_facts_at(entry->folder_fd, entry->name, &facts);

    if (r < 0) {
        return walk_gone(r);
    }
    if (facts.kind != FILE_REGULAR || facts.owner != reduce->store->owner) {
        return 0;
    }
    r = reduce_make_room(&list, reduce->n_items, &reduce->n_items_room,
                         sizeof(*reduce->items));
    reduce->items = list;
    if (r == 0) {
        struct reduce_item *item = &reduce->items[reduce->n_items++];

        item->used_ns = reduce_last_use(reduce, &facts);
        item->written_ns = facts.written_ns;
        item->n_bytes = facts.n_bytes;
        item->folder = (uint32_t)reduce->n_folders - 1;
        memcpy(item->arguments, entry->key.arguments, CJ_KEY_BYTES);
        reduce->n_bytes += facts.n_bytes;
    }
    return r;
}

static int
reduce_compare_use(const void *a, const void *b)
{
    const struct reduce_item *one = a, *other = b;

    if (one->used_ns != other->used_ns) {
        return one->used_ns < other->used_ns ? -1 : 1;
    }
    return memcmp(one->arguments, other->arguments, CJ_KEY_BYTES);
}

static int
reduce_compare_folder(const void *a, const void *b)
{
    const struct reduce_item *one = a, *other = b;

    return (one->folder > other->folder) - (one->folder < other->folder);
}

static bool
reduce_has_old(const struct reduce *reduce, int64_t age_ns)
{
    for (size_t i = 0; i < reduce->n_items; i++) {
        if (reduce->now_ns - reduce->items[i].used_ns > age_ns) {
            return true;
        }
    }
    return false;
}

/* How many must go; they are the first ones then. */
static size_t
reduce_choose(struct reduce *reduce, const struct cj_store_limits *limits)
{
    uint64_t n_bytes = reduce->n_bytes, n_left = reduce->n_items;
    size_t n = 0;

    if (n_bytes <= limits->n_bytes && n_left <= limits->n_entries &&
        !reduce_has_old(reduce, limits->age_ns)) {
        return 0;
    }
    qsort(reduce->items, reduce->n_items, sizeof(*reduce->items), reduce_compare_use);
    while (n < reduce->n_items &&
           (n_bytes > limits->n_bytes || n_left > limits->n_entries ||
            reduce->now_ns - reduce->items[n].used_ns > limits->age_ns)) {
        n_bytes -= reduce->items[n].n_bytes;
        n_left--;
        n++;
    }
    qsort(reduce->items, n, sizeof(*reduce->items), reduce_compare_folder);
    return n;
}

/* Remove one, unless somebody used it since. Whether it is gone by this: 1, or 0. */
static int
reduce_remove(const struct reduce_item *item, int folder_fd)
{
    struct file_facts facts;
    char name[NAME_KEY_BYTES];
    int r;

    name_of_key(item->arguments, name);
    r = file_facts_at(folder_fd, name, &facts);
    if (r == 0 &&
        (facts.written_ns != item->written_ns || facts.n_bytes != item->n_bytes)) {
        return 0;
    }
    if (r == 0) {
        r = file_remove(folder_fd, name);
    }
    return r == 0 ? 1 : walk_gone(r);
}

static int
reduce_remove_first(struct reduce *reduce, size_t n, struct cj_store_reduction *result)
{
    AUTO(close_p) int folder_fd = -1;
    uint32_t folder = UINT32_MAX;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        const struct reduce_item *item = &reduce->items[i];

        if (item->folder != folder) {
            folder = item->folder;
            descriptor_close(TAKE(folder_fd, -1));
            r = walk_gone(
                place_open(reduce->store, reduce->folders[folder], false, &folder_fd));
        }
        if (r >= 0 && folder_fd >= 0) {
            r = reduce_remove(item, folder_fd);
        }
        if (r == 1) {
            result->n_removed++;
            result->n_removed_bytes += item->n_bytes;
        }
    }
    return r < 0 ? r : 0;
}

/* One walk, and the end of those that were used least recently. */
static int
reduce_walk(struct cj_store *store, const struct cj_store_limits *limits,
            struct usage *ret_found, struct cj_store_reduction *ret_result)
{
    AUTO(reduce_done) struct reduce reduce = {.store = store};
    struct walk_visitor visitor = {
        .version = reduce_version, .entry = reduce_entry, .context = &reduce};
    struct cj_store_reduction result = {0};
    int r;

    reduce.now_ns = clock_wall_ns();
    r = walk_store(store, &visitor);
    if (r < 0) {
        return r;
    }
    *ret_found = (struct usage){.n_bytes = (int64_t)reduce.n_bytes,
                                .n_entries = (int64_t)reduce.n_items};
    r = reduce_remove_first(&reduce, reduce_choose(&reduce, limits), &result);
    result.n_bytes = reduce.n_bytes - result.n_removed_bytes;
    result.n_entries = reduce.n_items - result.n_removed;
    *ret_result = result;
    return r;
}

/* The same, and the kept sum is set right. With `alone` not while another one does it:
 * USAGE_BUSY. */
static int
reduce_and_count(struct cj_store *store, const struct cj_store_limits *limits,
                 bool alone, struct cj_store_reduction *ret_result)
{
    struct cj_store_reduction result = {0};
    AUTO(usage_count_done) struct usage_count count = USAGE_COUNT_INIT;
    struct usage found = {0};
    int counts = usage_begin_count(store, &count);
    int r;

    if (counts == USAGE_BUSY && alone) {
        return counts;
    }
    r = reduce_walk(store, limits, &found, &result);
    if (r == 0 && counts == 0) {
        usage_end_count(store, &count, found.n_bytes, found.n_entries);
    }
    usage_evict(store, result.n_removed_bytes, result.n_removed);
    store_count(&store->counts.n_evicted, result.n_removed);
    if (r == 0) {
        *ret_result = result;
    }
    return r;
}

int
cj_store_reduce(struct cj_store *store, const struct cj_store_limits *limits,
                struct cj_store_reduction *ret_result)
{
    struct usage usage;

    if (limits->age_ns == INT64_MAX && usage_read(store, &usage) == 0 &&
        usage.n_bytes >= 0 && (uint64_t)usage.n_bytes <= limits->n_bytes &&
        usage.n_entries >= 0 && (uint64_t)usage.n_entries <= limits->n_entries) {
        *ret_result = (struct cj_store_reduction){
            .n_entries = (uint64_t)usage.n_entries, .n_bytes = (uint64_t)usage.n_bytes};
        return 0;
    }
    return reduce_and_count(store, limits, false, ret_result);
}

/* How much there is: the kept sum, or a walk. */
static int
reduce_measure(struct cj_store *store, bool alone,
               struct cj_store_reduction *ret_result)
{
    struct cj_store_limits none = CJ_STORE_NO_LIMITS;
    struct usage usage;
    int r = usage_read(store, &usage);

    if (r != 0 || usage.n_bytes < 0 || usage.n_entries < 0) {
        return reduce_and_count(store, &none, alone, ret_result);
    }
    *ret_result = (struct cj_store_reduction){.n_bytes = (uint64_t)usage.n_bytes,
                                              .n_entries = (uint64_t)usage.n_entries};
    return 0;
}

/* Again as long as others put more than that meanwhile. While another one is at it,
 * nobody joins in, unless the store has grown by much: it may be asleep. */
void
reduce_to_bound(struct cj_store *store)
{
    struct cj_store_limits limits = CJ_STORE_NO_LIMITS;
    uint64_t room = store->max_bytes / REDUCE_ROOM;
    struct cj_store_reduction result;
    int r = 0;

    limits.n_bytes = store->max_bytes - room;
    for (int i = 0; r == 0 && i < REDUCE_TRIES; i++) {
        r = reduce_measure(store, true, &result);
        if (r != 0 || result.n_bytes <= store->max_bytes) {
            return;
        }
        r = reduce_and_count(store, &limits, result.n_bytes - store->max_bytes <= room,
                             &result);
    }
}

int
cj_store_info(struct cj_store *store, struct cj_store_info *ret_info)
{
    struct cj_store_reduction measured;
    struct usage usage = {0};
    int r = reduce_measure(store, false, &measured);

    if (r == 0) {
        /* Where nothing can be kept there are no such sums. */
        (void)!usage_read(store, &usage);
        *ret_info = (struct cj_store_info){
            .n_entries = measured.n_entries,
            .n_bytes = measured.n_bytes,
            .n_hits = usage.n_hits,
            .n_misses = usage.n_misses,
            .n_evicted = usage.n_evicted,
        };
    }
    return r;
}
