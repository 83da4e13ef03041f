#include "trace/trace.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/descriptor.h"
#include "sys/files.h"
#include "sys/folder.h"
#include "sys/fork_guard.h"
#include "sys/growing_file.h"
#include "sys/lock.h"
#include "trace/finish.h"

/* Two that open the same path again and again could go on for ever; they don't. */
#define TRACE_OPEN_TRIES 100

enum trace_outcome {
    TRACE_AGAIN = 1, /* somebody else was quicker: look anew */
    TRACE_LIVES,     /* another process writes it */
};

static bool
trace_is_one(int fd)
{
    char head[sizeof(TRACE_FIRST_LINE) - 1];
    size_t n;

    return file_read(fd, 0, head, sizeof(head), &n) == 0 && n == sizeof(head) &&
           memcmp(head, TRACE_FIRST_LINE, n) == 0;
}

/* See what the file at `path` is. 0: nobody's, and locked by us now. */
static int
trace_examine(int fd, const char *path)
{
    int r = lock_take(fd);

    if (r == LOCK_BUSY) {
        return trace_is_one(fd) ? TRACE_LIVES : TRACE_AGAIN;
    }
    if (r < 0) {
        return r;
    }
    return growing_file_is_at(fd, path) ? 0 : TRACE_AGAIN;
}

static int
trace_write_head(int fd)
{
    struct growing_piece piece;
    int r = growing_file_add(fd, TRACE_PIECE_BYTES, ' ', &piece);

    if (r < 0) {
        return r;
    }
    piece.room[piece.size - 1] = '\n';
    memcpy(piece.room, TRACE_FIRST_LINE, sizeof(TRACE_FIRST_LINE) - 1);
    growing_file_let_go(&piece);
    return 0;
}

/* Make the file, or find the one that a living process writes. */
static int
trace_make(const char *path, int *ret_fd)
{
    AUTO(close_p) int fd = -1;
    int r = growing_file_new(path, &fd);

    if (r < 0) {
        return r == -EEXIST ? TRACE_AGAIN : r;
    }
    /* Others may take it for a dead one until it is locked, and remove it. */
    r = trace_examine(fd, path);
    if (r != 0) {
        return r < 0 ? r : TRACE_AGAIN;
    }
    r = trace_write_head(fd);
    if (r < 0) {
        (void)!growing_file_remove(path);
        return r;
    }
    *ret_fd = TAKE(fd, -1);
    return 0;
}

static int
trace_open_once(const char *path, int *ret_fd)
{
    AUTO(close_p) int fd = -1;
    int r = growing_file_open(path, &fd);

    if (r == -ENOENT) {
        return trace_make(path, ret_fd);
    }
    if (r == 0) {
        r = trace_examine(fd, path);
    }
    if (r == TRACE_LIVES) {
        *ret_fd = TAKE(fd, -1);
        return r;
    }
    if (r != 0) {
        return r;
    }
    /* Nobody's: an older trace, or what the user names. We hold its lock, so nobody
     * else takes it away now. */
    r = growing_file_remove(path);
    return r < 0 ? r : trace_make(path, ret_fd);
}

static int
trace_new(const char *path, int fd, bool is_owner, struct cj_trace **ret_trace)
{
    struct cj_trace *trace = mem_alloc_zero(1, sizeof(*trace));
    int r = trace ? 0 : -ENOMEM;

    if (r == 0) {
        trace->fd = -1;
        r = folder_absolute(path, &trace->path);
    }
    if (r == 0) {
        r = fork_guard_new(&trace->is_here);
    }
    if (r < 0) {
        descriptor_close(fd);
        if (trace) {
            mem_free(trace->path);
            mem_free(trace);
        }
        return r;
    }
    trace->fd = fd;
    trace->is_owner = is_owner;
    *ret_trace = trace;
    return 0;
}

int
cj_trace_open(const char *path, struct cj_trace **ret_trace)
{
    int r = TRACE_AGAIN, fd = -1;

    for (int i = 0; i < TRACE_OPEN_TRIES && r == TRACE_AGAIN; i++) {
        r = trace_open_once(path, &fd);
    }
    if (r < 0 || r == TRACE_AGAIN) {
        return r < 0 ? r : -EBUSY;
    }
    return trace_new(path, fd, r != TRACE_LIVES, ret_trace);
}

int
cj_trace_join(const char *path, struct cj_trace **ret_trace)
{
    AUTO(close_p) int fd = -1;
    int r = growing_file_open(path, &fd);

    if (r < 0) {
        return r;
    }
    if (!trace_is_one(fd)) {
        return -EINVAL;
    }
    /* A shared lock, for a moment: with the owner's own there is none to be had. */
    r = lock_share(fd);
    if (r != LOCK_BUSY) {
        return r < 0 ? r : -ESRCH;
    }
    return trace_new(path, TAKE(fd, -1), false, ret_trace);
}

bool
cj_trace_is_owner(const struct cj_trace *trace)
{
    return trace->is_owner;
}

int
cj_trace_close(struct cj_trace *trace)
{
    int r = 0;

    if (!trace) {
        return 0;
    }
    if (trace->is_owner && *trace->is_here &&
        growing_file_is_at(trace->fd, trace->path)) {
        r = trace_finish(trace->fd, trace->path);
    }
    fork_guard_free(trace->is_here);
    descriptor_close(trace->fd);
    mem_free(trace->path);
    mem_free(trace);
    return r;
}
