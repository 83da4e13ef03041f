#include "sys/entropy.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

int
entropy_u64(uint64_t *ret_value)
{
    ssize_t n;

    do {
        n = getrandom(ret_value, sizeof(*ret_value), 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}
