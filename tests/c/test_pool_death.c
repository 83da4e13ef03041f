/* Pools whose workers die, and workers whose owner dies. */

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "pool_help.h"

/* --- in a task
 * --------------------------------------------------------------------------- */

/* The worker ends itself, unless the pool is faster in killing it. */
#define ANY_STATUS -2

static void
test_death_tells_how(void)
{
    static const struct {
        const char *task;
        int wait_status, error;
    } deaths[] = {
        {"s9", SIGKILL, 0},   {"s15", SIGTERM, 0},     {"s11", SIGSEGV, 0},
        {"s6", SIGABRT, 0},   {"x3", 3 << 8, 0},       {"x0", 0, 0},
        {"r5", 5 << 8, 0},    {"r-5", 100 << 8, 0},    {"h", SIGKILL, 0},
        {"w", SIGKILL, 0},    {"g", SIGKILL, -EPROTO}, {"c", SIGKILL, 0},
        {"k", ANY_STATUS, 0},
    };
    size_t n_descriptors = count_descriptors();
    struct cj_pool *pool = open_pool(2);
    int status;

    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
        submit(pool, i, deaths[i].task);
        status = expect_death(pool, i, deaths[i].error);
        CHECK(status == deaths[i].wait_status || deaths[i].wait_status == ANY_STATUS);
        expect_empty(pool);
        round_trip(pool);
    }
    cj_pool_close(pool, SECOND);
    check_no_children();
    CHECK(count_descriptors() == n_descriptors);
}

/* The others' results are kept, and what waited behind the dead one is done elsewhere.
 */
static void
check_death_among_others(size_t n_workers)
{
    struct cj_pool *pool = open_pool(n_workers);
    struct cj_pool_event event;
    int n_kinds[3] = {0};

    for (uint64_t i = 0; i < 60; i++) {
        submit(pool, i, i % 10 == 3 ? "s9" : "ewell");
    }
    while (cj_pool_next(pool, 20 * SECOND, &event) == 0) {
        CHECK(event.task % 10 == 3 ? event.kind == CJ_POOL_DEATH
                                   : event.kind == CJ_POOL_RESULT);
        CHECK(event.kind == CJ_POOL_DEATH || event_says(&event, "well"));
        n_kinds[event.kind]++;
        cj_pool_event_done(&event);
    }
    CHECK(n_kinds[CJ_POOL_RESULT] == 54 && n_kinds[CJ_POOL_DEATH] == 6);
    expect_empty(pool);
    round_trip(pool);
    cj_pool_close(pool, SECOND);
    check_no_children();
}

static void
test_death_among_others(void)
{
    check_death_among_others(1);
    check_death_among_others(2);
    check_death_among_others(5);
}

/* Half of a big result is nothing. */
static void
test_killed_while_answering(void)
{
    struct cj_pool *pool = open_pool(1);
    struct cj_pool_event event;

    for (int i = 0; i < 20; i++) {
        pid_t pid = round_trip(pool);

        submit(pool, 1, "b30000000");
        CHECK(cj_pool_next(pool, i * SECOND / 2000, &event) == CJ_POOL_TIMEOUT);
        REQUIRE(kill(pid, SIGKILL) == 0);
        /* It may have been killed before it began: then the task runs elsewhere. */
        REQUIRE(cj_pool_next(pool, 20 * SECOND, &event) == 0);
        CHECK(event.kind == CJ_POOL_DEATH ? event.body.size == 0 && event.pid == pid
                                          : event.body.size == 30000000);
        cj_pool_event_done(&event);
    }
    round_trip(pool);
    cj_pool_close(pool, SECOND);
    check_no_children();
}

/* A worker that dies with half a task in its hands has not begun it. */
static void
test_killed_while_being_told(void)
{
    size_t size = (size_t)8 << 20;
    char *big = malloc(size);
    struct cj_bytes part = {big, size};
    struct cj_pool *pool = open_pool(2);
    struct cj_pool_event event;

    REQUIRE(big);
    memset(big, 'e', size);
    for (int i = 0; i < 20; i++) {
        pid_t pid = round_trip(pool);

        REQUIRE(kill(pid, SIGSTOP) == 0);
        REQUIRE(cj_pool_submit(pool, 1, &part, 1) == 0);
        REQUIRE(cj_pool_submit(pool, 2, &part, 1) == 0);
        REQUIRE(kill(pid, SIGKILL) == 0);
        for (int n = 0; n < 2; n++) {
            REQUIRE(cj_pool_next(pool, 20 * SECOND, &event) == 0);
            CHECK(event.kind == CJ_POOL_RESULT && event.body.size == size - 1);
            cj_pool_event_done(&event);
        }
    }
    cj_pool_close(pool, SECOND);
    free(big);
}

