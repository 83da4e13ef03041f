#include "stack_room.h"

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/resource.h>

/* Kept free below the floor: what one call into the interpreter or OpenSSL needs. */
#define STACK_KEPT_BYTES 24576

/* The kernel leaves at least this much below the top of the main stack, also when the
 * limit on it is larger or was raised after the program had started. */
#define STACK_MAIN_MAX_BYTES ((uintptr_t)64 << 20)

static uintptr_t
main_stack_bytes(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_STACK, &limit) < 0) {
        return 0;
    }
    return limit.rlim_cur < STACK_MAIN_MAX_BYTES ? (uintptr_t)limit.rlim_cur
                                                 : STACK_MAIN_MAX_BYTES;
}

/* The thread library knows the bounds of the stacks it made. */
static uintptr_t
thread_stack_end(void)
{
    pthread_attr_t attributes;
    void *end = NULL;
    size_t n_bytes = 0, guard_bytes = 0;

    if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
        return 0;
    }
    (void)pthread_attr_getstack(&attributes, &end, &n_bytes);
    (void)pthread_attr_getguardsize(&attributes, &guard_bytes);
    (void)pthread_attr_destroy(&attributes);
    return (uintptr_t)end + guard_bytes;
}

uintptr_t
stack_floor(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    /* The program's name lies at the very top of the main stack. pthread_getattr_np()
     * would parse /proc/self/maps to say the same, in 50 us. */
    uintptr_t top = (uintptr_t)getauxval(AT_EXECFN), end = top - main_stack_bytes();

    if (here >= top || here < end) {
        end = thread_stack_end();
    }
    if (here < end || end == 0) {
        /* On a stack that nobody told us about: trust it for one call. */
        return here - STACK_KEPT_BYTES;
    }
    return end + STACK_KEPT_BYTES;
}
