/* Squares of numbers, computed by worker processes. The program is its own worker.
 *
 *      cc pool.c -o pool $(pkg-config --cflags --libs cjoblib) && ./pool
 */

#include <cjoblib/pool.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* In the worker: one number in, its square out. */
static int
square(void *context, struct cj_task *task, struct cj_reply *reply)
{
    static uint64_t number;
    static const struct cj_bytes answer = {&number, sizeof(number)};

    (void)context;
    if (task->kind == CJ_TASK_RUN && task->body.size == sizeof(number)) {
        memcpy(&number, task->body.data, sizeof(number));
        number *= number;
        reply->parts = &answer;
        reply->n_parts = 1;
    }
    return 0;
}

/* In the owner: the results come in any order, each with the number of its task. */
static int
collect(struct cj_pool *pool, uint64_t *squares)
{
    struct cj_pool_event event;
    int r;

    while ((r = cj_pool_next(pool, -1, &event)) == 0) {
        if (event.kind != CJ_POOL_RESULT) {
            fprintf(stderr, "task %" PRIu64 ": a worker died\n", event.task);
        }
        else {
            memcpy(&squares[event.task], event.body.data, sizeof(squares[0]));
        }
        cj_pool_event_done(&event);
    }
    return r == CJ_POOL_EMPTY ? 0 : r;
}

static int
print_squares(const char *program)
{
    const char *argv[] = {program, "--worker", NULL};
    struct cj_pool_options options = {.n_workers = 2, .argv = argv};
    struct cj_pool *pool;
    uint64_t squares[10] = {0};
    int r;

    r = cj_pool_open(&options, &pool);
    if (r < 0) {
        return r;
    }
    for (uint64_t i = 0; i < 10 && r == 0; i++) {
        r = cj_pool_submit(pool, i, &(struct cj_bytes){&i, sizeof(i)}, 1);
    }
    if (r == 0) {
        r = collect(pool, squares);
    }
    cj_pool_close(pool, 1000000000);
    for (size_t i = 0; i < 10 && r == 0; i++) {
        printf("%zu * %zu = %" PRIu64 "\n", i, i, squares[i]);
    }
    return r;
}

int
main(int argc, char **argv)
{
    int r;

    if (argc > 1 && strcmp(argv[1], "--worker") == 0) {
        return cj_worker_run(CJ_WORKER_FD, square, NULL) < 0;
    }
    r = print_squares(argv[0]);
    if (r < 0) {
        fprintf(stderr, "%s\n", strerror(-r));
    }
    return r < 0;
}