/* If somebody else takes the ends of our workers, only their status is lost. */
static void
test_children_reaped_by_others(void)
{
    struct cj_pool *pool;

    signal(SIGCHLD, SIG_IGN);
    pool = open_pool(2);
    submit(pool, 1, "s9");
    CHECK(expect_death(pool, 1, 0) == -1);
    round_trip(pool);
    cj_pool_close(pool, SECOND);
    signal(SIGCHLD, SIG_DFL);
    check_no_children();
}

/* --- outside of any task
 * ----------------------------------------------------------------- */

/* Whoever hands in a task does not notice that the worker for it was just killed. */
static void
test_idle_death_is_not_noticed(void)
{
    struct cj_pool *pool = open_pool(1);

    for (int i = 0; i < 50; i++) {
        pid_t pid = round_trip(pool);

        REQUIRE(kill(pid, SIGKILL) == 0);
        CHECK(round_trip(pool) != pid);
        expect_empty(pool);
    }
    cj_pool_close(pool, SECOND);
    check_no_children();
}

static void
test_program_not_found(void)
{
    const char *argv[] = {"/nowhere/at/all", NULL};
    struct cj_pool_options options = {.n_workers = 2, .argv = argv};
    size_t n_descriptors = count_descriptors();
    struct cj_pool *pool;

    CHECK(cj_pool_open(&options, &pool) == -ENOENT);
    argv[0] = "/etc/passwd";
    CHECK(cj_pool_open(&options, &pool) == -EACCES);
    check_no_children();
    CHECK(count_descriptors() == n_descriptors);
}

/* A program that never becomes ready: a few are tried, then the pool gives up. */
static void
check_stillborn(const char *mode, const char *argument, int wait_status)
{
    struct cj_bytes part = {"e", 1};
    struct cj_pool_event event;
    struct cj_pool *pool;

    REQUIRE(try_pool(3, mode, argument, &pool) == 0);
    submit(pool, 1, "enever");
    for (int i = 0; i < 5; i++) {
        CHECK(expect_death(pool, CJ_POOL_NO_TASK, 0) == wait_status);
        CHECK(cj_pool_n_pending(pool) == 1);
    }
    CHECK(cj_pool_next(pool, -1, &event) == -ECHILD);
    CHECK(cj_pool_next(pool, -1, &event) == -ECHILD);
    CHECK(cj_pool_submit(pool, 2, &part, 1) == -ECHILD);
    cj_pool_cancel(pool);
    expect_empty(pool);
    cj_pool_close(pool, SECOND);
    check_no_children();
}

static void
test_death_before_ready(void)
{
    struct cj_pool *pool;

    check_stillborn("exit", "3", 3 << 8);
    check_stillborn("exit", "0", 0);
    check_stillborn("bad", NULL, 7 << 8);
    /* One that does not even look at its socket is killed when the grace is over. */
    REQUIRE(try_pool(2, "hang", NULL, &pool) == 0);
    cj_pool_close(pool, SECOND / 50);
    check_no_children();
}

/* --- the owner dies
 * ---------------------------------------------------------------------- */

/* An owner with one worker in a task and one idle; tells their numbers. */
static void
be_owner(int tell_fd, bool with_copies)
{
    struct cj_pool *pool;
    pid_t pids[2];
    char began;
    int out[2];

    REQUIRE(pipe2(out, O_CLOEXEC) == 0);
    dup2(out[1], STDOUT_FILENO);
    pool = open_pool(1);
    pids[0] = round_trip(pool);
    submit(pool, 1, "q");
    REQUIRE(read(out[0], &began, 1) == 1);
    pool = open_pool(1);
    pids[1] = round_trip(pool);
    if (with_copies && fork() == 0) {
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        alarm(5);
        for (;;) {
            pause();
        }
    }
    REQUIRE(write(tell_fd, pids, sizeof(pids)) == sizeof(pids));
    for (;;) {
        pause();
    }
}

