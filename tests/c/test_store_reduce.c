#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "store_help.h"

/* Bounds: what goes first, and a sum that is kept however processes end. */

enum { N = 20, SIZE = 1000, FILE_BYTES = 128 + SIZE + 16 };

static struct cj_store *
store_with_bound(const char *name, uint64_t max_bytes)
{
    struct cj_store_options options = {.max_bytes = max_bytes};
    char *path = help_path(name);
    struct cj_store *store;

    REQUIRE(cj_store_open(path, &options, &store) == 0);
    free(path);
    return store;
}

static void
set_age(const char *name, struct cj_shelf *shelf, uint64_t key, int64_t age_s)
{
    char *path = help_entry_path(name, shelf, key);
    time_t then = time(NULL) - age_s;
    struct timespec times[2] = {{then, 0}, {then, 0}};

    REQUIRE(utimensat(AT_FDCWD, path, times, 0) == 0);
    free(path);
}

/* Entry i was used i hours ago. */
static struct cj_shelf *
fill(const char *name, struct cj_store *store)
{
    struct cj_shelf *shelf = help_shelf(store, "m/f");

    for (uint64_t i = 0; i < N; i++) {
        CHECK(help_put(shelf, i, SIZE, i) == 0);
        set_age(name, shelf, i, 3600 * (int64_t)i);
    }
    return shelf;
}

/* How many of the youngest are there, when no others are. */
static uint64_t
count_left(struct cj_shelf *shelf)
{
    uint64_t n = 0, n_left = 0;

    while (n < N && cj_shelf_has(shelf, help_key(n).bytes) == 0) {
        n++;
    }
    for (uint64_t i = 0; i < N; i++) {
        n_left += cj_shelf_has(shelf, help_key(i).bytes) == 0;
    }
    CHECK(n == n_left);
    return n_left;
}

static void
test_limits(void)
{
    static const struct {
        struct cj_store_limits limits;
        uint64_t n_left;
    } table[] = {
        {CJ_STORE_NO_LIMITS, N},
        {{(uint64_t)N * FILE_BYTES, N, INT64_MAX}, N},
        {{(uint64_t)N * FILE_BYTES - 1, UINT64_MAX, INT64_MAX}, N - 1},
        {{UINT64_MAX, N - 2, INT64_MAX}, N - 2},
        {{10 * FILE_BYTES + 10, 15, INT64_MAX}, 10},
        {{UINT64_MAX, UINT64_MAX, INT64_C(18100) * 1000000000}, 6},
        {{UINT64_MAX, 3, INT64_C(9000) * 1000000000}, 3},
        {{UINT64_MAX, UINT64_MAX, INT64_C(9000) * 1000000000}, 3},
        {{FILE_BYTES, UINT64_MAX, INT64_MAX}, 1},
        {{0, UINT64_MAX, INT64_MAX}, 0},
    };
    struct cj_store *store = help_store("limits");
    struct cj_shelf *shelf = fill("limits", store);
    struct cj_store_reduction result;
    uint64_t before = N;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        REQUIRE(cj_store_reduce(store, &table[i].limits, &result) == 0);
        CHECK(count_left(shelf) == table[i].n_left);
        CHECK(result.n_entries == table[i].n_left);
        CHECK(result.n_bytes == table[i].n_left * FILE_BYTES);
        CHECK(result.n_removed == before - table[i].n_left);
        CHECK(result.n_removed_bytes == result.n_removed * FILE_BYTES);
        before = table[i].n_left;
    }
    help_check(store);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* Functions are not told apart: the oldest goes, wherever it is. */
static void
test_many_functions(void)
{
    struct cj_store *store = help_store("many");
    struct cj_store_limits limits = {UINT64_MAX, 10, INT64_MAX};
    struct cj_store_reduction result;
    struct cj_shelf *shelves[4];
    char function[16];

    for (uint64_t i = 0; i < 4; i++) {
        snprintf(function, sizeof(function), "m/f%d", (int)i);
        shelves[i] = help_shelf(store, function);
        for (uint64_t k = 0; k < 5; k++) {
            CHECK(help_put(shelves[i], k, 10, k) == 0);
            set_age("many", shelves[i], k, 3600 * (int64_t)(4 * k + i));
        }
    }
    REQUIRE(cj_store_reduce(store, &limits, &result) == 0 && result.n_removed == 10);
    for (uint64_t i = 0; i < 4; i++) {
        for (uint64_t k = 0; k < 5; k++) {
            CHECK(cj_shelf_has(shelves[i], help_key(k).bytes) ==
                  (4 * k + i < 10 ? 0 : CJ_STORE_MISS));
        }
        cj_shelf_close(shelves[i]);
    }
    cj_store_close(store);
}

