#include "sys/clock.h"

#include <time.h>

static int64_t
clock_read_ns(clockid_t clock)
{
    struct timespec now;

    /* Fails for unknown clocks only, and these exist on every kernel. */
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
clock_monotonic_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

int64_t
clock_coarse_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC_COARSE);
}

int64_t
clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}
