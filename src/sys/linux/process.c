#include "sys/process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/descriptor.h"
#include "sys/spawn_rest.h"

#ifndef P_PIDFD
#define P_PIDFD ((idtype_t)3)
#endif

static int
spawn_attributes(posix_spawnattr_t *attributes)
{
    sigset_t set;
    int r;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    r = posix_spawnattr_setsigmask(attributes, &set);
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigaddset(&set, SIGXFSZ);
    if (r == 0) {
        r = posix_spawnattr_setsigdefault(attributes, &set);
    }
    if (r == 0) {
        r = posix_spawnattr_setflags(attributes,
                                     POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    return -r;
}

static int
spawn(char *const *argv, char *const *envp, const posix_spawn_file_actions_t *actions,
      pid_t *ret_pid)
{
    posix_spawnattr_t attributes;
    int r;

    r = posix_spawnattr_init(&attributes);
    if (r != 0) {
        return -r;
    }
    r = spawn_attributes(&attributes);
    if (r == 0) {
        r = -posix_spawn(ret_pid, argv[0], actions, &attributes, argv,
                         envp ? envp : environ);
    }
    posix_spawnattr_destroy(&attributes);
    return r;
}

static int
spawn_with_descriptor(char *const *argv, char *const *envp, int fd, int fd_there,
                      pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int r;

    r = posix_spawn_file_actions_init(&actions);
    if (r != 0) {
        return -r;
    }
    /* This also clears close-on-exec when both numbers are the same. */
    r = -posix_spawn_file_actions_adddup2(&actions, fd, fd_there);
    if (r == 0) {
        r = spawn_rest_close(&actions, fd_there + 1);
    }
    if (r == 0) {
        r = spawn(argv, envp, &actions, ret_pid);
    }
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

static int
process_look(const struct process *process, int flags, siginfo_t *ret_info)
{
    bool watched = process->watch_fd >= 0;
    int r;

    do {
        ret_info->si_pid = 0;
        r = waitid(watched ? P_PIDFD : P_PID,
                   (id_t)(watched ? process->watch_fd : process->pid), ret_info,
                   WEXITED | flags);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

void
process_kill(const struct process *process)
{
    siginfo_t info;

    if (process->watch_fd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, process->watch_fd, SIGKILL, NULL, 0);
    }
    else if (process_look(process, WNOHANG | WNOWAIT, &info) == 0) {
        /* Still our child, so the number is still its own. */
        (void)kill(process->pid, SIGKILL);
    }
}

static int
wait_status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return (info->si_status & 0xff) << 8;
    case CLD_DUMPED:
        return info->si_status | 0x80;
    default:
        return info->si_status;
    }
}

int
process_wait(const struct process *process, bool block, int *ret_status)
{
    siginfo_t info;
    int r;

    r = process_look(process, block ? 0 : WNOHANG, &info);
    if (r == -ECHILD) {
        *ret_status = -1;
        return 0;
    }
    if (r < 0) {
        return r;
    }
    if (info.si_pid == 0) {
        return PROCESS_RUNS;
    }
    *ret_status = wait_status_of(&info);
    return 0;
}

void
process_end(const struct process *process)
{
    siginfo_t info;

    process_kill(process);
    (void)process_look(process, 0, &info);
}

/* Kernels before 5.3 and some sandboxes have no pidfds; and a child of ours that is
 * gone already was reaped by the kernel, because SIGCHLD is ignored. */
static bool
watch_is_missing(int r)
{
    return r == -ENOSYS || r == -EPERM || r == -ESRCH;
}

int
process_start(char *const *argv, char *const *envp, int fd, int fd_there,
              struct process *ret_process)
{
    struct process process = PROCESS_INIT;
    int r;

    r = spawn_with_descriptor(argv, envp, fd, fd_there, &process.pid);
    if (r < 0) {
        return r;
    }
    r = process_watch(process.pid, &process.watch_fd);
    if (r < 0 && !watch_is_missing(r)) {
        process_end(&process);
        return r;
    }
    *ret_process = process;
    return 0;
}

void
process_done(struct process *process)
{
    descriptor_close(process->watch_fd);
    *process = (struct process)PROCESS_INIT;
}

pid_t
process_self(void)
{
    return getpid();
}

_Noreturn void
process_leave(int status)
{
    _exit(status);
}

pid_t
process_parent(void)
{
    return getppid();
}

_Noreturn void
process_await_end(void)
{
    for (;;) {
        pause(); /* returns when a signal was handled */
    }
}
