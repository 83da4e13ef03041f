/* The worker's side: take a message, do what it says, answer. */

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "cjoblib/pool.h"
#include "pool/board.h"
#include "pool/channel.h"
#include "pool/watch.h"
#include "sys/clock.h"
#include "sys/descriptor.h"
#include "sys/interrupt.h"
#include "sys/shared_memory.h"
#include "sys/socket_pair.h"

struct server {
    struct channel channel;
    struct board *board;
    struct watch watch;
    cj_worker_function function;
    void *context;
    int result;       /* of the function, where it ends all */
    int64_t began_ns; /* the task */
};

/* Longer than that a task of several steps does not keep its results to itself. */
#define STEPS_MAX_NS 20000000

enum serve_outcome {
    SERVE_ENDED = 1, /* no more tasks, for whatever good reason */
};

static int
serve_answer(struct server *server, enum frame_kind kind,
             const struct frame_head *question, const struct cj_reply *reply)
{
    struct frame_head head = {
        .kind = kind,
        .ticket = question->ticket,
        .number = (uint64_t)(clock_monotonic_ns() - server->began_ns),
    };
    int r;

    r = channel_reply(&server->channel, &head, reply);
    return r == CHANNEL_ENDED ? SERVE_ENDED : r;
}

/* Say which blocks of the task are still used here. */
static int
serve_kept(struct server *server, const struct frame_head *question, uint32_t kept)
{
    static const struct cj_reply nothing = {.parts = NULL};
    int r = 0;

    for (unsigned i = 0; i < CJ_MAX_BLOCKS && r == 0; i++) {
        struct frame_head head = {
            .kind = FRAME_KEPT,
            .ticket = question->ticket,
            .number = i,
        };

        if (kept >> i & 1) {
            r = channel_reply(&server->channel, &head, &nothing);
        }
    }
    return r == CHANNEL_ENDED ? SERVE_ENDED : r;
}

static int
serve_task(struct server *server, const struct frame_head *head, struct cj_task *task)
{
    static const struct cj_reply nothing = {.parts = NULL};
    struct cj_reply reply = nothing;
    int r;

    server->result = server->function(server->context, task, &reply);
    if (server->result != 0) {
        return SERVE_ENDED;
    }
    switch (task->kind) {
    case CJ_TASK_HELLO:
        return serve_answer(server, FRAME_READY, head, &nothing);
    case CJ_TASK_RUN:
        r = serve_kept(server, head, reply.kept_blocks);
        return r != 0 ? r
                      : serve_answer(server,
                                     reply.is_failure ? FRAME_FAILURE : FRAME_RESULT,
                                     head, &reply);
    default:
        return 0;
    }
}

/* The body lives until the answer is sent: that may be made of it. */
static int
serve_call(struct server *server, enum cj_task_kind kind, const struct frame_head *head,
           struct cj_blob *body, struct parcel *parcel)
{
    struct cj_task task = {
        .kind = kind,
        .number = head->number,
        .place = board_place(server->board, head->ticket),
    };
    int r;

    task.body = TAKE(*body, (struct cj_blob)CJ_BLOB_INIT);
    task.n_blocks = parcel->n_fds;
    memcpy(task.block_fds, parcel->fds, parcel->n_fds * sizeof(int));
    parcel->n_fds = 0;
    r = serve_task(server, head, &task);
    cj_blob_done(&task.body);
    for (size_t i = 0; i < task.n_blocks; i++) {
        descriptor_close(task.block_fds[i]);
    }
    return r;
}

bool
cj_task_step(struct cj_task *task, uint64_t n_done)
{
    struct board_place *place = task->place;

    /* Relaxed: see board.h; nothing else is told by either. */
    atomic_store_explicit(&place->n_done, n_done, memory_order_relaxed);
    if (atomic_load_explicit(&place->wanted_back, memory_order_relaxed) ==
        (atomic_load_explicit(&place->ticket, memory_order_relaxed) & ~BOARD_BEGUN)) {
        return true;
    }
    return clock_coarse_ns() -
               atomic_load_explicit(&place->began_ns, memory_order_relaxed) >
           STEPS_MAX_NS;
}

static int
serve_kind(const struct frame_head *head, enum cj_task_kind *ret_kind)
{
    switch (head->kind) {
    case FRAME_HELLO:
        *ret_kind = CJ_TASK_HELLO;
        return 0;
    case FRAME_CONTEXT:
        *ret_kind = CJ_TASK_CONTEXT;
        return 0;
    case FRAME_RUN:
        *ret_kind = CJ_TASK_RUN;
        return 0;
    default:
        return -EPROTO;
    }
}

static int
serve_next(struct server *server)
{
    AUTO(cj_blob_done) struct cj_blob body = CJ_BLOB_INIT;
    AUTO(parcel_done) struct parcel parcel = {.n_fds = 0};
    struct frame_head head;
    enum cj_task_kind kind = CJ_TASK_RUN;
    int r;

    /* Relaxed: a limit that changes while we sleep holds the next time. A task that is
     * sent while we leave has not begun, so it goes to another worker. */
    r = channel_wait(
        &server->channel,
        atomic_load_explicit(&server->board->idle_ns, memory_order_relaxed), &head,
        &body, &parcel);
    if (r == CHANNEL_ENDED || r == CHANNEL_IDLE) {
        return SERVE_ENDED;
    }
    if (r == 0) {
        r = serve_kind(&head, &kind);
    }
    if (r < 0) {
        return r;
    }
    if (!watch_enter(&server->watch)) {
        return SERVE_ENDED;
    }
    server->began_ns = clock_monotonic_ns();
    if (kind != CJ_TASK_RUN ||
        board_begin(server->board, head.ticket, server->began_ns)) {
        r = serve_call(server, kind, &head, &body, &parcel);
    }
    watch_leave(&server->watch);
    return r;
}

static int
serve_all(struct server *server, int fd, pid_t owner)
{
    int r;

    r = watch_start(&server->watch, fd, owner);
    if (r < 0) {
        return r;
    }
    do {
        r = serve_next(server);
    } while (r == 0);
    watch_stop(&server->watch);
    return r == SERVE_ENDED ? server->result : r;
}

static int
board_take(int fd, void **ret_board)
{
    AUTO(close_p) int board_fd = -1;
    int r;

    r = socket_pair_take(fd, &board_fd);
    return r == 0 ? shared_memory_map(board_fd, sizeof(struct board), ret_board) : r;
}

int
cj_worker_run(int fd, cj_worker_function function, void *context)
{
    struct server server = {.function = function, .context = context};
    void *board;
    pid_t owner;
    int r;

    r = socket_pair_adopt(fd, &owner);
    if (r == 0) {
        r = interrupt_shrug_off();
    }
    if (r == 0) {
        r = board_take(fd, &board);
    }
    if (r != 0) {
        return r == SOCKET_PAIR_ENDED ? 0 : r;
    }
    server.board = board;
    channel_init(&server.channel, fd);
    r = serve_all(&server, fd, owner);
    channel_done(&server.channel);
    shared_memory_unmap(board, sizeof(struct board));
    return r;
}
