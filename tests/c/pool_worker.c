/* A worker that does what the first letter of a task says; the rest are its arguments.
 *
 *      e TEXT  answer with TEXT            f TEXT  fail with TEXT
 *      b N     answer with N bytes         v       answer with the hello and the
 * context s N     die by the signal N         x N     end with the exit code N p never
 * end                   q       the same, after "q" on standard output h       die
 * after half a head       g       send garbage c       end what it sends           w
 * die; a child keeps the socket d       the descriptors at start    r N     return N
 * from the task's function i       interrupt itself, answer    l TEXT  answer with TEXT
 * after some work k       close the socket, answer
 *      m       see work_on_blocks()
 *
 * Called with "exit N" it ends at once, with "hang" it never becomes a worker, with
 * "bad" its hello fails, with "fault N" its Nth call of the heap or the kernel does.
 */

#include <cjoblib/pool.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pool_fault.h"

struct state {
    char fds[256];
    char hello[64], context[64];
    char answer[256];
    void *big;
    int hello_result;
    struct cj_bytes part;
    struct cj_block *kept, *made;
};

static void
list_descriptors(char ret_text[256])
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    size_t n = 0;

    while (folder && (entry = readdir(folder)) && n < 240) {
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder)) {
            n += (size_t)snprintf(ret_text + n, 256 - n, "%s ", entry->d_name);
        }
    }
    if (folder) {
        closedir(folder);
    }
}

static void
die_by(int number)
{
    signal(number, SIG_DFL);
    prctl(PR_SET_DUMPABLE, 0);
    raise(number);
    pause();
}

static void
wait_for_ever(void)
{
    for (;;) {
        pause();
    }
}

static void
send_raw(const char *bytes, size_t size)
{
    if (write(CJ_WORKER_FD, bytes, size) != (ssize_t)size) {
        _exit(98);
    }
}

static void
leave_child(void)
{
    if (fork() == 0) {
        /* Whoever reads the test's output need not wait for this one. */
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        alarm(5);
        wait_for_ever();
    }
    die_by(SIGKILL);
}

/* Those that don't come back. */
static void
misbehave(char command, int number)
{
    switch (command) {
    case 's':
        die_by(number);
        break;
    case 'x':
        _exit(number);
    case 'q':
        if (write(STDOUT_FILENO, "q", 1) != 1) {
            _exit(98);
        }
        wait_for_ever();
        break;
    case 'h':
        send_raw("cjF1\5\0\0\0____", 12);
        die_by(SIGKILL);
        break;
    case 'g':
        send_raw("this is not a message, and no head of one either, anywhere in it",
                 64);
        wait_for_ever();
        break;
    case 'c':
        shutdown(CJ_WORKER_FD, SHUT_WR);
        wait_for_ever();
        break;
    case 'w':
        leave_child();
        break;
    default:
        wait_for_ever();
    }
}

static struct cj_bytes
text_bytes(const char *text)
{
    return (struct cj_bytes){text, strlen(text)};
}

static void
work_for(int64_t ns)
{
    struct timespec start, now;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec <
             ns);
}

static struct cj_bytes
big_answer(struct state *state, size_t size)
{
    free(state->big);
    state->big = malloc(size);
    if (!state->big) {
        _exit(99);
    }
    memset(state->big, 'b', size);
    return (struct cj_bytes){state->big, size};
}

static struct cj_bytes
answer(struct state *state, const struct cj_task *task, const char *rest)
{
    switch (((const char *)task->body.data)[0]) {
    case 'e':
    case 'f':
        return (struct cj_bytes){(const char *)task->body.data + 1,
                                 task->body.size - 1};
    case 'l':
        work_for(200000);
        return (struct cj_bytes){(const char *)task->body.data + 1,
                                 task->body.size - 1};
    case 'b':
        return big_answer(state, strtoul(rest, NULL, 10));
    case 'v':
        snprintf(state->answer, sizeof(state->answer), "%s/%s", state->hello,
                 state->context);
        return text_bytes(state->answer);
    case 'd':
        return text_bytes(state->fds);
    case 'k':
        close(CJ_WORKER_FD);
        return text_bytes("nobody can hear this");
    case 'i':
        raise(SIGINT);
        return text_bytes("alive");
    default:
        misbehave(((const char *)task->body.data)[0], atoi(rest));
        return text_bytes("");
    }
}

