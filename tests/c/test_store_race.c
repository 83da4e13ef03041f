#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "store_help.h"

enum { N_THREADS = 8, N_WRITERS = 4, N_KEYS = 8 };

struct crew;

struct member {
    struct crew *crew;
    uint64_t number; /* 0, 1, ... */
    pthread_t thread;
};

/* Threads that do the same at the same time, and what came of it. */
struct crew {
    struct cj_store *store;
    struct cj_shelf *shelf;
    int n_rounds;
    pthread_barrier_t start;
    /* Counted by all threads (relaxed); read after they were joined. */
    atomic_int n_wrong; /* a value that was never put, or an error */
    atomic_int error;   /* of one of these */
    atomic_int n_hits;
    atomic_int n_done; /* threads that have ended; release, acquire */
    struct member members[N_THREADS + 1];
};

static void
crew_count(atomic_int *counter, bool counts)
{
    if (counts) {
        atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
    }
}

static void
crew_start(struct crew *crew, size_t n, void *(*run)(void *member))
{
    REQUIRE(pthread_barrier_init(&crew->start, NULL, (unsigned)n) == 0);
    for (size_t i = 0; i < n; i++) {
        crew->members[i] = (struct member){.crew = crew, .number = i};
        REQUIRE(pthread_create(&crew->members[i].thread, NULL, run,
                               &crew->members[i]) == 0);
    }
}

static void
crew_join(struct crew *crew, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        REQUIRE(pthread_join(crew->members[i].thread, NULL) == 0);
    }
    pthread_barrier_destroy(&crew->start);
}

/* No call may fail, whatever the others do. */
static void
crew_expect_done(struct crew *crew, int r)
{
    if (r != 0) {
        crew_count(&crew->n_wrong, true);
        atomic_store_explicit(&crew->error, r, memory_order_relaxed);
    }
}

/* Look an entry up; it must be whole and of its key, or absent. */
static void
crew_get(struct crew *crew, uint64_t key)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    uint64_t number = UINT64_MAX;
    int r = cj_shelf_get(crew->shelf, help_key(key).bytes, &entry);

    crew_expect_done(crew, r == CJ_STORE_MISS ? 0 : r);
    crew_count(&crew->n_wrong,
               r == 0 && (!help_is_whole(&entry, &number) || number % N_KEYS != key));
    crew_count(&crew->n_hits, r == 0);
    cj_entry_done(&entry);
}

static void *
first_put(void *context)
{
    struct member *member = context;
    struct crew *crew = member->crew;
    uint64_t key = member->number % N_KEYS;

    pthread_barrier_wait(&crew->start);
    crew_expect_done(crew, help_put(crew->shelf, key, 100, key));
    crew_get(crew, key);
    return NULL;
}

/* The first put of a fresh function by eight threads at once, in a store that is fresh
 * too every other time. */
static void
test_first_put(void)
{
    char name[40];

    for (int round = 0; round < 200; round++) {
        struct crew crew = {.n_rounds = 1};

        snprintf(name, sizeof(name), "m/f%d", round);
        crew.store = help_store(round % 2 ? "first" : name + 2);
        crew.shelf = help_shelf(crew.store, name);
        crew_start(&crew, N_THREADS, first_put);
        crew_join(&crew, N_THREADS);
        CHECK(crew.n_wrong == 0 && crew.n_hits == N_THREADS);
        help_check(crew.store);
        cj_shelf_close(crew.shelf);
        cj_store_close(crew.store);
    }
}

static void *
read_and_write(void *context)
{
    struct member *member = context;
    struct crew *crew = member->crew;
    uint64_t state = member->number + 1;

    pthread_barrier_wait(&crew->start);
    for (int i = 0; i < crew->n_rounds; i++) {
        uint64_t key = help_random(&state) % N_KEYS;
        size_t size = help_random(&state) % 20000;

        if (member->number % 2) {
            crew_get(crew, key);
        }
        else {
            crew_expect_done(
                crew, help_put(crew->shelf, key, size, key + N_KEYS * (uint64_t)i));
        }
    }
    atomic_fetch_add_explicit(&crew->n_done, 1, memory_order_release);
    return NULL;
}

