#include "store/lease.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/memory.h"
#include "cjoblib/digest.h"
#include "store/holder.h"
#include "store/ranges.h"
#include "sys/files.h"

/* Bytes of the lock file, see lease.h. */
#define LEASE_MARKS 4096

/* Longer chains of threads that wait for each other are taken for circles. */
#define LEASE_MAX_CHAIN 256

static uint64_t
lease_slot(const struct entry_key *key)
{
    uint8_t digest[CJ_KEY_BYTES];

    cj_xxh128(key, sizeof(*key), digest);
    return get_le64(digest) % RANGES_N_SLOTS;
}

static uint8_t
lease_mark_read(const struct holder *holder, uint64_t slot)
{
    uint8_t mark = 0;
    size_t n_read;

    /* A mark that can't be read only makes those that wait come one after the other. */
    (void)!file_read(holder->fd, slot % LEASE_MARKS, &mark, 1, &n_read);
    return mark;
}

static void
lease_mark_change(const struct holder *holder, uint64_t slot)
{
    uint8_t mark = (uint8_t)(lease_mark_read(holder, slot) + 1);

    (void)!file_write_at(holder->fd, slot % LEASE_MARKS, &mark, 1);
}

/* Who has the lease of a slot: 0; RANGE_LOCK_FREE: nobody else. */
static int
lease_look_holder(int fd, uint64_t slot, uint64_t *ret_token)
{
    struct range found;
    int r = range_lock_look(fd, range_of_lease(slot, 0), &found);

    if (r == 0) {
        *ret_token = range_meaning(found);
    }
    return r;
}

/* What a holder waits for: 0; RANGE_LOCK_FREE: nothing. */
static int
lease_look_wait(int fd, uint64_t token, uint64_t *ret_slot)
{
    struct range found;
    int r = range_lock_look(fd, range_of_wait(token, 0), &found);

    if (r == 0) {
        *ret_slot = range_meaning(found);
    }
    return r;
}

/* Whether who has the lease of `slot` waits, however indirectly, for this holder. */
static bool
lease_closes_circle(const struct holder *holder, uint64_t slot)
{
    uint64_t token = RANGES_N_TOKENS, next;
    int fd = holder->fd;

    for (int i = 0; i < LEASE_MAX_CHAIN; i++) {
        if (holder_has(holder, slot)) {
            return true;
        }
        /* A holder that waits for its own has got it this moment. */
        if (lease_look_holder(fd, slot, &next) != 0 || next == token) {
            return false;
        }
        token = next;
        if (lease_look_wait(fd, token, &slot) != 0) {
            return false;
        }
    }
    return true;
}

/* Wait for the lease, which another one has. The household's lock is let go meanwhile.
 */
static int
lease_wait(struct household *house, struct holder *holder, uint64_t slot)
{
    struct range range = range_of_lease(slot, holder->token);
    struct range wait = range_of_wait(holder->token, slot);
    uint8_t mark = lease_mark_read(holder, slot);
    int r = range_lock_take(holder->fd, wait);

    if (r != 0) {
        return LEASE_UNABLE;
    }
    if (lease_closes_circle(holder, slot)) {
        r = LEASE_CIRCLE;
    }
    else {
        mutex_unlock(&house->lock);
        r = range_lock_wait(holder->fd, range);
        mutex_lock(&house->lock);
    }
    range_lock_release(holder->fd, wait);
    if (r == 0 && lease_mark_read(holder, slot) != mark) {
        range_lock_release(holder->fd, range);
        return LEASE_GIVEN_UP;
    }
    return r == 0 ? LEASE_WAITED : r;
}

static int
lease_lock(struct household *house, struct holder *holder, uint64_t slot,
           enum cj_claim_mode mode)
{
    int r;

    if (holder_has(holder, slot)) {
        return LEASE_RECURSION;
    }
    r = range_lock_take(holder->fd, range_of_lease(slot, holder->token));
    if (r != RANGE_LOCK_BUSY) {
        return r > 0 ? LEASE_UNABLE : r;
    }
    if (mode == CJ_CLAIM_TRY || holder_is_busy_elsewhere(house, holder)) {
        return LEASE_BUSY;
    }
    return lease_wait(house, holder, slot);
}

static int
lease_take_locked(struct household *house, struct cj_store *store,
                  struct cj_lease *lease, enum cj_claim_mode mode)
{
    struct holder *holder;
    int r = holder_take(house, store, &holder);

    if (r < 0) {
        return r;
    }
    r = lease_lock(house, holder, lease->slot, mode);
    if (r == 0 || r == LEASE_WAITED) {
        lease->holder = holder;
        lease->next = holder->held;
        holder->held = lease;
    }
    else {
        holder_drop(holder);
    }
    return r;
}

int
lease_take(struct cj_store *store, const struct entry_key *key, enum cj_claim_mode mode,
           struct cj_lease **ret_lease)
{
    AUTO(mem_free_p) struct cj_lease *lease = mem_alloc_zero(1, sizeof(*lease));
    struct household *house = household_of(store->leases);
    int r;

    if (!lease || !house) {
        return LEASE_UNABLE;
    }
    lease->slot = lease_slot(key);
    lease->house = house;
    mutex_lock(&house->lock);
    r = lease_take_locked(house, store, lease, mode);
    mutex_unlock(&house->lock);
    if (r == 0 || r == LEASE_WAITED) {
        lease->leases = leases_ref(store->leases);
        *ret_lease = TAKE_PTR(lease);
    }
    store_count(&store->counts.n_waits, r == LEASE_WAITED || r == LEASE_GIVEN_UP);
    /* That there is no lease is no reason not to compute. */
    return r < 0 && r != -EINTR ? LEASE_UNABLE : r;
}

/* Take it out of its holder's list. */
static void
lease_unlink(struct cj_lease *lease)
{
    struct cj_lease **at = &lease->holder->held;

    while (*at != lease) {
        at = &(*at)->next;
    }
    *at = lease->next;
}

static void
lease_give_back(struct household *house, struct cj_lease *lease, bool is_stored)
{
    struct holder *holder = lease->holder;

    mutex_lock(&house->lock);
    lease_unlink(lease);
    if (!is_stored) {
        lease_mark_change(holder, lease->slot);
    }
    range_lock_release(holder->fd, range_of_lease(lease->slot, holder->token));
    holder_drop(holder);
    mutex_unlock(&house->lock);
}

void
cj_lease_release(struct cj_lease *lease, bool is_stored)
{
    if (!lease) {
        return;
    }
    if (household_of(lease->leases) == lease->house) {
        lease_give_back(lease->house, lease, is_stored);
    }
    cj_leases_free(lease->leases);
    mem_free(lease);
}
