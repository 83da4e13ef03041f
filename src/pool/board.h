/* One page that the owner and one worker share, where it stands which of the tasks on
 * their way are still the owner's to take back. It costs no system call, and it
 * outlives the worker: so the owner knows exactly whether a task had begun when its
 * worker died.
 *
 * A task that is handed to a worker gets a ticket, a number that is never used again in
 * this pool; its lowest bit is the place on the board. A place goes
 *
 *      ticket --worker begins--> ticket + BEGUN
 *         |
 *         +-----owner revokes--> 0                  (the worker skips that message)
 *
 * by compare-and-swap, so that exactly one of them wins. Written by both sides; what a
 * worker does to the task happens after its swap, what the owner sent before its store.
 */

#ifndef POOL_BOARD_H
#define POOL_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BOARD_N_PLACES 2

struct board {
    _Atomic uint64_t places[BOARD_N_PLACES];
};

/* The owner's: before the task is sent, */
void board_offer(struct board *board, uint64_t ticket);

/* to take it back: false when it has begun, */
bool board_revoke(struct board *board, uint64_t ticket);

/* and when the worker is dead. */
bool board_has_begun(struct board *board, uint64_t ticket);

/* The worker's: false when the task was taken back. */
bool board_begin(struct board *board, uint64_t ticket);

#endif