/* "m": the sum of the bytes of the first block, as text; "k" after it: go on using it;
 * "n" after it: the second one is written to, and a new one goes back. */
static struct cj_bytes
work_on_blocks(struct state *state, struct cj_task *task, struct cj_reply *reply,
               const char *rest)
{
    struct cj_block *block, *second;
    unsigned long sum = 0;
    void *data;

    if (cj_block_take(&task->block_fds[0], &block) != 0 ||
        cj_block_map(block, CJ_BLOCK_READ, &data) != 0) {
        return text_bytes("no block");
    }
    for (size_t i = 0; i < cj_block_size(block); i++) {
        sum += ((const unsigned char *)data)[i];
    }
    snprintf(state->answer, sizeof(state->answer), "%lu", sum);
    if (rest[0] == 'k') {
        reply->kept_blocks = 1;
        cj_block_unref(state->kept);
        state->kept = cj_block_ref(block);
    }
    if (rest[0] == 'n' && cj_block_take(&task->block_fds[1], &second) == 0) {
        if (cj_block_map(second, CJ_BLOCK_WRITE, &data) == 0) {
            memset(data, 'w', cj_block_size(second));
        }
        cj_block_unref(second);
        cj_block_unref(state->made);
        state->made = NULL;
        if (cj_block_new(70000, NULL, &state->made) == 0 &&
            cj_block_map(state->made, CJ_BLOCK_WRITE, &data) == 0) {
            memset(data, 'n', 70000);
            reply->blocks = &state->made;
            reply->n_blocks = 1;
        }
    }
    cj_block_unref(block);
    return text_bytes(state->answer);
}

static void
keep(char room[64], const struct cj_blob *body)
{
    snprintf(room, 64, "%.*s", (int)body->size,
             body->size ? (const char *)body->data : "");
}

static int
work(void *context, struct cj_task *task, struct cj_reply *reply)
{
    struct state *state = context;
    char rest[64] = "";

    if (task->kind == CJ_TASK_HELLO) {
        keep(state->hello, &task->body);
        return state->hello_result;
    }
    if (task->kind == CJ_TASK_CONTEXT) {
        keep(state->context, &task->body);
        return 0;
    }
    if (task->body.size == 0) {
        return 0;
    }
    snprintf(rest, sizeof(rest), "%.*s",
             (int)(task->body.size < 60 ? task->body.size - 1 : 60),
             (const char *)task->body.data + 1);
    if (((const char *)task->body.data)[0] == 'r') {
        return atoi(rest);
    }
    state->part = ((const char *)task->body.data)[0] == 'm'
                      ? work_on_blocks(state, task, reply, rest)
                      : answer(state, task, rest);
    reply->is_failure = ((const char *)task->body.data)[0] == 'f';
    reply->parts = &state->part;
    reply->n_parts = 1;
    return 0;
}

int
main(int argc, char **argv)
{
    static struct state state;
    int r;

    list_descriptors(state.fds);
    if (argc > 2 && strcmp(argv[1], "exit") == 0) {
        return atoi(argv[2]);
    }
    if (argc > 2 && strcmp(argv[1], "fault") == 0) {
        fault.fail_at = strtoul(argv[2], NULL, 10);
    }
    if (argc > 1 && strcmp(argv[1], "hang") == 0) {
        wait_for_ever();
    }
    if (argc > 1 && strcmp(argv[1], "bad") == 0) {
        state.hello_result = 7;
    }
    r = cj_worker_run(CJ_WORKER_FD, work, &state);
    free(state.big);
    cj_block_unref(state.kept);
    cj_block_unref(state.made);
    return r < 0 ? 100 : r;
}
