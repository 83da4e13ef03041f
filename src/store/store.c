#include "store/store.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "store/lease.h"
#include "store/place.h"
#include "store/usage.h"
#include "sys/clock.h"
#include "sys/descriptor.h"
#include "sys/entropy.h"
#include "sys/folder.h"
#include "sys/identity.h"

static void
store_close_p(struct cj_store **store)
{
    cj_store_close(*store);
}

/* See whether what is there can be used: a first put may come much later. */
static int
store_probe(const struct cj_store *store, bool must_exist)
{
    AUTO(close_p) int location_fd = -1, root_fd = -1;
    int r = must_exist ? 0 : folder_make_path(store->location);

    if (r == 0) {
        r = folder_open_path(store->location, &location_fd);
    }
    if (r == 0) {
        r = place_open(store, "", false, &root_fd);
    }
    return r == -ENOENT && location_fd >= 0 && !must_exist ? 0 : r;
}

static void
store_take_options(struct cj_store *store, const struct cj_store_options *options)
{
    store->owner = identity_user();
    atomic_init(&store->root_fd, -1);
    if (options) {
        store->durable = options->durable;
        store->ttl_ns = options->ttl_ns;
        store->max_bytes = options->max_bytes;
        store->leases = options->leases ? leases_ref(options->leases) : NULL;
    }
}

int
cj_store_open(const char *location, const struct cj_store_options *options,
              struct cj_store **ret_store)
{
    AUTO(store_close_p) struct cj_store *store = NULL;
    int r;

    if (!*location) {
        return -ENOENT;
    }
    store = mem_alloc_zero(1, sizeof(*store));
    if (!store) {
        return -ENOMEM;
    }
    store_take_options(store, options);
    r = options && options->leases ? 0 : cj_leases_new(&store->leases);
    if (r == 0) {
        r = entropy_u64(&store->usage_slot);
    }
    if (r == 0) {
        r = folder_absolute(location, &store->location);
    }
    if (r == 0) {
        r = store_probe(store, options && options->must_exist);
    }
    if (r == 0) {
        *ret_store = TAKE_PTR(store);
    }
    return r;
}

void
cj_store_close(struct cj_store *store)
{
    if (store) {
        if (store->location) {
            usage_flush(store);
        }
        descriptor_close(atomic_load_explicit(&store->root_fd, memory_order_relaxed));
        cj_leases_free(store->leases);
        mem_free(store->location);
        mem_free(store);
    }
}

bool
store_is_expired(const struct cj_store *store, int64_t created_ns)
{
    int64_t age_ns;

    if (store->ttl_ns <= 0) {
        return false;
    }
    age_ns = clock_wall_ns() - created_ns;
    return age_ns > store->ttl_ns || age_ns < -store->ttl_ns;
}

static uint64_t
store_counted(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

void
cj_store_statistics(const struct cj_store *store,
                    struct cj_store_statistics *ret_statistics)
{
    const struct store_counts *counts = &store->counts;

    *ret_statistics = (struct cj_store_statistics){
        .n_hits = store_counted(&counts->n_hits),
        .n_misses = store_counted(&counts->n_misses),
        .n_expired = store_counted(&counts->n_expired),
        .n_corrupt = store_counted(&counts->n_corrupt),
        .n_foreign = store_counted(&counts->n_foreign),
        .n_stored = store_counted(&counts->n_stored),
        .n_evicted = store_counted(&counts->n_evicted),
        .n_waits = store_counted(&counts->n_waits),
    };
}
