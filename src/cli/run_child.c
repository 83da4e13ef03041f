#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

/* The command runs in our process group, with pipes for its output. Signals come to us
 * as data: what a terminal sends it got itself, the rest is passed on to it. */
struct child {
    pid_t pid;
    int out_fd, error_fd; /* -1: ended */
    int signal_fd;
    bool has_ended;
    bool is_over; /* we were told to end after it had ended */
    struct child_end end;
};

int
write_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t n = write(fd, at, size);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};

            (void)poll(&wait, 1, -1);
        }
        else if (n < 0 && errno != EINTR) {
            return -errno;
        }
        else if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

static void
child_take_output(struct child *child, struct spool *spool, int *fd,
                  enum record_kind kind)
{
    char buffer[1 << 16];
    ssize_t n = read(*fd, buffer, sizeof(buffer));
    int r;

    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (n <= 0) {
        close(*fd);
        *fd = -1;
        return;
    }
    spool_add(spool, kind, 0, buffer, (size_t)n);
    if (child->end.lost_output == 0) {
        r = write_all(kind == RECORD_OUT ? STDOUT_FILENO : STDERR_FILENO, buffer,
                      (size_t)n);
        child->end.lost_output = r;
    }
}

static void
child_take_signal(struct child *child)
{
    struct signalfd_siginfo signal;

    if (read(child->signal_fd, &signal, sizeof(signal)) != sizeof(signal)) {
        return;
    }
    if (signal.ssi_signo == SIGCHLD) {
        if (waitpid(child->pid, &child->end.status, WNOHANG) == child->pid) {
            child->has_ended = true;
        }
    }
    else if (signal.ssi_code == SI_KERNEL) {
        return; /* from the terminal: the command has it too */
    }
    else if (!child->has_ended) {
        (void)kill(child->pid, (int)signal.ssi_signo);
    }
    else {
        /* Somebody that the command left behind keeps our pipes open. */
        child->end.status = (int)signal.ssi_signo;
        child->is_over = true;
    }
}

/* Until both outputs have ended and the command too. */
static void
child_follow(struct child *child, struct spool *spool)
{
    while (!child->is_over &&
           !(child->has_ended && child->out_fd < 0 && child->error_fd < 0)) {
        struct pollfd fds[] = {{.fd = child->out_fd, .events = POLLIN},
                               {.fd = child->error_fd, .events = POLLIN},
                               {.fd = child->signal_fd, .events = POLLIN}};

        if (poll(fds, 3, -1) < 0) {
            continue;
        }
        if (fds[0].revents) {
            child_take_output(child, spool, &child->out_fd, RECORD_OUT);
        }
        if (fds[1].revents) {
            child_take_output(child, spool, &child->error_fd, RECORD_ERROR);
        }
        if (fds[2].revents) {
            child_take_signal(child);
        }
    }
}

/* `mask`: the signals that are blocked in the command, as they were here. */
static int
child_spawn(const struct run_request *request, const int out[2], const int error[2],
            const sigset_t *mask, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int r;

    if (posix_spawn_file_actions_init(&actions) != 0) {
        return -ENOMEM;
    }
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    r = posix_spawnattr_setsigdefault(&attributes, &defaults);
    r = r ? r : posix_spawnattr_setsigmask(&attributes, mask);
    r = r ? r
          : posix_spawnattr_setflags(&attributes,
                                     POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    r = r ? r
          : posix_spawn_file_actions_adddup2(&actions, request->stdin_fd, STDIN_FILENO);
    r = r ? r : posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    r = r ? r : posix_spawn_file_actions_adddup2(&actions, error[1], STDERR_FILENO);
    r = r ? r
          : posix_spawn(ret_pid, request->program, &actions, &attributes,
                        request->command.items, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int
child_refused(const char *name, int r)
{
    fprintf(stderr, "cjoblib: %s: it can't be run: %s\n", name, strerror(-r));
    return r == -ENOENT ? RUN_MISSING : RUN_REFUSED;
}

static int
child_start(const struct run_request *request, const sigset_t *mask,
            struct child *ret_child)
{
    int out[2], error[2], r;

    if (pipe2(out, O_CLOEXEC) < 0) {
        return -errno;
    }
    if (pipe2(error, O_CLOEXEC) < 0) {
        r = -errno;
        close(out[0]);
        close(out[1]);
        return r;
    }
    r = child_spawn(request, out, error, mask, &ret_child->pid);
    close(out[1]);
    close(error[1]);
    if (r < 0) {
        close(out[0]);
        close(error[0]);
        return r;
    }
    ret_child->out_fd = out[0];
    ret_child->error_fd = error[0];
    return 0;
}

int
child_run(const struct run_request *request, struct spool *spool,
          struct child_end *ret_end)
{
    static const int wanted[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct child child = {.out_fd = -1, .error_fd = -1};
    sigset_t signals, before;
    int r;

    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        sigaddset(&signals, wanted[i]);
    }
    sigprocmask(SIG_BLOCK, &signals, &before);
    child.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    r = child.signal_fd < 0 ? -errno : child_start(request, &before, &child);
    if (r == 0) {
        child_follow(&child, spool);
        *ret_end = child.end;
    }
    if (child.signal_fd >= 0) {
        close(child.signal_fd);
    }
    if (child.out_fd >= 0) {
        close(child.out_fd);
    }
    if (child.error_fd >= 0) {
        close(child.error_fd);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return r < 0 ? child_refused(request->command.items[0], r) : 0;
}
