/* Child processes: another program with one descriptor of ours, and its end.
 *
 * Nothing here touches other children of this process, and nothing needs SIGCHLD. Where
 * the kernel has pidfds, a process is meant by its descriptor and never by a number
 * that may have been given to another since.
 */

#ifndef SYS_PROCESS_H
#define SYS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "cjoblib/base.h"

struct process {
    pid_t pid;
    int watch_fd; /* readable when it has ended; -1: the kernel has none */
};

#define PROCESS_INIT {-1, -1}

enum process_outcome {
    PROCESS_RUNS = 1,
};

/* Start the program `argv[0]`, a path, with standard input, output and error of ours,
 * the descriptor `fd` under the number `fd_there` (above 2), and no other. Signals that
 * we handle are at their default there, as are SIGPIPE and SIGXFSZ; SIGINT is blocked
 * (so that Ctrl-C cannot hit it before it is ready for that, see sys/interrupt.h), all
 * others are not. `envp` NULL: our environment. -ENOENT, -EACCES, -EAGAIN, -ENOMEM. */
CJ_MUST_CHECK int process_start(char *const *argv, char *const *envp, int fd,
                                int fd_there, struct process *ret_process);

/* SIGKILL, unless it has ended. */
void process_kill(const struct process *process);

/* Kill it and wait for its end, which is nobody's concern. */
void process_end(const struct process *process);

/* Take its end, once: a status as of waitpid(2), or -1 when somebody else in this
 * process has taken it (waitpid(-1, ...), or SIGCHLD ignored). PROCESS_RUNS, unless
 * `block`. */
CJ_MUST_CHECK int process_wait(const struct process *process, bool block,
                               int *ret_status);

/* Close what belongs to it; it may go on. */
void process_done(struct process *process);

/* This process's own number. */
pid_t process_self(void);

/* The number of the process that started this one, or of whoever took it in. */
pid_t process_parent(void);

/* Sleep until the process ends. */
_Noreturn void process_await_end(void);

/* End this process here and now: no handler runs, nothing is flushed. */
_Noreturn void process_leave(int status);

/* A descriptor that is readable when `pid` has ended; -ESRCH: it has. */
CJ_MUST_CHECK int process_watch(pid_t pid, int *ret_watch_fd);

#endif