static void
check_owner_death(bool with_copies)
{
    struct pollfd watched[2];
    pid_t owner, pids[2];
    int tell[2];

    REQUIRE(pipe2(tell, O_CLOEXEC) == 0);
    fflush(stdout);
    owner = fork();
    if (owner == 0) {
        be_owner(tell[1], with_copies);
    }
    REQUIRE(read(tell[0], pids, sizeof(pids)) == sizeof(pids));
    for (int i = 0; i < 2; i++) {
        watched[i] = (struct pollfd){.events = POLLIN};
        watched[i].fd = (int)syscall(SYS_pidfd_open, pids[i], 0);
        REQUIRE(watched[i].fd >= 0);
    }
    REQUIRE(kill(owner, SIGKILL) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK(poll(&watched[i], 1, 1000) == 1);
        close(watched[i].fd);
    }
    close(tell[0]);
    close(tell[1]);
    /* With us as the subreaper, its children are ours now. */
    while (waitpid(-1, NULL, with_copies ? WNOHANG : 0) > 0) {
    }
}

static void
test_owner_killed(void)
{
    REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    for (int i = 0; i < 10; i++) {
        check_owner_death(false);
    }
}

/* Copies of the owner's descriptors in a process that it forked keep no worker alive.
 */
static void
test_owner_killed_with_copies_left(void)
{
    check_owner_death(true);
}

/* --- at random
 * --------------------------------------------------------------------------- */

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Any of our children: those of the pool, whatever they do just now. */
static bool
kill_some_child(uint64_t *state)
{
    char path[64];
    pid_t pids[64];
    size_t n = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    file = fopen(path, "r");
    if (!file) {
        return false;
    }
    while (n < 64 && fscanf(file, "%d", &pids[n]) == 1) {
        n++;
    }
    fclose(file);
    return n > 0 && kill(pids[next_random(state) % n], SIGKILL) == 0;
}

static void
submit_sum(struct cj_pool *pool, uint64_t number)
{
    char text[64];

    snprintf(text, sizeof(text), "l%llu", (unsigned long long)(number * 7 + 1));
    submit(pool, number, text);
}

static void
run_chaos(struct cj_pool *pool, uint64_t n_tasks, uint64_t *state)
{
    uint64_t n_results = 0;
    struct cj_pool_event event;
    int n_kills = 0, n_deaths = 0;
    char text[64];

    while (n_results < n_tasks) {
        int r = cj_pool_next(pool, 20 * SECOND, &event);

        if (r != 0) {
            printf("chaos: cj_pool_next() gave %d\n", r);
        }
        REQUIRE(r == 0);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)(event.task * 7 + 1));
        if (event.kind == CJ_POOL_RESULT) {
            CHECK(event_says(&event, text));
            n_results++;
        }
        else if (event.task != CJ_POOL_NO_TASK) {
            n_deaths++;
            submit_sum(pool, event.task);
        }
        cj_pool_event_done(&event);
        if (next_random(state) % 10 == 0) {
            n_kills += kill_some_child(state);
        }
    }
    printf("chaos: %d kills, %d of them in a task\n", n_kills, n_deaths);
}

/* Of workers that were killed before they were ready. */
static void
take_obituaries(struct cj_pool *pool)
{
    struct cj_pool_event event;

    while (cj_pool_next(pool, 0, &event) == 0) {
        CHECK(event.task == CJ_POOL_NO_TASK);
        cj_pool_event_done(&event);
    }
}

static void
test_chaos(void)
{
    const char *given = getenv("CJOBLIB_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20261122;
    uint64_t state = seed | 1, n_tasks = 2000;
    struct cj_pool *pool = open_pool(4);

    for (uint64_t i = 0; i < n_tasks; i++) {
        submit_sum(pool, i);
    }
    printf("chaos with CJOBLIB_SEED=%llu\n", (unsigned long long)seed);
    run_chaos(pool, n_tasks, &state);
    take_obituaries(pool);
    expect_empty(pool);
    cj_pool_close(pool, SECOND);
    check_no_children();
}

TESTS(TEST(test_death_tells_how), TEST(test_death_among_others),
      TEST(test_killed_while_answering), TEST(test_killed_while_being_told),
      TEST(test_children_reaped_by_others), TEST(test_idle_death_is_not_noticed),
      TEST(test_program_not_found), TEST(test_death_before_ready), TEST(test_chaos),
      TEST(test_owner_killed), TEST(test_owner_killed_with_copies_left))