/* A time that can't be true is not held against an entry, by no kind of limit. */
static void
test_wrong_clocks(void)
{
    struct cj_store *store = help_store("clocks");
    struct cj_shelf *shelf = fill("clocks", store);
    struct cj_store_limits old = {UINT64_MAX, UINT64_MAX, INT64_C(60) * 1000000000};
    struct cj_store_limits few = {UINT64_MAX, 4, INT64_MAX};
    struct cj_store_reduction result;
    int64_t now = time(NULL);

    set_age("clocks", shelf, 17, now);              /* 1970 */
    set_age("clocks", shelf, 18, now - 4102444800); /* 2100 */
    set_age("clocks", shelf, 19, now + 1000000);    /* before 1970 */
    REQUIRE(cj_store_reduce(store, &few, &result) == 0);
    CHECK(cj_shelf_has(shelf, help_key(0).bytes) == 0);
    for (uint64_t i = 17; i < 20; i++) {
        CHECK(cj_shelf_has(shelf, help_key(i).bytes) == 0);
    }
    REQUIRE(cj_store_reduce(store, &old, &result) == 0);
    CHECK(result.n_entries == 4 && result.n_removed == 0);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* The kept sum is that of the files. */
static void
check_sum(struct cj_store *store, uint64_t n_entries, uint64_t n_bytes)
{
    struct cj_store_info info;

    REQUIRE(cj_store_info(store, &info) == 0);
    CHECK(info.n_entries == n_entries && info.n_bytes == n_bytes);
}

static void
test_sum(void)
{
    struct cj_store *store = help_store("sum"), *other;
    struct cj_shelf *shelf = fill("sum", store);
    struct cj_store_limits few = {UINT64_MAX, 5, INT64_MAX};
    struct cj_store_reduction result;
    struct cj_store_report report;
    char *path = help_entry_path("sum", shelf, 0), *copy;

    check_sum(store, N, N * FILE_BYTES);
    CHECK(help_put(shelf, 3, SIZE + 7, 3) == 0);
    check_sum(store, N, N * FILE_BYTES + 7);
    CHECK(cj_shelf_remove(shelf, help_key(3).bytes) == 0);
    CHECK(cj_shelf_remove(shelf, help_key(3).bytes) == 0);
    check_sum(store, N - 1, (N - 1) * FILE_BYTES);
    CHECK(cj_store_reduce(store, &few, &result) == 0);
    check_sum(store, 5, 5 * FILE_BYTES);
    /* Another handle, as another process has it. */
    other = help_store("sum");
    check_sum(other, 5, 5 * FILE_BYTES);
    cj_store_close(other);
    /* Behind its back: known after a check. */
    REQUIRE(asprintf(&copy, "%sx", path) > 0);
    REQUIRE(rename(path, copy) == 0);
    check_sum(store, 5, 5 * FILE_BYTES);
    CHECK(cj_store_check(store, true, &report) == 0);
    check_sum(store, 4, 4 * FILE_BYTES);
    REQUIRE(rename(copy, path) == 0 && truncate(path, 50) == 0);
    CHECK(cj_store_check(store, true, &report) == 0 && report.n_corrupt == 1);
    check_sum(store, 4, 4 * FILE_BYTES);
    CHECK(cj_shelf_clear(shelf, CJ_VERSIONS_ALL) == 0);
    check_sum(store, 0, 0);
    CHECK(help_put(shelf, 1, SIZE, 1) == 0);
    CHECK(cj_store_clear(store) == 0);
    check_sum(store, 0, 0);
    CHECK(help_put(shelf, 1, SIZE, 1) == 0);
    check_sum(store, 1, FILE_BYTES);
    free(path);
    free(copy);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* Damage of the file that holds the sum is noticed, or harmless: it is counted again.
 */
static void
test_damaged_sum(void)
{
    struct cj_store *store = help_store("damaged");
    struct cj_shelf *shelf = fill("damaged", store);
    char *path = help_path("damaged/cjoblib/.usage");
    struct cj_store_limits few = {(uint64_t)N * FILE_BYTES - 1, UINT64_MAX, INT64_MAX};
    struct cj_store_reduction result;
    struct help_file good;

    cj_shelf_close(shelf);
    cj_store_close(store);
    good = help_read(path);
    for (size_t at = 0; at < good.size; at++) {
        uint8_t byte = good.data[at];

        if (byte == 0 && at > 0 && good.data[at - 1] == 0 && at % 61) {
            continue;
        }
        good.data[at] = (uint8_t)(byte ^ 0x55);
        help_write(path, good.data, good.size);
        good.data[at] = byte;
        store = help_store("damaged");
        check_sum(store, N, N * FILE_BYTES);
        cj_store_close(store);
    }
    for (size_t size = 0; size <= good.size; size += 61) {
        help_write(path, good.data, size);
        store = help_store("damaged");
        check_sum(store, N, N * FILE_BYTES);
        cj_store_close(store);
    }
    help_write(path, "", 0);
    store = help_store("damaged");
    CHECK(cj_store_reduce(store, &few, &result) == 0 && result.n_removed == 1);
    cj_store_close(store);
    free(good.data);
    free(path);
}

static void
put_for_ever(const char *name, uint64_t number)
{
    struct cj_store *store = store_with_bound(name, 300000);
    struct cj_shelf *shelf = help_shelf(store, "m/f");
    uint64_t state = number + 1;

    for (;;) {
        uint64_t key = help_random(&state) % 100;

        if (help_put(shelf, key, help_random(&state) % 20000, key) != 0 ||
            cj_shelf_remove(shelf, help_key(help_random(&state) % 100).bytes) != 0) {
            _exit(1);
        }
    }
}

static pid_t
start(const char *name, uint64_t number)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        put_for_ever(name, number);
    }
    return child;
}

