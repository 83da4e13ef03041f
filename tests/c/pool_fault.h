/* The pool's calls of the heap and of the kernel, each of which can be made to fail. */

#ifndef POOL_FAULT_H
#define POOL_FAULT_H

#include <stdbool.h>
#include <stddef.h>

struct fault {
    size_t n_calls; /* so far */
    size_t fail_at; /* this one fails, counted from 1; 0: none */
    bool fail_on;   /* and all after it */
    bool no_watch;  /* the kernel has no pidfds */
    size_t n_injected;
};

extern struct fault fault;

#endif