/* Clear, again and again, as long as others read and write. Another handle, as another
 * process would have it. */
static int
clear_until_done(struct crew *crew, const char *name)
{
    struct cj_store *store = help_store(name);
    struct cj_shelf *shelf = help_shelf(store, "m/f");
    struct cj_store_report report;
    int n = 0;

    while (atomic_load_explicit(&crew->n_done, memory_order_acquire) < N_THREADS) {
        crew_expect_done(crew, cj_store_clear(store));
        crew_expect_done(crew, cj_shelf_clear(shelf, CJ_VERSIONS_ALL));
        report = (struct cj_store_report){0};
        crew_expect_done(crew, cj_store_check(store, true, &report));
        crew_count(&crew->n_wrong, report.n_corrupt != 0 || report.n_foreign != 0);
        n++;
    }
    cj_shelf_close(shelf);
    cj_store_close(store);
    return n;
}

static void
test_clear_against_all(void)
{
    struct crew crew = {.n_rounds = 800};
    int n_clears;

    crew.store = help_store("clear");
    crew.shelf = help_shelf(crew.store, "m/f");
    crew_start(&crew, N_THREADS, read_and_write);
    n_clears = clear_until_done(&crew, "clear");
    crew_join(&crew, N_THREADS);
    printf("%d clears, %d hits, %d wrong, error %d\n", n_clears, (int)crew.n_hits,
           (int)crew.n_wrong, (int)crew.error);
    CHECK(crew.n_wrong == 0 && n_clears > 10);
    help_check(crew.store);
    cj_shelf_close(crew.shelf);
    cj_store_close(crew.store);
}

/* Write until killed. */
static void
write_forever(const char *name, uint64_t number)
{
    struct cj_store *store = help_store(name);
    struct cj_shelf *shelf = help_shelf(store, "m/f");
    uint64_t state = number + 1;

    for (;;) {
        uint64_t key = help_random(&state) % N_KEYS;
        size_t size = 1000 + help_random(&state) % 400000;

        if (help_put(shelf, key, size, key) != 0) {
            _exit(1);
        }
    }
}

static pid_t
start_writer(const char *name, uint64_t number)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        write_forever(name, number);
    }
    return child;
}

/* A moment that no writer foresees: the fault itself, nothing is waited for. */
static void
wait_a_little(uint64_t *state)
{
    struct timespec moment = {0, (long)(help_random(state) % 20000000)};

    nanosleep(&moment, NULL);
}

/* Writers killed at random moments: nothing torn, and what they left can be swept while
 * the others go on. */
static void
test_killed_writers(void)
{
    struct cj_store *store = help_store("killed");
    struct cj_store_report report;
    pid_t writers[N_WRITERS];
    uint64_t state = 20260728, n_orphans = 0;
    int status;

    printf("seed %llu\n", (unsigned long long)state);
    for (uint64_t i = 0; i < N_WRITERS; i++) {
        writers[i] = start_writer("killed", i);
    }
    for (uint64_t i = 0; i < 200; i++) {
        pid_t *victim = &writers[i % N_WRITERS];

        wait_a_little(&state);
        REQUIRE(kill(*victim, SIGKILL) == 0 && waitpid(*victim, &status, 0) == *victim);
        CHECK(WIFSIGNALED(status));
        *victim = start_writer("killed", i + N_WRITERS);
        REQUIRE(cj_store_check(store, true, &report) == 0);
        CHECK(report.n_corrupt == 0 && report.n_foreign == 0);
        n_orphans += report.n_orphans;
    }
    for (size_t i = 0; i < N_WRITERS; i++) {
        REQUIRE(kill(writers[i], SIGKILL) == 0 && waitpid(writers[i], &status, 0) > 0);
    }
    REQUIRE(cj_store_check(store, true, &report) == 0);
    printf("%llu orphans swept\n", (unsigned long long)(n_orphans + report.n_orphans));
    CHECK(report.n_corrupt == 0);
    CHECK(help_check(store) == N_KEYS);
    cj_store_close(store);
}

TESTS(TEST(test_first_put), TEST(test_clear_against_all), TEST(test_killed_writers))
