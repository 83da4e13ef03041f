/* Recursion in C that is really needed: bounded by the interpreter's limit, and by the
 * thread's stack, which may be far smaller than that limit assumes. */

#ifndef EXT_PICKLE_STACK_H
#define EXT_PICKLE_STACK_H

#include "compat.h"

/* 0, or -1 with RecursionError set, whose message ends in `where`. */
int stack_enter(const char *where);

void stack_leave(void);

#endif
