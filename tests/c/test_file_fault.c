/* Replacing a file with each of its calls into sys/ and to the heap failing once, and
 * being killed at each: the old content or the new, whole, and nothing else for long.
 *
 * The linker sends the calls listed in meson.build here first (-Wl,--wrap). */

#include <signal.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "file_help.h"
#include "sys/files.h"
#include "sys/folder.h"
#include "sys/lock.h"
#include "sys/temp.h"

static struct {
    size_t at; /* the call that is hit, 1 for the first; 0: none */
    bool kill;
    size_t n_calls;
    size_t n_hit;
    bool no_nameless, no_link, no_lock; /* the file system is less able */
} fault;

static int
fault_next(void)
{
    if (++fault.n_calls != fault.at) {
        return 0;
    }
    fault.n_hit++;
    if (fault.kill) {
        raise(SIGKILL);
    }
    return -EIO;
}

#define WRAP_ABLE(name, when, instead, declared, passed) \
    int __real_##name declared;                          \
    int __wrap_##name declared;                          \
    int __wrap_##name declared                           \
    {                                                    \
        int r = fault_next();                            \
                                                         \
        if (r < 0) {                                     \
            return r;                                    \
        }                                                \
        return when ? instead : __real_##name passed;    \
    }

#define WRAP(name, declared, passed) WRAP_ABLE(name, false, 0, declared, passed)

WRAP(folder_reach, (int parent_fd, const char *path, int *ret_fd),
     (parent_fd, path, ret_fd))
WRAP(folder_sync, (int fd), (fd))
WRAP(file_open, (int folder_fd, const char *name, int *ret_fd),
     (folder_fd, name, ret_fd))
WRAP(file_open_at, (int folder_fd, const char *name, int *ret_fd),
     (folder_fd, name, ret_fd))
WRAP(file_facts, (int fd, struct file_facts *ret_facts), (fd, ret_facts))
WRAP(file_facts_at, (int folder_fd, const char *name, struct file_facts *ret_facts),
     (folder_fd, name, ret_facts))
WRAP(file_facts_path, (const char *path, struct file_facts *ret_facts),
     (path, ret_facts))
WRAP(file_may_write, (int folder_fd, const char *name), (folder_fd, name))
WRAP(file_read, (int fd, uint64_t at, void *buffer, size_t size, size_t *ret_n_read),
     (fd, at, buffer, size, ret_n_read))
WRAP(file_write, (int fd, const struct cj_bytes *pieces, size_t n_pieces),
     (fd, pieces, n_pieces))
WRAP(file_write_waiting,
     (int fd, const struct cj_bytes *pieces, size_t n_pieces,
      int (*interrupted)(void *context), void *context),
     (fd, pieces, n_pieces, interrupted, context))
WRAP(file_reserve, (int fd, uint64_t n_bytes), (fd, n_bytes))
WRAP(file_resize, (int fd, uint64_t n_bytes), (fd, n_bytes))
WRAP(file_make_alike, (int fd, const struct file_facts *other), (fd, other))
WRAP(file_sync, (int fd), (fd))
WRAP(file_flush, (int fd), (fd))
WRAP(file_rename, (int from_fd, const char *from, int to_fd, const char *to),
     (from_fd, from, to_fd, to))
WRAP(file_remove, (int folder_fd, const char *name), (folder_fd, name))
WRAP_ABLE(temp_open_nameless, fault.no_nameless, -EOPNOTSUPP,
          (int folder_fd, enum temp_mode mode, int *ret_fd), (folder_fd, mode, ret_fd))
WRAP(temp_open_named,
     (int folder_fd, const char *name, enum temp_mode mode, int *ret_fd),
     (folder_fd, name, mode, ret_fd))
WRAP_ABLE(temp_link, fault.no_link, -ENOENT, (int fd, int folder_fd, const char *name),
          (fd, folder_fd, name))
WRAP_ABLE(lock_take, fault.no_lock, LOCK_UNSUPPORTED, (int fd), (fd))

void *__real_mem_alloc(size_t size);
void *__wrap_mem_alloc(size_t size);
void *
__wrap_mem_alloc(size_t size)
{
    return fault_next() < 0 ? NULL : __real_mem_alloc(size);
}