static uint64_t
bytes_on_disk(struct cj_store *store)
{
    struct cj_store_report report;

    REQUIRE(cj_store_check(store, false, &report) == 0);
    CHECK(report.n_corrupt == 0 && report.n_foreign == 0);
    return report.n_bytes;
}

/* Processes that are killed at any moment leave a sum that is never too small, so the
 * bound holds: but for a tenth, when who makes room is killed too, and one entry of
 * each that was on its way. */
static void
test_bound_and_kills(void)
{
    enum { N_WRITERS = 3, MAX_ENTRY = 20200 };
    struct cj_store *store = help_store("bound");
    struct cj_store_info info;
    struct cj_store_report report;
    pid_t writers[N_WRITERS];
    uint64_t state = 20260728;
    int status;

    for (uint64_t round = 0; round < 20; round++) {
        struct timespec moment = {0, (long)(help_random(&state) % 40000000)};

        for (uint64_t i = 0; i < N_WRITERS; i++) {
            writers[i] = start("bound", N_WRITERS * round + i);
        }
        nanosleep(&moment, NULL);
        for (size_t i = 0; i < N_WRITERS; i++) {
            REQUIRE(kill(writers[i], SIGKILL) == 0);
            REQUIRE(waitpid(writers[i], &status, 0) == writers[i]);
            CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        }
        CHECK(bytes_on_disk(store) <= 330000 + N_WRITERS * MAX_ENTRY);
    }
    REQUIRE(cj_store_info(store, &info) == 0);
    printf("%llu bytes kept, %llu there, %llu evicted\n",
           (unsigned long long)info.n_bytes, (unsigned long long)bytes_on_disk(store),
           (unsigned long long)info.n_evicted);
    CHECK(info.n_evicted > 0 && info.n_bytes >= bytes_on_disk(store));
    REQUIRE(cj_store_check(store, true, &report) == 0);
    check_sum(store, report.n_entries, report.n_bytes);
    cj_store_close(store);
}

