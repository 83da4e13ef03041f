#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

/* An output file before the command ran. */
struct watched {
    const char *path;
    bool was_there;
    struct stat before;
    int number;      /* of its inotify watch; -1: none */
    bool was_opened; /* by somebody who could write, and closed again; or changed */
};

struct watch {
    int inotify_fd; /* -1: there is none; then times and sizes must do */
    size_t n;
    struct watched items[];
};

struct watch *
watch_new(const struct arguments *outputs)
{
    size_t n = (size_t)outputs->n;
    struct watch *watch = calloc(1, sizeof(*watch) + n * sizeof(watch->items[0]));

    if (!watch) {
        return NULL;
    }
    watch->inotify_fd = n > 0 ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -1;
    watch->n = n;
    for (size_t i = 0; i < n; i++) {
        struct watched *item = &watch->items[i];

        item->path = outputs->items[i];
        item->number = -1;
        item->was_there = stat(item->path, &item->before) == 0;
        if (item->was_there && watch->inotify_fd >= 0) {
            item->number = inotify_add_watch(watch->inotify_fd, item->path,
                                             IN_MODIFY | IN_CLOSE_WRITE);
        }
    }
    return watch;
}

static void
watch_note(struct watch *watch, int number)
{
    for (size_t i = 0; i < watch->n; i++) {
        watch->items[i].was_opened |= watch->items[i].number == number;
    }
}

static void
watch_listen(struct watch *watch)
{
    _Alignas(struct inotify_event) char room[4096];
    const struct inotify_event *event;
    ssize_t n;

    while ((n = read(watch->inotify_fd, room, sizeof(room))) > 0) {
        for (char *at = room; at < room + n; at += sizeof(*event) + event->len) {
            event = (const struct inotify_event *)(const void *)at;
            watch_note(watch, event->wd);
        }
    }
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
watched_is_written(const struct watched *item, const struct stat *now)
{
    const struct stat *before = &item->before;

    return !item->was_there || item->was_opened || before->st_ino != now->st_ino ||
           before->st_dev != now->st_dev || before->st_size != now->st_size ||
           !same_time(&before->st_mtim, &now->st_mtim);
}

static int
watch_say(const char *path, const char *why)
{
    fprintf(stderr, "cjoblib: output %s: %s; nothing was kept\n", path, why);
    return RUN_FAILED;
}

static int
watched_collect(const struct watched *item, struct spool *spool)
{
    int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;
    struct stat facts;

    if (fd < 0) {
        return watch_say(item->path, errno == ENOENT ? "the command did not write it"
                                                     : strerror(errno));
    }
    if (fstat(fd, &facts) < 0 || !S_ISREG(facts.st_mode)) {
        close(fd);
        return watch_say(item->path, "not a file");
    }
    if (!watched_is_written(item, &facts)) {
        close(fd);
        return watch_say(item->path, "the command did not write it");
    }
    r = spool_add_file(spool, fd, (uint32_t)facts.st_mode & 07777);
    close(fd);
    return r < 0 ? watch_say(item->path, strerror(-r)) : 0;
}

int
watch_collect(struct watch *watch, struct spool *spool)
{
    int code = 0;

    if (watch->inotify_fd >= 0) {
        watch_listen(watch);
    }
    for (size_t i = 0; i < watch->n && code == 0; i++) {
        code = watched_collect(&watch->items[i], spool);
    }
    return code;
}

void
watch_free(struct watch *watch)
{
    if (watch) {
        if (watch->inotify_fd >= 0) {
            close(watch->inotify_fd);
        }
        free(watch);
    }
}
