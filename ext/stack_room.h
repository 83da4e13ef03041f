/* How far down the calling thread's C stack may be used, for code that recurses.
 *
 *      if ((uintptr_t)__builtin_frame_address(0) < floor) { raise RecursionError }
 *
 * A recursion that only counts its depth is safe on the 8 MB stack it was tried on and
 * fatal in a thread that was given 64 kB; this asks for the real bounds. */

#ifndef EXT_STACK_ROOM_H
#define EXT_STACK_ROOM_H

#include <stdint.h>

/* The lowest address that a frame of the calling thread may start at and still call
 * into the interpreter or a library. On the main thread it takes about 0.3 us, on
 * others about 1 us: ask once a call, and only when the recursion is more than a few
 * levels deep. */
uintptr_t stack_floor(void);

#endif