static void
test_bound(void)
{
    struct cj_store *store = store_with_bound("max", 10 * FILE_BYTES);
    struct cj_shelf *shelf = help_shelf(store, "m/f");
    struct cj_store_statistics seen;

    CHECK(help_put(shelf, 0, 10 * FILE_BYTES, 0) == -EFBIG);
    for (uint64_t i = 0; i < 10; i++) {
        CHECK(help_put(shelf, i, SIZE, i) == 0);
        set_age("max", shelf, i, 3600 * (int64_t)(20 - i));
    }
    CHECK(help_check(store) == 10);
    CHECK(help_put(shelf, 10, SIZE, 10) == 0);
    CHECK(help_check(store) == 9);
    CHECK(cj_shelf_has(shelf, help_key(1).bytes) == CJ_STORE_MISS);
    CHECK(cj_shelf_has(shelf, help_key(2).bytes) == 0);
    cj_store_statistics(store, &seen);
    CHECK(seen.n_evicted == 2 && seen.n_stored == 11 && seen.n_hits == 0);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* A store that was filled before anybody counted. */
static void
test_bound_of_an_old_store(void)
{
    char *path = help_path("old/cjoblib/.usage");
    struct cj_store *store = help_store("old");
    struct cj_shelf *shelf = fill("old", store);

    cj_shelf_close(shelf);
    cj_store_close(store);
    REQUIRE(unlink(path) == 0);
    store = store_with_bound("old", 10 * FILE_BYTES);
    shelf = help_shelf(store, "m/f");
    CHECK(help_put(shelf, 0, SIZE, 0) == 0);
    CHECK(help_check(store) == 9);
    CHECK(count_left(shelf) == 9);
    free(path);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

struct putter {
    pthread_t thread;
    struct cj_store *store;
    uint64_t number;
};

static void *
putter_run(void *context)
{
    struct putter *putter = context;
    struct cj_shelf *shelf = help_shelf(putter->store, "m/f");

    for (uint64_t i = 0; i < 200; i++) {
        CHECK(help_put(shelf, 1000 * putter->number + i, SIZE, i) == 0);
        CHECK(i % 3 != 0 ||
              cj_shelf_remove(shelf, help_key(1000 * putter->number + i / 2).bytes) ==
                  0);
    }
    cj_shelf_close(shelf);
    return NULL;
}

/* Threads of two handles count together, exactly when nobody replaces. */
static void
test_sum_of_threads(void)
{
    enum { N_THREADS = 6 };
    struct cj_store *stores[2] = {help_store("threads"), help_store("threads")};
    struct putter putters[N_THREADS];
    struct cj_store_report report;

    for (uint64_t i = 0; i < N_THREADS; i++) {
        putters[i] = (struct putter){.store = stores[i % 2], .number = i};
        REQUIRE(pthread_create(&putters[i].thread, NULL, putter_run, &putters[i]) == 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        REQUIRE(pthread_join(putters[i].thread, NULL) == 0);
    }
    REQUIRE(cj_store_check(stores[0], false, &report) == 0);
    check_sum(stores[0], report.n_entries, report.n_bytes);
    check_sum(stores[1], report.n_entries, report.n_bytes);
    cj_store_close(stores[0]);
    cj_store_close(stores[1]);
}

static void
test_totals(void)
{
    struct cj_store *store = help_store("totals");
    struct cj_shelf *shelf = fill("totals", store);
    struct cj_entry entry = CJ_ENTRY_INIT;
    struct cj_store_info info;

    for (uint64_t i = 0; i < N + 3; i++) {
        int r = cj_shelf_get(shelf, help_key(i).bytes, &entry);

        CHECK(r == (i < N ? 0 : CJ_STORE_MISS));
        cj_entry_done(&entry);
    }
    cj_shelf_close(shelf);
    cj_store_close(store);
    store = help_store("totals");
    REQUIRE(cj_store_info(store, &info) == 0);
    CHECK(info.n_hits == N && info.n_misses == 3);
    cj_store_close(store);
}

TESTS(TEST(test_limits), TEST(test_many_functions), TEST(test_wrong_clocks),
      TEST(test_sum), TEST(test_damaged_sum), TEST(test_bound_and_kills),
      TEST(test_bound), TEST(test_bound_of_an_old_store), TEST(test_sum_of_threads),
      TEST(test_totals))
