#include "pool/board.h"

struct board_place *
board_place(struct board *board, uint64_t ticket)
{
    return &board->places[ticket % BOARD_N_PLACES];
}

/* Acquire: who wins sees what the other did before; release: and the other way round. A
 * loser that finds BEGUN must see `began_ns`, so it acquires as well. */
static bool
board_swap(struct board *board, uint64_t ticket, uint64_t to)
{
    uint64_t expected = ticket;

    return atomic_compare_exchange_strong_explicit(&board_place(board, ticket)->ticket,
                                                   &expected, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

void
board_offer(struct board *board, uint64_t ticket)
{
    struct board_place *place = board_place(board, ticket);

    atomic_store_explicit(&place->n_done, 0, memory_order_relaxed);
    /* Release: with the ticket the worker sees that nothing of it is done. */
    atomic_store_explicit(&place->ticket, ticket, memory_order_release);
}

bool
board_revoke(struct board *board, uint64_t ticket)
{
    return board_swap(board, ticket, 0);
}

bool
board_has_begun(struct board *board, uint64_t ticket)
{
    /* Acquire: `began_ns` is seen with it. */
    return atomic_load_explicit(&board_place(board, ticket)->ticket,
                                memory_order_acquire) == (ticket | BOARD_BEGUN);
}

int64_t
board_began_ns(struct board *board, uint64_t ticket)
{
    return atomic_load_explicit(&board_place(board, ticket)->began_ns,
                                memory_order_relaxed);
}

uint64_t
board_n_done(struct board *board, uint64_t ticket)
{
    /* Relaxed: a count, of which the last value is asked for when the worker is dead.
     */
    return atomic_load_explicit(&board_place(board, ticket)->n_done,
                                memory_order_relaxed);
}

void
board_want_back(struct board *board, uint64_t ticket)
{
    /* Relaxed: advice; the answer comes by another way. */
    atomic_store_explicit(&board_place(board, ticket)->wanted_back, ticket,
                          memory_order_relaxed);
}

bool
board_begin(struct board *board, uint64_t ticket, int64_t now_ns)
{
    atomic_store_explicit(&board_place(board, ticket)->began_ns, now_ns,
                          memory_order_relaxed);
    return board_swap(board, ticket, ticket | BOARD_BEGUN);
}
