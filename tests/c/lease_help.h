/* What the tests of leases share: a board that threads and processes see, and a store
 * with a shelf. */

#ifndef LEASE_HELP_H
#define LEASE_HELP_H

#include <stdatomic.h>
#include <sys/mman.h>

#include "store_help.h"

/* What threads and processes that compute the same tell each other; in memory that
 * forked children share. */
struct board {
    atomic_int n_computed;
    atomic_int n_found;
    atomic_int n_wrong;
    atomic_int n_waiting;
};

static inline struct board *
board_new(void)
{
    struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    REQUIRE(board != MAP_FAILED);
    return board;
}

static inline void
board_free(struct board *board)
{
    munmap(board, sizeof(*board));
}

static inline void
spin_until(atomic_int *value, int wanted)
{
    while (atomic_load(value) < wanted) {
        usleep(200);
    }
}

struct desk {
    struct cj_store *store;
    struct cj_shelf *shelf;
};

static inline struct desk
desk_new(const char *name, struct cj_leases *leases)
{
    struct cj_store_options options = {.leases = leases};
    char *path = help_path(name);
    struct desk desk;

    REQUIRE(cj_store_open(path, &options, &desk.store) == 0);
    desk.shelf = help_shelf(desk.store, "m/f");
    free(path);
    return desk;
}

static inline void
desk_free(struct desk *desk)
{
    cj_shelf_close(desk->shelf);
    cj_store_close(desk->store);
}

/* Is the entry there, or may it be computed? Signals are other tests' business. */
static inline int
desk_claim(struct desk *desk, uint64_t key, struct cj_lease **ret_lease)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    uint64_t number;
    int r = cj_shelf_claim(desk->shelf, help_key(key).bytes, CJ_CLAIM_WAIT, &entry,
                           ret_lease);

    CHECK(r != 0 || (help_is_whole(&entry, &number) && number == key));
    cj_entry_done(&entry);
    return r;
}

/* Whether the lease of a key is somebody's, as the store sees it. */
static inline bool
is_taken(struct desk *desk, uint64_t key)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    struct cj_lease *lease = NULL;
    int r =
        cj_shelf_claim(desk->shelf, help_key(key).bytes, CJ_CLAIM_TRY, &entry, &lease);
    bool is_mine = lease != NULL;

    CHECK(r == CJ_STORE_MISS);
    cj_lease_release(lease, true);
    return !is_mine;
}

#endif
