/* Linked with --wrap for each name here: see meson.build. */

#include "pool_fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>

struct fault fault;

static bool
fault_now(void)
{
    size_t n = ++fault.n_calls;

    if (fault.fail_at > 0 &&
        (n == fault.fail_at || (fault.fail_on && n > fault.fail_at))) {
        fault.n_injected++;
        return true;
    }
    return false;
}

#define WRAP(type, name, failure, parameters, arguments)          \
    type __real_##name parameters;                                \
    type __wrap_##name parameters;                                \
    type __wrap_##name parameters                                 \
    {                                                             \
        return fault_now() ? (failure) : __real_##name arguments; \
    }

WRAP(void *, mem_alloc, NULL, (size_t size), (size))
WRAP(void *, mem_alloc_zero, NULL, (size_t n, size_t size), (n, size))
WRAP(void *, mem_resize, NULL, (void *block, size_t size), (block, size))
WRAP(int, socket_pair_open, -EMFILE, (int *ours, int *theirs), (ours, theirs))
WRAP(int, socket_pair_send_fds, -ENOMEM,
     (int fd, void *parts, size_t n, const int *fds, size_t n_fds, bool wait,
      size_t *ret_n),
     (fd, parts, n, fds, n_fds, wait, ret_n))
WRAP(int, socket_pair_receive_fds, -ENOMEM,
     (int fd, void *parts, size_t n, bool wait, size_t *ret_n, int *fds, size_t *n_fds),
     (fd, parts, n, wait, ret_n, fds, n_fds))
WRAP(int, bell_open, -EMFILE, (int *fd), (fd))
WRAP(int, socket_pair_pass, -ENOMEM, (int fd, int passed), (fd, passed))
WRAP(int, socket_pair_take, -EMFILE, (int fd, int *taken), (fd, taken))
WRAP(int, socket_pair_adopt, -EBADF, (int fd, int *opener), (fd, opener))
WRAP(int, poller_open, -EMFILE, (int *fd), (fd))
WRAP(int, poller_add, -ENOSPC, (int poller, int fd, uint64_t tag), (poller, fd, tag))
WRAP(int, poller_set_writing, -ENOMEM, (int poller, int fd, uint64_t tag, bool writing),
     (poller, fd, tag, writing))
/* One signal passes; signals for ever are no fault that anybody can have. */
WRAP(int, poller_wait, fault.fail_on ? -ENOMEM : -EINTR,
     (int poller, int64_t timeout, void *events, size_t n, size_t *ret_n),
     (poller, timeout, events, n, ret_n))
WRAP(int, process_start, -EAGAIN,
     (char *const *argv, char *const *envp, int fd, int there, void *process),
     (argv, envp, fd, there, process))
WRAP(int, shared_memory_new, -ENFILE, (size_t size, int *fd, void **memory),
     (size, fd, memory))
WRAP(int, shared_memory_map, -ENOMEM, (int fd, size_t size, void **memory),
     (fd, size, memory))
WRAP(int, hangup_open, -EMFILE, (int *fd), (fd))
WRAP(int, interrupt_shrug_off, -EINVAL, (void), ())
WRAP(int, thread_start, -EAGAIN,
     (void *(*run)(void *), void *argument, pthread_t *ret_thread),
     (run, argument, ret_thread))

int __real_process_watch(int pid, int *fd);
int __wrap_process_watch(int pid, int *fd);
int
__wrap_process_watch(int pid, int *fd)
{
    if (fault.no_watch) {
        return -ENOSYS;
    }
    return fault_now() ? -EMFILE : __real_process_watch(pid, fd);
}
