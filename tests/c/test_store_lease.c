#include <pthread.h>
#include <sys/wait.h>

#include "lease_help.h"

enum { MAX_CREW = 32 };

/* One call of a cached function, of which `n_callers` know: the first to compute waits
 * until all others have asked. */
static void
call_once(struct desk *desk, struct board *board, uint64_t key, int n_callers)
{
    struct cj_lease *lease = NULL;
    struct cj_entry entry = CJ_ENTRY_INIT;
    int r = cj_shelf_get(desk->shelf, help_key(key).bytes, &entry);

    cj_entry_done(&entry);
    atomic_fetch_add(&board->n_waiting, 1);
    if (r > 0) {
        r = desk_claim(desk, key, &lease);
    }
    if (r > 0) {
        spin_until(&board->n_waiting, n_callers);
        atomic_fetch_add(&board->n_computed, 1);
        r = help_put(desk->shelf, key, 1000, key);
        cj_lease_release(lease, r == 0);
    }
    else {
        atomic_fetch_add(&board->n_found, 1);
    }
    atomic_fetch_add(&board->n_wrong, r != 0);
}

struct caller {
    pthread_t thread;
    struct desk *desk;
    struct board *board;
    int n_callers;
    uint64_t key;
};

static void *
caller_run(void *context)
{
    struct caller *caller = context;

    call_once(caller->desk, caller->board, caller->key, caller->n_callers);
    return NULL;
}

static void
stampede_of_threads(struct desk *desks, size_t n_desks, int n, uint64_t key)
{
    struct caller callers[MAX_CREW];
    struct board *board = board_new();

    for (int i = 0; i < n; i++) {
        callers[i] = (struct caller){.desk = &desks[(size_t)i % n_desks],
                                     .board = board,
                                     .n_callers = n,
                                     .key = key};
        REQUIRE(pthread_create(&callers[i].thread, NULL, caller_run, &callers[i]) == 0);
    }
    for (int i = 0; i < n; i++) {
        REQUIRE(pthread_join(callers[i].thread, NULL) == 0);
    }
    CHECK(board->n_computed == 1 && board->n_found == n - 1 && board->n_wrong == 0);
    board_free(board);
}

/* Threads that share a store, and such that have each opened it for themselves. */
static void
test_stampede_of_threads(void)
{
    static const int sizes[] = {2, 8, 32};
    struct cj_leases *leases;
    struct desk desks[3];

    REQUIRE(cj_leases_new(&leases) == 0);
    desks[0] = desk_new("threads", leases);
    desks[1] = desk_new("threads", leases);
    desks[2] = desk_new("threads", NULL);
    for (size_t i = 0; i < 3; i++) {
        for (uint64_t round = 0; round < 10; round++) {
            stampede_of_threads(desks, 1, sizes[i], 100 * i + 2 * round);
            stampede_of_threads(desks, 3, sizes[i], 100 * i + 2 * round + 1);
        }
    }
    help_check(desks[0].store);
    for (size_t i = 0; i < 3; i++) {
        desk_free(&desks[i]);
    }
    cj_leases_free(leases);
}

static void
stampede_of_processes(int n, uint64_t key)
{
    struct board *board = board_new();
    pid_t children[MAX_CREW];
    int status;

    for (int i = 0; i < n; i++) {
        children[i] = fork();
        REQUIRE(children[i] >= 0);
        if (children[i] == 0) {
            struct desk desk = desk_new("processes", NULL);

            call_once(&desk, board, key, n);
            desk_free(&desk);
            _exit(0);
        }
    }
    for (int i = 0; i < n; i++) {
        REQUIRE(waitpid(children[i], &status, 0) == children[i]);
        CHECK(status == 0);
    }
    CHECK(board->n_computed == 1 && board->n_found == n - 1 && board->n_wrong == 0);
    board_free(board);
}

static void
test_stampede_of_processes(void)
{
    for (uint64_t round = 0; round < 5; round++) {
        stampede_of_processes(2, 3 * round);
        stampede_of_processes(8, 3 * round + 1);
        stampede_of_processes(32, 3 * round + 2);
    }
}

