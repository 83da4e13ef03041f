#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "lease_help.h"

/* How leases end that nobody releases, and waits that end without one. */

static double
now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A child that claims a key, says so, and computes for ever. `before_pause` runs in it
 * once it has the lease. */
static pid_t
start_holder(const char *name, uint64_t key, void (*before_pause)(struct cj_leases *))
{
    struct board *board = board_new();
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct cj_leases *leases;
        struct cj_lease *lease = NULL;
        struct desk desk;

        REQUIRE(cj_leases_new(&leases) == 0);
        desk = desk_new(name, leases);
        REQUIRE(desk_claim(&desk, key, &lease) == CJ_STORE_MISS && lease);
        if (before_pause) {
            before_pause(leases);
        }
        atomic_store(&board->n_computed, 1);
        for (;;) {
            pause();
        }
    }
    spin_until(&board->n_computed, 1);
    board_free(board);
    return child;
}

static void
kill_and_reap(pid_t child)
{
    int status;

    REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
}

struct heir {
    pthread_t thread;
    struct desk *desk;
    uint64_t key;
    int r;
    struct cj_lease *lease;
    double when_s;
};

static void *
heir_run(void *context)
{
    struct heir *heir = context;

    heir->r = desk_claim(heir->desk, heir->key, &heir->lease);
    heir->when_s = now_s();
    return NULL;
}

/* The holder is killed: the next one has the lease at once. */
static void
check_takeover(struct desk *desk, uint64_t key, pid_t holder)
{
    struct heir heir = {.desk = desk, .key = key};
    double killed_s;

    CHECK(is_taken(desk, key));
    REQUIRE(pthread_create(&heir.thread, NULL, heir_run, &heir) == 0);
    killed_s = now_s();
    kill_and_reap(holder);
    REQUIRE(pthread_join(heir.thread, NULL) == 0);
    CHECK(heir.r == CJ_STORE_MISS && heir.lease != NULL);
    CHECK(heir.when_s - killed_s < 1);
    CHECK(is_taken(desk, key));
    cj_lease_release(heir.lease, false);
    CHECK(!is_taken(desk, key));
}

static void
test_dead_holder(void)
{
    struct desk desk = desk_new("dead", NULL);

    for (uint64_t key = 0; key < 20; key++) {
        check_takeover(&desk, key, start_holder("dead", key, NULL));
    }
    desk_free(&desk);
}

/* Where the child below writes its number. */
static struct board *stayed;

/* The holder forks a child that stays: the child has nothing. */
static void
fork_one_that_stays(struct cj_leases *leases)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        cj_leases_forked(leases);
        atomic_store(&stayed->n_found, getpid());
        for (;;) {
            pause();
        }
    }
    spin_until(&stayed->n_found, 1);
}

static void
test_forked_child_of_dead_holder(void)
{
    struct desk desk = desk_new("forked", NULL);

    stayed = board_new();
    check_takeover(&desk, 1, start_holder("forked", 1, fork_one_that_stays));
    REQUIRE(kill(stayed->n_found, SIGKILL) == 0);
    board_free(stayed);
    desk_free(&desk);
}

/* What a forked child does with its copies changes nothing for the parent. */
static void
test_forked_child_releases(void)
{
    struct desk desk = desk_new("child", NULL);
    struct cj_lease *lease = NULL, *other = NULL;
    pid_t child;
    int status;

    REQUIRE(desk_claim(&desk, 1, &lease) == CJ_STORE_MISS && lease);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        bool is_right = is_taken(&desk, 1);

        cj_lease_release(lease, true);
        is_right = is_right && is_taken(&desk, 1) && !is_taken(&desk, 2);
        is_right = is_right && desk_claim(&desk, 2, &other) > 0 && other;
        cj_lease_release(other, true);
        desk_free(&desk);
        _exit(is_right ? 0 : 1);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(is_taken(&desk, 1));
    cj_lease_release(lease, true);
    CHECK(!is_taken(&desk, 1));
    desk_free(&desk);
}

/* A thread with a lease of one store does not wait for another one's. */
static void
test_two_stores(void)
{
    struct cj_leases *leases;
    struct desk one, two;
    struct cj_lease *lease = NULL, *inner = NULL;
    pid_t holder;

    REQUIRE(cj_leases_new(&leases) == 0);
    one = desk_new("one", leases);
    two = desk_new("two", leases);
    holder = start_holder("two", 1, NULL);
    REQUIRE(desk_claim(&one, 1, &lease) == CJ_STORE_MISS && lease);
    CHECK(desk_claim(&two, 1, &inner) == CJ_STORE_MISS && !inner);
    kill_and_reap(holder);
    CHECK(desk_claim(&two, 1, &inner) == CJ_STORE_MISS && inner);
    cj_lease_release(inner, false);
    cj_lease_release(lease, false);
    desk_free(&one);
    desk_free(&two);
    cj_leases_free(leases);
}

static void
on_signal(int number)
{
    (void)number;
}

/* A signal wakes who waits. */
static void
test_interrupted(void)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    struct desk desk = desk_new("signal", NULL);
    pid_t holder = start_holder("signal", 1, NULL);
    struct heir heir = {.desk = &desk, .key = 1, .r = 1};
    void *result;

    REQUIRE(sigaction(SIGUSR1, &action, &before) == 0);
    REQUIRE(pthread_create(&heir.thread, NULL, heir_run, &heir) == 0);
    while (pthread_tryjoin_np(heir.thread, &result) != 0) {
        (void)pthread_kill(heir.thread, SIGUSR1);
        usleep(1000);
    }
    CHECK(heir.r == -EINTR && heir.lease == NULL);
    CHECK(is_taken(&desk, 1));
    kill_and_reap(holder);
    REQUIRE(sigaction(SIGUSR1, &before, NULL) == 0);
    desk_free(&desk);
}

TESTS(TEST(test_dead_holder), TEST(test_forked_child_of_dead_holder),
      TEST(test_forked_child_releases), TEST(test_two_stores), TEST(test_interrupted))
