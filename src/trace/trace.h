/* A trace as its lanes see it. */

#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include <stdbool.h>

#include "cjoblib/trace.h"

struct cj_trace {
    char *path;
    int fd; /* the owner's is locked while it lives */
    bool is_owner;
    const volatile unsigned char *is_here; /* 0: this is a forked child */
};

/* Every trace begins with this line; it is an event like any other. */
#define TRACE_FIRST_LINE                                             \
    "[{\"name\":\"cjoblib "                                          \
    "trace\",\"ph\":\"i\",\"s\":\"g\",\"ts\":0,\"pid\":0,\"tid\":0," \
    "\"args\":{\"format\":1}},\n"

/* The file grows by this much at a time, for each lane. */
#define TRACE_PIECE_BYTES ((size_t)64 << 10)

#endif