void *__real_mem_alloc_zero(size_t n, size_t size);
void *__wrap_mem_alloc_zero(size_t n, size_t size);
void *
__wrap_mem_alloc_zero(size_t n, size_t size)
{
    return fault_next() < 0 ? NULL : __real_mem_alloc_zero(n, size);
}

/* --- ways to go ------------------------------------------------------------------- */

static const struct way {
    bool has_old, is_durable, no_nameless, no_link, no_lock;
} ways[] = {
    {.has_old = false},
    {.has_old = true},
    {.has_old = true, .is_durable = true},
    {.has_old = false, .no_nameless = true},
    {.has_old = true, .no_nameless = true},
    {.has_old = true, .no_link = true, .is_durable = true},
    {.has_old = true, .no_lock = true},
    {.has_old = true, .no_lock = true, .no_nameless = true},
};

#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

static void
way_take(const struct way *way)
{
    fault.no_nameless = way->no_nameless;
    fault.no_link = way->no_link;
    fault.no_lock = way->no_lock;
}

/* With the `at`-th call hit. */
static int
way_try(const struct way *way, const char *path, size_t at, bool kill)
{
    struct cj_file_options options = {.is_durable = way->is_durable};
    int r;

    fault.n_calls = fault.n_hit = 0;
    fault.at = at;
    fault.kill = kill;
    r = file_put_with(path, "the new content", &options);
    fault.at = 0;
    return r;
}

static void
way_prepare(const struct way *way, const char *path)
{
    fault.at = 0;
    unlink(path);
    REQUIRE(!way->has_old || file_put_text(path, "old") == 0);
}

static bool
has_old(const struct way *way, const char *path)
{
    return way->has_old ? file_has(path, "old") : access(path, F_OK) < 0;
}

static void
check_failing(const struct way *way, const char *folder, const char *path)
{
    bool was_reached = true;
    size_t n_errors = 0;
    int r;

    for (size_t at = 1; was_reached; at++) {
        way_prepare(way, path);
        r = way_try(way, path, at, false);
        was_reached = fault.n_hit > 0;
        n_errors += r < 0;
        CHECK(r == 0 || r == -EIO || r == -ENOMEM);
        CHECK(was_reached || r == 0);
        /* Only the last step of all may fail once the name has changed. */
        CHECK(r == 0 ? file_has(path, "the new content")
                     : has_old(way, path) ||
                           (way->is_durable && file_has(path, "the new content")));
        CHECK(file_put_text(path, "next") == 0);
        CHECK(way->no_lock || folder_count(folder) == 1);
        CHECK(folder_count(folder) <= 2);
    }
    CHECK(n_errors >= 8);
}

static void
test_each_call_failing(void)
{
    char *folder = file_folder("failing"), *path = path_in(folder, "a");

    for (size_t i = 0; i < N_WAYS; i++) {
        way_take(&ways[i]);
        check_failing(&ways[i], folder, path);
        help_remove_tree(folder);
        REQUIRE(mkdir(folder, 0700) == 0);
    }
    free(path);
    free(folder);
}

/* Kill a child at its `at`-th call; whether it came so far. */
static bool
killed_at(const struct way *way, const char *path, size_t at)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        _exit(way_try(way, path, at, true) == 0 ? 0 : 1);
    }
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

/* Where nothing can be locked, what is left can't be told from what is being written.
 */
static void
check_killed(const struct way *way, const char *folder, const char *path)
{
    size_t n_orphans = 0;
    bool was_killed = true;

    for (size_t at = 1; was_killed; at++) {
        way_prepare(way, path);
        was_killed = killed_at(way, path, at);
        CHECK(has_old(way, path) || file_has(path, "the new content"));
        CHECK(was_killed || file_has(path, "the new content"));
        n_orphans += folder_count(folder) > (access(path, F_OK) == 0);
        CHECK(file_put_text(path, "next") == 0);
        CHECK(folder_count(folder) == 1);
    }
    /* Between a link and the rename after it. */
    CHECK(way->no_nameless || way->no_link || n_orphans <= 1);
}

static void
test_killed_at_each_call(void)
{
    char *folder = file_folder("killed"), *path = path_in(folder, "a");

    for (size_t i = 0; i < N_WAYS; i++) {
        if (!ways[i].no_lock) {
            way_take(&ways[i]);
            check_killed(&ways[i], folder, path);
        }
    }
    free(path);
    free(folder);
}

TESTS(TEST(test_each_call_failing), TEST(test_killed_at_each_call))
