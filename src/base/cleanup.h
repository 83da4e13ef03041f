/* Owners that release themselves when their scope ends, and how to move what they hold.
 *
 *      AUTO(close_p) int fd = -1;          closed at the end of the block, unless
 * moved: *ret_fd = TAKE(fd, -1);             the owner is left with -1
 */

#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#define AUTO(release) __attribute__((cleanup(release)))

/* The value of `owner`, which holds `nothing` afterwards. */
#define TAKE(owner, nothing)                \
    __extension__({                         \
        __typeof__(owner) taken_ = (owner); \
        (owner) = (nothing);                \
        taken_;                             \
    })

#define TAKE_PTR(owner) TAKE(owner, NULL)

#endif
