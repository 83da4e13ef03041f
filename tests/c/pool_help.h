/* What the tests of the pool share: opening one on the worker of pool_worker.c, handing
 * in texts, and looking whether anything is left behind. */

#ifndef POOL_HELP_H
#define POOL_HELP_H

#include <cjoblib/pool.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

#define SECOND ((int64_t)1000000000)

/* The worker's program lies beside this one. */
static inline const char *
worker_path(void)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);

    REQUIRE(n > 0);
    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, "pool_worker");
    return path;
}

static inline int
try_pool(size_t n_workers, const char *mode, const char *argument,
         struct cj_pool **ret_pool)
{
    const char *argv[] = {worker_path(), mode, argument, NULL};
    struct cj_pool_options options = {.n_workers = n_workers, .argv = argv};

    options.hello = (struct cj_bytes){"hi", 2};
    return cj_pool_open(&options, ret_pool);
}

static inline struct cj_pool *
open_pool(size_t n_workers)
{
    struct cj_pool *pool;

    REQUIRE(try_pool(n_workers, NULL, NULL, &pool) == 0);
    return pool;
}

static inline void
submit(struct cj_pool *pool, uint64_t number, const char *text)
{
    struct cj_bytes part = {text, strlen(text)};

    REQUIRE(cj_pool_submit(pool, number, &part, 1) == 0);
}

static inline bool
event_says(const struct cj_pool_event *event, const char *text)
{
    size_t size = strlen(text);

    return event->body.size == size &&
           (size == 0 || memcmp(event->body.data, text, size) == 0);
}

/* The next event must come and be this one. Returns the worker's process. */
static inline pid_t
expect(struct cj_pool *pool, enum cj_pool_event_kind kind, uint64_t number,
       const char *text)
{
    struct cj_pool_event event;

    REQUIRE(cj_pool_next(pool, 20 * SECOND, &event) == 0);
    CHECK(event.kind == kind);
    CHECK(event.task == number);
    CHECK(!text || event_says(&event, text));
    cj_pool_event_done(&event);
    return event.pid;
}

/* The next event must be a death. Returns its status as of waitpid(2). */
static inline int
expect_death(struct cj_pool *pool, uint64_t number, int error)
{
    struct cj_pool_event event;

    REQUIRE(cj_pool_next(pool, 20 * SECOND, &event) == 0);
    CHECK(event.kind == CJ_POOL_DEATH);
    CHECK(event.task == number);
    CHECK(event.error == error);
    CHECK(event.body.size == 0);
    cj_pool_event_done(&event);
    return event.wait_status;
}

static inline void
expect_empty(struct cj_pool *pool)
{
    struct cj_pool_event event;

    CHECK(cj_pool_n_pending(pool) == 0);
    CHECK(cj_pool_next(pool, -1, &event) == CJ_POOL_EMPTY);
}

/* One task there and back. */
static inline pid_t
round_trip(struct cj_pool *pool)
{
    submit(pool, 77, "esound");
    return expect(pool, CJ_POOL_RESULT, 77, "sound");
}

static inline size_t
count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t n = 0;

    REQUIRE(folder);
    while (readdir(folder)) {
        n++;
    }
    closedir(folder);
    return n;
}

static inline void
check_no_children(void)
{
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

#endif