/* A damaged entry is computed again once, too. */
static void
test_damaged_entry(void)
{
    struct desk desk = desk_new("damaged", NULL);
    char *path = help_entry_path("damaged", desk.shelf, 5);

    CHECK(help_put(desk.shelf, 5, 1000, 5) == 0);
    REQUIRE(truncate(path, 500) == 0);
    stampede_of_threads(&desk, 1, 8, 5);
    help_check(desk.store);
    free(path);
    desk_free(&desk);
}

static void
test_recursion(void)
{
    struct cj_leases *leases;
    struct desk desk, again;
    struct cj_lease *lease = NULL, *inner = NULL;

    REQUIRE(cj_leases_new(&leases) == 0);
    desk = desk_new("recursion", leases);
    again = desk_new("recursion", leases);
    REQUIRE(desk_claim(&desk, 1, &lease) == CJ_STORE_MISS && lease);
    CHECK(desk_claim(&desk, 1, &inner) == CJ_STORE_MISS && !inner);
    CHECK(desk_claim(&again, 1, &inner) == CJ_STORE_MISS && !inner);
    CHECK(desk_claim(&again, 2, &inner) == CJ_STORE_MISS && inner);
    CHECK(help_put(desk.shelf, 1, 10, 1) == 0);
    cj_lease_release(lease, true);
    CHECK(desk_claim(&desk, 1, &lease) == 0);
    cj_lease_release(inner, false);
    desk_free(&desk);
    desk_free(&again);
    cj_leases_free(leases);
}

/* Each of a ring of threads (or processes) has one key and wants the next one's. */
static void
ring_member(struct desk *desk, struct board *board, uint64_t at, uint64_t n,
            uint64_t base)
{
    struct cj_lease *mine = NULL, *next = NULL;
    int r = desk_claim(desk, base + at, &mine);

    atomic_fetch_add(&board->n_wrong, r != CJ_STORE_MISS || !mine);
    atomic_fetch_add(&board->n_waiting, 1);
    spin_until(&board->n_waiting, (int)n);
    r = desk_claim(desk, base + (at + 1) % n, &next);
    if (r > 0) {
        r = help_put(desk->shelf, base + (at + 1) % n, 10, base + (at + 1) % n);
        cj_lease_release(next, r == 0);
    }
    atomic_fetch_add(&board->n_wrong, r != 0);
    r = help_put(desk->shelf, base + at, 10, base + at);
    cj_lease_release(mine, r == 0);
    atomic_fetch_add(&board->n_computed, 1);
}

struct ringer {
    pthread_t thread;
    struct desk *desk;
    struct board *board;
    uint64_t at, n, base;
};

static void *
ringer_run(void *context)
{
    struct ringer *ringer = context;

    ring_member(ringer->desk, ringer->board, ringer->at, ringer->n, ringer->base);
    return NULL;
}

static void
ring_of_threads(struct desk *desk, uint64_t n, uint64_t base)
{
    struct ringer ringers[MAX_CREW];
    struct board *board = board_new();

    for (uint64_t i = 0; i < n; i++) {
        ringers[i] = (struct ringer){0, desk, board, i, n, base};
        REQUIRE(pthread_create(&ringers[i].thread, NULL, ringer_run, &ringers[i]) == 0);
    }
    for (uint64_t i = 0; i < n; i++) {
        REQUIRE(pthread_join(ringers[i].thread, NULL) == 0);
    }
    CHECK(board->n_computed == (int)n && board->n_wrong == 0);
    board_free(board);
}

static void
ring_of_processes(uint64_t n, uint64_t base)
{
    struct board *board = board_new();

    for (uint64_t i = 0; i < n; i++) {
        pid_t child = fork();

        REQUIRE(child >= 0);
        if (child == 0) {
            struct desk desk = desk_new("ring", NULL);

            ring_member(&desk, board, i, n, base);
            desk_free(&desk);
            _exit(0);
        }
    }
    while (waitpid(-1, NULL, 0) > 0) {
    }
    CHECK(board->n_computed == (int)n && board->n_wrong == 0);
    board_free(board);
}

static void
test_circles(void)
{
    struct desk desk = desk_new("ring", NULL);

    for (uint64_t round = 0; round < 20; round++) {
        ring_of_threads(&desk, 2, 1000 * round);
        ring_of_threads(&desk, 7, 1000 * round + 100);
        ring_of_processes(2, 1000 * round + 200);
        ring_of_processes(5, 1000 * round + 300);
    }
    help_check(desk.store);
    desk_free(&desk);
}

