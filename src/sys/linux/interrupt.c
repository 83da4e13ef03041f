#include "sys/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

static void
do_nothing(int signal_number)
{
    (void)signal_number;
}

int
interrupt_shrug_off(void)
{
    /* A handler, because ignoring would be inherited by programs that are started. */
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    struct sigaction before;
    sigset_t set;

    if (sigaction(SIGINT, NULL, &before) < 0) {
        return -errno;
    }
    if (before.sa_handler != SIG_IGN && sigaction(SIGINT, &action, NULL) < 0) {
        return -errno;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    return -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
