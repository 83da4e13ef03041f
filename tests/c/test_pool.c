/* Pools whose workers live. */

#include <fcntl.h>
#include <sys/time.h>

#include "pool_help.h"

static void
check_many(size_t n_workers, uint64_t n_tasks)
{
    struct cj_pool *pool = open_pool(n_workers);
    bool *seen = calloc(n_tasks, sizeof(*seen));
    struct cj_pool_event event;
    uint64_t n_events = 0;
    char text[32];

    for (uint64_t i = 0; i < n_tasks; i++) {
        snprintf(text, sizeof(text), "e%llu", (unsigned long long)(i * i));
        submit(pool, i, text);
    }
    CHECK(cj_pool_n_pending(pool) == n_tasks);
    while (cj_pool_next(pool, -1, &event) == 0) {
        snprintf(text, sizeof(text), "%llu",
                 (unsigned long long)(event.task * event.task));
        CHECK(event.kind == CJ_POOL_RESULT && event.task < n_tasks &&
              !seen[event.task]);
        CHECK(event_says(&event, text));
        /* One worker does them in their order. */
        CHECK(n_workers > 1 || event.task == n_events);
        seen[event.task] = true;
        n_events++;
        cj_pool_event_done(&event);
    }
    CHECK(n_events == n_tasks);
    expect_empty(pool);
    free(seen);
    cj_pool_close(pool, SECOND);
}

static void
test_many_tasks(void)
{
    static const size_t n_workers[] = {1, 2, 4, 16};
    size_t n_descriptors = count_descriptors();

    for (size_t i = 0; i < sizeof(n_workers) / sizeof(n_workers[0]); i++) {
        check_many(n_workers[i], 10000);
    }
    check_many(64, 500);
    check_no_children();
    CHECK(count_descriptors() == n_descriptors);
}

static void
test_parts_and_failures(void)
{
    struct cj_bytes parts[] = {{"e", 1}, {NULL, 0}, {"one ", 4}, {"two", 3}, {NULL, 0}};
    struct cj_pool *pool = open_pool(2);

    REQUIRE(cj_pool_submit(pool, 5, parts, 5) == 0);
    expect(pool, CJ_POOL_RESULT, 5, "one two");
    REQUIRE(cj_pool_submit(pool, 6, NULL, 0) == 0);
    expect(pool, CJ_POOL_RESULT, 6, "");
    submit(pool, 0, "fno");
    expect(pool, CJ_POOL_FAILURE, 0, "no");
    round_trip(pool);
    cj_pool_close(pool, SECOND);
}

/* Big bodies go both ways at once: neither side may wait for the other. */
static void
test_big_both_ways(void)
{
    size_t size = (size_t)64 << 20;
    char *big = malloc(size);
    struct cj_bytes part = {big, size};
    struct cj_pool *pool = open_pool(2);
    struct cj_pool_event event;
    size_t n_events = 0;

    REQUIRE(big);
    memset(big, 'e', size);
    for (uint64_t i = 0; i < 4; i++) {
        REQUIRE(cj_pool_submit(pool, i, &part, 1) == 0);
    }
    while (cj_pool_next(pool, -1, &event) == 0) {
        CHECK(event.kind == CJ_POOL_RESULT && event.body.size == size - 1);
        CHECK(memcmp(event.body.data, big, size - 1) == 0);
        cj_pool_event_done(&event);
        n_events++;
    }
    CHECK(n_events == 4);
    cj_pool_close(pool, SECOND);
    free(big);
}

/* Every size around the limits of buffers comes back as it was. */
static void
test_sizes(void)
{
    static const size_t around[] = {1, 48, 16384 - 48, 16384, 65536, 131072, 262144};
    char *body = malloc(300000);
    struct cj_pool *pool = open_pool(1);
    struct cj_pool_event event;

    REQUIRE(body);
    memset(body, 'e', 300000);
    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
        for (size_t size = around[i]; size <= around[i] + 2; size++) {
            struct cj_bytes part = {body, size};

            REQUIRE(cj_pool_submit(pool, size, &part, 1) == 0);
        }
        for (size_t size = around[i]; size <= around[i] + 2; size++) {
            REQUIRE(cj_pool_next(pool, -1, &event) == 0);
            CHECK(event.task == size && event.body.size == size - 1);
            cj_pool_event_done(&event);
        }
    }
    cj_pool_close(pool, SECOND);
    free(body);
}

/* A task runs under the context that was set when it was handed in. */
static void
test_context(void)
{
    struct cj_pool *pool = open_pool(1);

    submit(pool, 0, "v");
    REQUIRE(cj_pool_set_context(pool, (struct cj_bytes){"A", 1}) == 0);
    submit(pool, 1, "v");
    submit(pool, 2, "v");
    submit(pool, 3, "v");
    REQUIRE(cj_pool_set_context(pool, (struct cj_bytes){"B", 1}) == 0);
    submit(pool, 4, "v");
    expect(pool, CJ_POOL_RESULT, 0, "hi/");
    expect(pool, CJ_POOL_RESULT, 1, "hi/A");
    expect(pool, CJ_POOL_RESULT, 2, "hi/A");
    expect(pool, CJ_POOL_RESULT, 3, "hi/A");
    expect(pool, CJ_POOL_RESULT, 4, "hi/B");
    cj_pool_close(pool, SECOND);
}