static void *
give_up_run(void *context)
{
    struct caller *caller = context;
    struct cj_lease *lease = NULL;
    int r;

    r = desk_claim(caller->desk, caller->key, &lease);
    atomic_fetch_add(&caller->board->n_wrong, r != CJ_STORE_MISS);
    /* Nobody goes on before all compute. */
    atomic_fetch_add(&caller->board->n_computed, 1);
    spin_until(&caller->board->n_computed, caller->n_callers);
    cj_lease_release(lease, false);
    return NULL;
}

/* How many sleep until a lock of the file is free, as the kernel lists them. */
static int
count_waiting(const char *path)
{
    FILE *list = fopen("/proc/locks", "r");
    char line[256], number[32];
    struct stat stat_;
    int n = 0;

    REQUIRE(list && stat(path, &stat_) == 0);
    snprintf(number, sizeof(number), ":%llu ", (unsigned long long)stat_.st_ino);
    while (fgets(line, sizeof(line), list)) {
        n += strstr(line, "-> ") && strstr(line, number);
    }
    fclose(list);
    return n;
}

/* The holder gives up: those who wait compute side by side. */
static void
test_given_up(void)
{
    enum { N = 6 };
    struct desk desk = desk_new("given-up", NULL);
    char *path = help_path("given-up/cjoblib/.leases");
    struct board *board = board_new();
    struct cj_lease *lease = NULL;
    struct caller callers[N];

    REQUIRE(desk_claim(&desk, 1, &lease) == CJ_STORE_MISS && lease);
    for (int i = 0; i < N; i++) {
        callers[i] =
            (struct caller){.desk = &desk, .board = board, .n_callers = N, .key = 1};
        REQUIRE(pthread_create(&callers[i].thread, NULL, give_up_run, &callers[i]) ==
                0);
    }
    while (count_waiting(path) < N) {
        usleep(1000);
    }
    cj_lease_release(lease, false);
    for (int i = 0; i < N; i++) {
        REQUIRE(pthread_join(callers[i].thread, NULL) == 0);
    }
    CHECK(board->n_computed == N && board->n_wrong == 0);
    free(path);
    board_free(board);
    desk_free(&desk);
}

/* Where nothing can be written, or a stranger's file stands, there is no lease, and no
 * error. */
static void
test_no_lease_to_be_had(void)
{
    char *path = help_path("strange/cjoblib/.leases");
    struct desk desk = desk_new("strange", NULL);
    struct cj_lease *lease = NULL;
    struct cj_store_report report;

    CHECK(help_put(desk.shelf, 1, 10, 1) == 0);
    REQUIRE(symlink("/etc/passwd", path) == 0);
    CHECK(desk_claim(&desk, 2, &lease) == CJ_STORE_MISS && !lease);
    CHECK(cj_store_check(desk.store, false, &report) == 0 && report.n_corrupt == 0);
    REQUIRE(unlink(path) == 0 && mkdir(path, 0700) == 0);
    CHECK(desk_claim(&desk, 2, &lease) == CJ_STORE_MISS && !lease);
    REQUIRE(rmdir(path) == 0);
    CHECK(desk_claim(&desk, 2, &lease) == CJ_STORE_MISS && lease);
    /* Somebody removes it: the next lease is in the new one. */
    REQUIRE(unlink(path) == 0);
    CHECK(!is_taken(&desk, 3));
    CHECK(access(path, F_OK) == 0);
    cj_lease_release(lease, false);
    free(path);
    desk_free(&desk);
}

static void
test_nothing_leaks(void)
{
    size_t before = help_count_fds();

    for (int i = 0; i < 3; i++) {
        help_remove_tree(help_scratch());
        REQUIRE(mkdir(help_scratch(), 0700) == 0);
        test_recursion();
        test_given_up();
        test_no_lease_to_be_had();
    }
    CHECK(help_count_fds() == before);
}

TESTS(TEST(test_stampede_of_threads), TEST(test_stampede_of_processes),
      TEST(test_damaged_entry), TEST(test_recursion), TEST(test_circles),
      TEST(test_given_up), TEST(test_no_lease_to_be_had), TEST(test_nothing_leaks))
