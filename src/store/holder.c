#include "store/holder.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "store/lease.h"
#include "store/own.h"
#include "store/place.h"
#include "store/ranges.h"
#include "sys/descriptor.h"
#include "sys/entropy.h"
#include "sys/files.h"
#include "sys/process.h"
#include "sys/thread.h"

/* Tokens are random; another one is tried when one is taken. */
#define HOLDER_TRIES 64

struct cj_leases {
    atomic_size_t n_refs;
    _Atomic(struct household *) house; /* release, acquire */
};

static struct holder *
household_first(const struct household *house)
{
    return atomic_load_explicit(&house->holders, memory_order_acquire);
}

static struct holder *
holder_next(const struct holder *holder)
{
    return atomic_load_explicit(&holder->next, memory_order_acquire);
}

static int
holder_fd(const struct holder *holder)
{
    return atomic_load_explicit(&holder->fd, memory_order_acquire);
}

/* The number goes first: what a forked child finds there is not somebody else's. */
static void
holder_close(struct holder *holder)
{
    descriptor_close(atomic_exchange_explicit(&holder->fd, -1, memory_order_acq_rel));
}

static void
household_close(struct household *house)
{
    for (struct holder *at = household_first(house); at; at = holder_next(at)) {
        holder_close(at);
    }
}

static struct household *
household_new(struct household *inherited)
{
    struct household *house = mem_alloc_zero(1, sizeof(*house));

    if (house) {
        house->process = process_self();
        mutex_init(&house->lock);
        atomic_init(&house->holders, NULL);
        house->inherited = inherited;
    }
    return house;
}

static void
household_free(struct household *house)
{
    struct holder *next;

    for (struct holder *at = household_first(house); at; at = next) {
        next = holder_next(at);
        holder_close(at);
        mem_free(at);
    }
    mutex_done(&house->lock);
    mem_free(house);
}

struct household *
household_of(struct cj_leases *leases)
{
    struct household *house =
        atomic_load_explicit(&leases->house, memory_order_acquire);
    struct household *mine;

    if (house->process == process_self()) {
        return house;
    }
    mine = household_new(house);
    if (!mine) {
        return NULL;
    }
    /* What was inherited may be locked by a thread that is not here: it stays as it is,
     * without its descriptors. */
    if (atomic_compare_exchange_strong_explicit(
            &leases->house, &house, mine, memory_order_acq_rel, memory_order_acquire)) {
        household_close(house);
        return mine;
    }
    mutex_done(&mine->lock);
    mem_free(mine);
    return house;
}

int
cj_leases_new(struct cj_leases **ret_leases)
{
    AUTO(mem_free_p) struct cj_leases *leases = mem_alloc_zero(1, sizeof(*leases));
    struct household *house = leases ? household_new(NULL) : NULL;

    if (!house) {
        return -ENOMEM;
    }
    atomic_init(&leases->n_refs, 1);
    atomic_init(&leases->house, house);
    *ret_leases = TAKE_PTR(leases);
    return 0;
}

struct cj_leases *
leases_ref(struct cj_leases *leases)
{
    atomic_fetch_add_explicit(&leases->n_refs, 1, memory_order_relaxed);
    return leases;
}

void
cj_leases_free(struct cj_leases *leases)
{
    struct household *house, *inherited;

    if (!leases ||
        atomic_fetch_sub_explicit(&leases->n_refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    house = atomic_load_explicit(&leases->house, memory_order_acquire);
    for (; house; house = inherited) {
        inherited = house->inherited;
        household_free(house);
    }
    mem_free(leases);
}

void
cj_leases_forked(struct cj_leases *leases)
{
    struct household *house =
        atomic_load_explicit(&leases->house, memory_order_acquire);

    if (house->process != process_self()) {
        household_close(house);
    }
    (void)household_of(leases);
}

static int
holder_choose_token(struct holder *holder, int fd)
{
    uint64_t token;
    int r = RANGE_LOCK_BUSY;

    for (int i = 0; r == RANGE_LOCK_BUSY && i < HOLDER_TRIES; i++) {
        r = entropy_u64(&token);
        if (r == 0) {
            token %= RANGES_N_TOKENS;
            r = range_lock_take(fd, range_of_token(token));
        }
    }
    if (r == 0) {
        holder->token = token;
    }
    return r > 0 ? -EOPNOTSUPP : r;
}

/* This thread's for that file. */
static struct holder *
holder_find(const struct household *house, const struct file_facts *file)
{
    uintptr_t thread = thread_self();

    for (struct holder *at = household_first(house); at; at = holder_next(at)) {
        if (at->n_uses > 0 && at->thread == thread && at->device == file->device &&
            at->number == file->number) {
            return at;
        }
    }
    return NULL;
}

/* One that is nobody's. */
static struct holder *
holder_find_free(const struct household *house)
{
    for (struct holder *at = household_first(house); at; at = holder_next(at)) {
        if (at->n_uses == 0) {
            return at;
        }
    }
    return NULL;
}

static struct holder *
holder_new(struct household *house)
{
    struct holder *holder = mem_alloc_zero(1, sizeof(*holder));

    if (holder) {
        atomic_init(&holder->fd, -1);
        atomic_init(&holder->next, household_first(house));
        atomic_store_explicit(&house->holders, holder, memory_order_release);
    }
    return holder;
}

/* Have a holder for an opening, which it takes. */
static int
holder_begin(struct household *house, int *fd, const struct file_facts *file,
             struct holder **ret_holder)
{
    struct holder *holder = holder_find_free(house);
    int r;

    if (!holder) {
        holder = holder_new(house);
    }
    if (!holder) {
        return -ENOMEM;
    }
    atomic_store_explicit(&holder->fd, TAKE(*fd, -1), memory_order_release);
    r = holder_choose_token(holder, holder_fd(holder));
    if (r < 0) {
        holder_close(holder);
        return r;
    }
    holder->device = file->device;
    holder->number = file->number;
    holder->thread = thread_self();
    *ret_holder = holder;
    return 0;
}

int
holder_take(struct household *house, struct cj_store *store, struct holder **ret_holder)
{
    AUTO(close_p) int fd = -1;
    struct file_facts file;
    struct holder *holder;
    int r = own_open(store, PLACE_LEASES, OWN_MAKE_STORE, &fd, &file);

    if (r < 0) {
        return r;
    }
    holder = holder_find(house, &file);
    if (!holder) {
        r = holder_begin(house, &fd, &file, &holder);
    }
    if (r == 0) {
        holder->n_uses++;
        *ret_holder = holder;
    }
    return r;
}

void
holder_drop(struct holder *holder)
{
    holder->n_uses--;
    if (holder->n_uses == 0) {
        holder_close(holder);
    }
}

bool
holder_is_busy_elsewhere(const struct household *house, const struct holder *holder)
{
    for (struct holder *at = household_first(house); at; at = holder_next(at)) {
        if (at != holder && at->held && at->thread == holder->thread) {
            return true;
        }
    }
    return false;
}

bool
holder_has(const struct holder *holder, uint64_t slot)
{
    for (const struct cj_lease *at = holder->held; at; at = at->next) {
        if (at->slot == slot) {
            return true;
        }
    }
    return false;
}
