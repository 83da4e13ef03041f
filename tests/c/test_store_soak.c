#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "store_help.h"

/* Everything at once for a while: processes of threads that get, claim, put, remove and
 * make room in one bounded store, and are killed. CJOBLIB_SOAK_SECONDS says how long.
 */

enum { N_PROCESSES = 4, N_THREADS = 4, N_KEYS = 200, MAX_SIZE = 20000 };

#define MAX_BYTES 1000000
#define MAX_FILE_BYTES (MAX_SIZE + 200)

struct worker {
    pthread_t thread;
    struct cj_store *store;
    struct cj_shelf *shelf;
    uint64_t state;
};

/* Nothing may fail, and nothing may be told that was never put. Who finds otherwise
 * ends the process with 1. */
static void
expect(bool holds)
{
    if (!holds) {
        _exit(1);
    }
}

static void
look(struct worker *worker, uint64_t key, bool claims)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    struct cj_lease *lease = NULL;
    uint64_t number = 0;
    int r = cj_shelf_get(worker->shelf, help_key(key).bytes, &entry);

    expect(r == 0 || r == CJ_STORE_MISS);
    if (r > 0 && claims) {
        r = cj_shelf_claim(worker->shelf, help_key(key).bytes, CJ_CLAIM_WAIT, &entry,
                           &lease);
        expect(r == 0 || r == CJ_STORE_MISS);
    }
    if (r == 0) {
        expect(help_is_whole(&entry, &number) && number % N_KEYS == key);
    }
    else if (claims) {
        number = key + N_KEYS * (help_random(&worker->state) % 1000);
        r = help_put(worker->shelf, key, help_random(&worker->state) % MAX_SIZE,
                     number);
        expect(r == 0);
        cj_lease_release(lease, true);
    }
    cj_entry_done(&entry);
}

static void
step(struct worker *worker)
{
    uint64_t kind = help_random(&worker->state) % 1000;
    uint64_t key = help_random(&worker->state) % N_KEYS;
    struct cj_store_limits limits = CJ_STORE_NO_LIMITS;
    struct cj_store_reduction result;

    if (kind < 500) {
        look(worker, key, false);
    }
    else if (kind < 900) {
        look(worker, key, true);
    }
    else if (kind < 995) {
        expect(cj_shelf_remove(worker->shelf, help_key(key).bytes) == 0);
    }
    else if (kind < 999) {
        limits.n_entries = N_KEYS / 2;
        expect(cj_store_reduce(worker->store, &limits, &result) == 0);
    }
    else {
        expect(cj_shelf_clear(worker->shelf, CJ_VERSIONS_ALL) == 0);
    }
}

static void *
work(void *context)
{
    for (;;) {
        step(context);
    }
    return NULL;
}

static struct cj_store *
soak_store(void)
{
    struct cj_store_options options = {.max_bytes = MAX_BYTES};
    char *path = help_path("soak");
    struct cj_store *store;

    REQUIRE(cj_store_open(path, &options, &store) == 0);
    free(path);
    return store;
}

static pid_t
start(uint64_t number)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        struct cj_store *store = soak_store();
        struct worker workers[N_THREADS];

        for (uint64_t i = 0; i < N_THREADS; i++) {
            workers[i] = (struct worker){0, store, help_shelf(store, "m/f"),
                                         N_THREADS * number + i + 1};
            expect(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
        }
        for (;;) {
            pause();
        }
    }
    return child;
}

/* A process ends by our hand, and never by its own. */
static void
stop(pid_t child)
{
    int status;

    REQUIRE(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
test_soak(void)
{
    const char *seconds = getenv("CJOBLIB_SOAK_SECONDS");
    time_t end = time(NULL) + (seconds ? atoi(seconds) : 4);
    struct cj_store *store = soak_store();
    struct cj_shelf *shelf = help_shelf(store, "m/f");
    struct cj_store_report report;
    pid_t children[N_PROCESSES];
    uint64_t state = 20260728, n_started = 0;

    while (n_started < N_PROCESSES) {
        children[n_started] = start(n_started);
        n_started++;
    }
    while (time(NULL) < end) {
        struct timespec moment = {0, (long)(help_random(&state) % 100000000)};
        pid_t *victim = &children[help_random(&state) % N_PROCESSES];

        nanosleep(&moment, NULL);
        stop(*victim);
        *victim = start(n_started++);
    }
    for (size_t i = 0; i < N_PROCESSES; i++) {
        stop(children[i]);
    }
    CHECK(help_put(shelf, 0, 10, 0) == 0);
    REQUIRE(cj_store_check(store, true, &report) == 0);
    printf("%llu processes, %llu entries, %llu bytes, %llu orphans\n",
           (unsigned long long)n_started, (unsigned long long)report.n_entries,
           (unsigned long long)report.n_bytes, (unsigned long long)report.n_orphans);
    CHECK(report.n_corrupt == 0 && report.n_foreign == 0);
    CHECK(report.n_bytes <= MAX_BYTES + MAX_FILE_BYTES);
    help_check(store);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

TESTS(TEST(test_soak))