/* A task that never ends keeps none of the others from being done. */
static void
test_none_is_stuck_behind_another(void)
{
    struct cj_pool *pool = open_pool(2);
    struct cj_pool_event event;
    bool seen[20] = {false};

    submit(pool, 0, "p");
    for (uint64_t i = 1; i < 20; i++) {
        submit(pool, i, "eyes");
    }
    for (int n = 1; n < 20; n++) {
        REQUIRE(cj_pool_next(pool, 20 * SECOND, &event) == 0);
        CHECK(event.task > 0 && event.task < 20 && !seen[event.task]);
        seen[event.task] = true;
        cj_pool_event_done(&event);
    }
    CHECK(cj_pool_n_pending(pool) == 1);
    cj_pool_close(pool, SECOND);
    check_no_children();
}

static void
test_cancel(void)
{
    struct cj_pool *pool = open_pool(2);

    for (int round = 0; round < 20; round++) {
        for (uint64_t i = 0; i < 20; i++) {
            submit(pool, i, i % 3 || round % 4 == 0 ? "eold" : "p");
        }
        cj_pool_cancel(pool);
        expect_empty(pool);
        round_trip(pool);
        expect_empty(pool);
    }
    cj_pool_close(pool, SECOND);
    check_no_children();
}

static void
test_timeout(void)
{
    struct cj_pool *pool = open_pool(1);
    struct cj_pool_event event;
    pid_t pid = round_trip(pool);

    REQUIRE(kill(pid, SIGSTOP) == 0);
    submit(pool, 1, "elate");
    CHECK(cj_pool_next(pool, 0, &event) == CJ_POOL_TIMEOUT);
    CHECK(cj_pool_next(pool, SECOND / 20, &event) == CJ_POOL_TIMEOUT);
    REQUIRE(kill(pid, SIGCONT) == 0);
    CHECK(expect(pool, CJ_POOL_RESULT, 1, "late") == pid);
    REQUIRE(kill(pid, SIGSTOP) == 0);
    submit(pool, 2, "enever");
    /* One that is stopped does not leave by itself. */
    cj_pool_close(pool, SECOND / 20);
    check_no_children();
}

static void
do_nothing(int number)
{
    (void)number;
}

