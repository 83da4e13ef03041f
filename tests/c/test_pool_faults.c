/* Every call of the heap and of the kernel fails once, and then for good. */

#include "pool_fault.h"
#include "pool_help.h"

/* Their bytes: more than a socket takes at once. */
#define BIG_BYTES 700000

/* Until the worker's program named here is not given an N, nothing fails in it. */
static int
open_faulty_pool(size_t n_workers, const char *worker_fault, struct cj_pool **ret_pool)
{
    return try_pool(n_workers, worker_fault ? "fault" : NULL, worker_fault, ret_pool);
}

struct tally {
    size_t n_results, n_deaths, n_stillborn, n_retries;
    int result; /* of the last cj_pool_next() */
};

static void
take_event(const struct cj_pool_event *event, struct tally *tally)
{
    if (event->task == CJ_POOL_NO_TASK) {
        tally->n_stillborn++;
    }
    else if (event->kind == CJ_POOL_DEATH) {
        tally->n_deaths++;
    }
    else if (event->task == 1) {
        tally->n_results++;
        CHECK(event->body.size == BIG_BYTES - 1);
    }
    else {
        tally->n_results++;
        CHECK(event_says(event, event->task == 0 ? "hi/C" : "small"));
    }
}

/* Errors lose nothing: the same call again goes on, until it can't be. */
static void
take_all(struct cj_pool *pool, struct tally *tally)
{
    struct cj_pool_event event;

    for (;;) {
        tally->result = cj_pool_next(pool, 20 * SECOND, &event);
        if (tally->result == 0) {
            take_event(&event, tally);
            cj_pool_event_done(&event);
        }
        else if (tally->result > 0 || tally->result == -ECHILD ||
                 ++tally->n_retries > 20) {
            return;
        }
    }
}

static size_t
submit_all(struct cj_pool *pool, struct cj_bytes big)
{
    struct cj_bytes ask = {"v", 1}, small = {"esmall", 6};
    size_t n = 0;

    if (cj_pool_set_context(pool, (struct cj_bytes){"C", 1}) == 0) {
        n += cj_pool_submit(pool, 0, &ask, 1) == 0;
    }
    n += cj_pool_submit(pool, 1, &big, 1) == 0;
    for (uint64_t i = 2; i < 6; i++) {
        n += cj_pool_submit(pool, i, &small, 1) == 0;
    }
    return n;
}

/* All that was accepted is answered for, rightly, and nothing is left behind. Returns
 * whether the pool could be opened. */
static bool
run_scenario(const char *worker_fault, struct tally *tally)
{
    size_t n_descriptors = count_descriptors(), n_accepted;
    static char big[BIG_BYTES];
    struct cj_pool *pool;
    int r;

    *tally = (struct tally){0};
    memset(big, 'e', sizeof(big));
    r = open_faulty_pool(2, worker_fault, &pool);
    if (r == 0) {
        n_accepted = submit_all(pool, (struct cj_bytes){big, sizeof(big)});
        take_all(pool, tally);
        if (tally->result == CJ_POOL_EMPTY) {
            CHECK(tally->n_results + tally->n_deaths == n_accepted);
        }
        cj_pool_close(pool, SECOND);
    }
    check_no_children();
    CHECK(count_descriptors() == n_descriptors);
    return r == 0;
}

/* One call fails: an error is told at most, and then all goes on. */
static void
test_one_call_fails(void)
{
    struct tally tally;
    size_t n_injected = 0;

    do {
        fault = (struct fault){.fail_at = n_injected + 1};
        if (run_scenario(NULL, &tally)) {
            CHECK(tally.result == CJ_POOL_EMPTY);
            CHECK(tally.n_stillborn <= 1);
            /* That the task was lost is told only if it was. */
            CHECK(tally.n_deaths <= 1);
        }
        n_injected += fault.n_injected;
    } while (fault.n_injected > 0);
    printf("%zu faults injected into the owner\n", n_injected);
    CHECK(n_injected > 40);
    fault = (struct fault){0};
}

/* All calls fail from one on: no hang, no crash, and nothing is left behind. */
static void
test_all_calls_fail(void)
{
    struct tally tally;
    size_t n = 0;

    do {
        fault = (struct fault){.fail_at = ++n, .fail_on = true};
        (void)run_scenario(NULL, &tally);
    } while (fault.n_injected > 0 && n < 500);
    CHECK(n > 40);
    fault = (struct fault){0};
}

/* Each worker fails at its Nth call: it dies, and the owner says so at worst. */
static void
test_calls_fail_in_workers(void)
{
    struct tally tally;
    char text[16];

    for (int n = 1; n < 60; n++) {
        snprintf(text, sizeof(text), "%d", n);
        CHECK(run_scenario(text, &tally));
        CHECK(tally.result == CJ_POOL_EMPTY || tally.result == -ECHILD);
        if (n == 1) {
            CHECK(tally.n_stillborn == 4 && tally.n_results == 0);
        }
    }
    /* By then nobody gets that far. */
    CHECK(tally.n_results == 6 && tally.n_deaths == 0);
}

/* Without pidfds the sockets tell of deaths. */
static void
test_kernel_without_pidfds(void)
{
    struct cj_pool *pool;
    struct tally tally;

    fault = (struct fault){.no_watch = true};
    CHECK(run_scenario(NULL, &tally));
    CHECK(tally.n_results == 6);
    pool = open_pool(2);
    for (int i = 0; i < 20; i++) {
        pid_t pid = round_trip(pool);

        REQUIRE(kill(pid, SIGKILL) == 0);
        round_trip(pool);
        submit(pool, 1, "x3");
        CHECK(expect_death(pool, 1, 0) == 3 << 8);
        submit(pool, 1, "g");
        CHECK(expect_death(pool, 1, -EPROTO) == SIGKILL);
        submit(pool, 1, "p");
        cj_pool_cancel(pool);
    }
    cj_pool_close(pool, -1);
    check_no_children();
    fault = (struct fault){0};
}

TESTS(TEST(test_one_call_fails), TEST(test_all_calls_fail),
      TEST(test_calls_fail_in_workers), TEST(test_kernel_without_pidfds))
