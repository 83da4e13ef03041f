#include "pool/board.h"

#define BEGUN ((uint64_t)1 << 63)

static _Atomic uint64_t *
board_place(struct board *board, uint64_t ticket)
{
    return &board->places[ticket % BOARD_N_PLACES];
}

static bool
board_swap(struct board *board, uint64_t ticket, uint64_t to)
{
    uint64_t expected = ticket;

    return atomic_compare_exchange_strong(board_place(board, ticket), &expected, to);
}

void
board_offer(struct board *board, uint64_t ticket)
{
    atomic_store(board_place(board, ticket), ticket);
}

bool
board_revoke(struct board *board, uint64_t ticket)
{
    return board_swap(board, ticket, 0);
}

bool
board_has_begun(struct board *board, uint64_t ticket)
{
    return atomic_load(board_place(board, ticket)) == (ticket | BEGUN);
}

bool
board_begin(struct board *board, uint64_t ticket)
{
    return board_swap(board, ticket, ticket | BEGUN);
}