static void
test_signal_ends_the_wait(void)
{
    struct sigaction action = {.sa_handler = do_nothing}, before;
    struct itimerval soon = {.it_value.tv_usec = 20000}, never = {0};
    struct cj_pool *pool = open_pool(1);
    struct cj_pool_event event;
    int r;

    round_trip(pool);
    REQUIRE(sigaction(SIGALRM, &action, &before) == 0);
    submit(pool, 1, "p");
    soon.it_interval = soon.it_value;
    REQUIRE(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    r = cj_pool_next(pool, -1, &event);
    CHECK(r == -EINTR);
    REQUIRE(setitimer(ITIMER_REAL, &never, NULL) == 0);
    REQUIRE(sigaction(SIGALRM, &before, NULL) == 0);
    cj_pool_cancel(pool);
    round_trip(pool);
    cj_pool_close(pool, SECOND);
}

/* Ctrl-C reaches workers too, and must not matter to them: at work, idle, or starting.
 */
static void
test_interrupts_pass_workers_by(void)
{
    struct cj_pool *pool = open_pool(1);
    pid_t pid;

    submit(pool, 1, "i");
    pid = expect(pool, CJ_POOL_RESULT, 1, "alive");
    REQUIRE(kill(pid, SIGINT) == 0);
    CHECK(round_trip(pool) == pid);
    cj_pool_close(pool, SECOND);
    /* A group of our own, so that nobody else is interrupted; a leader has one. */
    (void)setpgid(0, 0);
    signal(SIGINT, do_nothing);
    for (int i = 0; i < 10; i++) {
        pool = open_pool(2);
        REQUIRE(kill(0, SIGINT) == 0);
        round_trip(pool);
        cj_pool_close(pool, SECOND);
    }
    signal(SIGINT, SIG_DFL);
}

static void
test_descriptors_stay_here(void)
{
    struct cj_pool *pool;
    int fds[20];

    for (size_t i = 0; i < 20; i++) {
        fds[i] = open("/dev/null", O_RDONLY);
        REQUIRE(fds[i] >= 0);
    }
    pool = open_pool(3);
    submit(pool, 1, "d");
    expect(pool, CJ_POOL_RESULT, 1, "0 1 2 3 ");
    cj_pool_close(pool, SECOND);
    for (size_t i = 0; i < 20; i++) {
        close(fds[i]);
    }
}

/* A forked child can let go of its copy, and that is all it can do. */
static void
test_fork_after_use(void)
{
    struct cj_pool *pool = open_pool(2);
    struct cj_bytes part = {"e", 1};
    struct cj_pool_event event;
    size_t n_descriptors = count_descriptors();
    int status;
    pid_t child;

    submit(pool, 1, "ebefore");
    fflush(stdout);
    child = fork();
    if (child == 0) {
        bool right = cj_pool_submit(pool, 2, &part, 1) == -EPERM &&
                     cj_pool_next(pool, 0, &event) == -EPERM &&
                     cj_pool_set_context(pool, part) == -EPERM;

        cj_pool_cancel(pool);
        cj_pool_close(pool, SECOND);
        right = right && count_descriptors() < n_descriptors;
        pool = open_pool(2);
        round_trip(pool);
        cj_pool_close(pool, SECOND);
        _exit(right ? 0 : 1);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    expect(pool, CJ_POOL_RESULT, 1, "before");
    round_trip(pool);
    cj_pool_close(pool, SECOND);
    check_no_children();
}

/* Idle workers leave by themselves: nobody needs to be killed. */
/* Workers that have nothing to do for as long as the limit says leave; a task that
 * comes later is done by another one. */
static void
test_idle_workers_leave(void)
{
    struct cj_pool_limits limits = CJ_POOL_LIMITS_INIT;
    struct cj_pool *pool = open_pool(1);
    struct cj_pool_event event;
    siginfo_t info;
    pid_t first;

    limits.idle_ns = SECOND / 20;
    cj_pool_set_limits(pool, &limits);
    submit(pool, 1, "echo a");
    REQUIRE(cj_pool_next(pool, 60 * SECOND, &event) == 0);
    CHECK(event.kind == CJ_POOL_RESULT);
    first = event.pid;
    cj_pool_event_done(&event);
    /* Blocks until it has ended, and leaves its end to the pool. */
    CHECK(waitid(P_PID, (id_t)first, &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_code == CLD_EXITED && info.si_status == 0);
    submit(pool, 2, "echo b");
    REQUIRE(cj_pool_next(pool, 60 * SECOND, &event) == 0);
    CHECK(event.kind == CJ_POOL_RESULT && event.task == 2 && event.pid != first);
    cj_pool_event_done(&event);
    cj_pool_close(pool, SECOND);
}

static void
test_close_is_quiet(void)
{
    struct cj_pool *pool = open_pool(2);

    round_trip(pool);
    /* Without an end to the grace this would hang if they did not. */
    cj_pool_close(pool, -1);
    check_no_children();
    pool = open_pool(2);
    submit(pool, 1, "p");
    submit(pool, 2, "p");
    cj_pool_close(pool, -1);
    check_no_children();
    cj_pool_close(open_pool(4), -1);
    check_no_children();
    cj_pool_close(open_pool(4), 0);
    check_no_children();
    cj_pool_close(NULL, 0);
}

static void
test_wrong_use(void)
{
    const char *argv[] = {worker_path(), NULL}, *none[] = {NULL};
    struct cj_pool_options options = {.n_workers = 0, .argv = argv};
    struct cj_bytes part = {"e", 1};
    struct cj_pool *pool;

    CHECK(cj_pool_open(&options, &pool) == -EINVAL);
    options.n_workers = CJ_POOL_MAX_WORKERS + 1;
    CHECK(cj_pool_open(&options, &pool) == -EINVAL);
    options = (struct cj_pool_options){.n_workers = 1, .argv = none};
    CHECK(cj_pool_open(&options, &pool) == -EINVAL);
    pool = open_pool(1);
    CHECK(cj_pool_submit(pool, CJ_POOL_NO_TASK, &part, 1) == -EINVAL);
    part.size = SIZE_MAX;
    CHECK(cj_pool_submit(pool, 1, &part, 1) == -ENOMEM);
    CHECK(cj_pool_n_pending(pool) == 0);
    cj_pool_close(pool, SECOND);
    CHECK(cj_worker_run(-1, NULL, NULL) == -EBADF);
    CHECK(cj_worker_run(STDIN_FILENO, NULL, NULL) == -ENOTSOCK);
}

TESTS(TEST(test_idle_workers_leave), TEST(test_many_tasks),
      TEST(test_parts_and_failures), TEST(test_big_both_ways), TEST(test_sizes),
      TEST(test_context), TEST(test_none_is_stuck_behind_another), TEST(test_cancel),
      TEST(test_timeout), TEST(test_signal_ends_the_wait),
      TEST(test_interrupts_pass_workers_by), TEST(test_descriptors_stay_here),
      TEST(test_fork_after_use), TEST(test_close_is_quiet), TEST(test_wrong_use))
