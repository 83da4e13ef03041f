/* Ctrl-C, which the terminal sends to every process of the foreground group. */

#ifndef SYS_INTERRUPT_H
#define SYS_INTERRUPT_H

#include "cjoblib/base.h"

/* Let SIGINT pass without effect, one that is pending too, and unblock it. Programs
 * that this process starts are hit by it as usual; system calls that it meets are
 * restarted. If it was ignored it stays so. */
CJ_MUST_CHECK int interrupt_shrug_off(void);

#endif
