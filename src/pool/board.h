/* One page that the owner and one worker share, where it stands which of the tasks on
 * their way are still the owner's to take back. It costs no system call, and it
 * outlives the worker: so the owner knows exactly whether a task had begun when its
 * worker died, and how far it had come.
 *
 * A task that is handed to a worker gets a ticket, a number that is never used again in
 * this pool; its lowest bits are the place on the board. A place goes
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

/* Tasks that may be on their way in one worker; a power of two. */
#define BOARD_N_PLACES 32

#define BOARD_BEGUN ((uint64_t)1 << 63)

struct board_place {
    _Atomic uint64_t ticket;
    /* The worker's, written before the swap that begins the task. */
    _Atomic int64_t began_ns;
    /* The worker's: how many of the task's steps are done. */
    _Atomic uint64_t n_done;
    /* The owner's: the ticket of a task that is to stop between two steps. */
    _Atomic uint64_t wanted_back;
};

struct board {
    /* The owner's: how long the worker waits for a task before it leaves; <= 0: for
     * ever (a worker may look before the owner has set it). */
    _Atomic int64_t idle_ns;
    struct board_place places[BOARD_N_PLACES];
};

struct board_place *board_place(struct board *board, uint64_t ticket);

/* The owner's: before the task is sent, */
void board_offer(struct board *board, uint64_t ticket);

/* to take it back: false when it has begun, */
bool board_revoke(struct board *board, uint64_t ticket);

/* at any time, and when the worker is dead; */
bool board_has_begun(struct board *board, uint64_t ticket);

/* when it began (it has), and how much of it was done; */
int64_t board_began_ns(struct board *board, uint64_t ticket);
uint64_t board_n_done(struct board *board, uint64_t ticket);

/* to ask for what is left of it. */
void board_want_back(struct board *board, uint64_t ticket);

/* The worker's: false when the task was taken back. */
bool board_begin(struct board *board, uint64_t ticket, int64_t now_ns);

#endif
