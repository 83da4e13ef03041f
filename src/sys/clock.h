/* Time. */

#ifndef SYS_CLOCK_H
#define SYS_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some moment of the past that does not change; never steps back. */
int64_t clock_monotonic_ns(void);

/* The same, some milliseconds late at most, and much faster. */
int64_t clock_coarse_ns(void);

/* Nanoseconds since 1970, UTC; may be set by the administrator at any time. */
int64_t clock_wall_ns(void);

#endif
