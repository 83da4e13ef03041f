#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "json.h"

/* A run that may be served from the store, or kept there. */
struct run {
    struct run_request *request;
    struct run_key key;
    struct cj_store *store; /* NULL: it could not be opened, nothing is kept */
    struct cj_shelf *shelf;
    struct cj_lease *lease; /* the right to compute it, if others may wait for that */
    bool is_stored;
    char *location;
};

/* Never an error to the user of the command: it runs, uncached. */
static void
run_warn(const struct run *run, const char *what, int r)
{
    fprintf(stderr, "cjoblib: warning: %s: %s: %s\n", run->location, what,
            strerror(-r));
}

/* The folder of the store, on the heap; NULL: no memory. */
static char *
run_location(const char *wanted)
{
    const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME");
    const char *given = wanted ? wanted : getenv("CJOBLIB_CACHE");
    char *location;

    if (given && given[0] != '\0') {
        return strdup(given);
    }
    if (cache && cache[0] == '/') {
        return asprintf(&location, "%s/cjoblib-run", cache) < 0 ? NULL : location;
    }
    return asprintf(&location, "%s/.cache/cjoblib-run", home ? home : "") < 0
               ? NULL
               : location;
}

static int
run_open(struct run *run)
{
    const char *slash = strrchr(run->request->program, '/');
    char *function;
    int r;

    if (asprintf(&function, "run/%s", slash ? slash + 1 : run->request->program) < 0) {
        return -ENOMEM;
    }
    r = cj_store_open(run->location, NULL, &run->store);
    if (r == 0) {
        r = cj_shelf_open(run->store, function, run->key.version, &run->shelf);
    }
    free(function);
    return r;
}

static void
run_close(struct run *run)
{
    cj_lease_release(run->lease, run->is_stored);
    cj_shelf_close(run->shelf);
    cj_store_close(run->store);
    free(run->location);
}

/* Wait for whoever computes it now. 0: the entry is there; else it must be computed. */
static int
run_claim(struct run *run, struct cj_entry *ret_entry)
{
    int r;

    do {
        r = cj_shelf_claim(run->shelf, run->key.arguments, CJ_CLAIM_WAIT, ret_entry,
                           &run->lease);
    } while (r == -EINTR);
    return r;
}

static int
run_look(struct run *run, struct cj_entry *ret_entry)
{
    int r = cj_shelf_get(run->shelf, run->key.arguments, ret_entry);

    if (r == CJ_STORE_CORRUPT) {
        run_warn(run, "the entry is damaged, the command is run again", -EBADMSG);
    }
    if (r > 0) {
        r = run_claim(run, ret_entry);
    }
    if (r < 0) {
        run_warn(run, "the entry can't be read", r);
    }
    return r;
}

/* Give what is kept. True, and the exit status; false: it must be computed. */
static bool
run_from_store(struct run *run, int *ret_status)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    bool is_given;

    if (run_look(run, &entry) != 0) {
        return false;
    }
    is_given = record_is_sound(entry.payload, (size_t)run->request->outputs.n) &&
               record_replay(run->request, entry.payload, ret_status) == 0;
    cj_entry_done(&entry);
    return is_given;
}

/* What `cjoblib show` tells of the entry; on the heap. */
static char *
run_metadata(const struct run_request *request, double seconds, int status,
             size_t *ret_size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_size);

    if (!out) {
        return NULL;
    }
    fprintf(out,
            "{\"seconds\": %.6f, \"time\": %" PRId64 ", \"status\": %d, \"command\": [",
            seconds, (int64_t)time(NULL), status);
    for (int i = 0; i < request->command.n; i++) {
        const char *item = request->command.items[i];
        size_t size = strlen(item);

        fputs(i > 0 ? ", " : "", out);
        json_text(out, item, size < 200 ? size : 200);
    }
    fputs("]}", out);
    return fclose(out) == 0 ? text : NULL;
}

static void
run_keep(struct run *run, struct spool *spool, double seconds, int status)
{
    struct cj_bytes record = {NULL, 0};
    size_t meta_size = 0;
    char *meta = run_metadata(run->request, seconds, status, &meta_size);
    int r = meta ? spool_finish(spool, (uint32_t)status, &record) : -ENOMEM;

    if (r == 0) {
        r = cj_shelf_put(run->shelf, run->key.arguments,
                         (struct cj_bytes){meta, meta_size}, &record, 1);
    }
    run->is_stored = r == 0;
    if (r < 0) {
        run_warn(run, "the output was not kept", r);
    }
    free(meta);
}

/* A command that was killed ends us in the same way, if it was by Ctrl-C. */
static int
run_was_killed(const struct run_request *request, int signal_number)
{
    fprintf(stderr, "cjoblib: %s: killed by signal %d (%s); nothing was kept\n",
            request->command.items[0], signal_number, strsignal(signal_number));
    if (signal_number == SIGINT) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
    return RUN_KILLED + signal_number;
}

/* What the command has done is there and printed: see whether it can be kept. */
static int
run_conclude(struct run *run, struct watch *watch, struct spool *spool,
             const struct child_end *end, double seconds)
{
    int status, code;

    if (WIFSIGNALED(end->status)) {
        return run_was_killed(run->request, WTERMSIG(end->status));
    }
    status = WEXITSTATUS(end->status);
    if (status != 0 && (run->request->only_success || run->request->outputs.n > 0)) {
        return status;
    }
    code = watch_collect(watch, spool);
    if (code != 0) {
        return code;
    }
    if (run->shelf) {
        run_keep(run, spool, seconds, status);
    }
    if (end->lost_output < 0) {
        (void)command_fail("output", end->lost_output);
        return RUN_FAILED;
    }
    return status;
}

static double
run_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int
run_compute(struct run *run)
{
    struct watch *watch = watch_new(&run->request->outputs);
    struct spool spool;
    struct child_end end = {0, 0};
    double start;
    int r = spool_open(&spool), code = RUN_FAILED;

    if (!watch || r < 0) {
        (void)command_fail("temporary file", watch ? r : -ENOMEM);
    }
    else {
        start = run_clock();
        code = child_run(run->request, &spool, &end);
        if (code == 0) {
            code = run_conclude(run, watch, &spool, &end, run_clock() - start);
        }
    }
    spool_done(&spool);
    watch_free(watch);
    return code;
}

static int
run_serve(struct run_request *request)
{
    struct run run = {.request = request, .location = run_location(request->cache)};
    int r, status = 0;

    r = run.location ? key_of(request, &run.key) : RUN_FAILED;
    if (r != 0) {
        free(run.location);
        return r;
    }
    if (request->stdin_fd < 0) {
        request->stdin_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    r = run_open(&run);
    if (r < 0) {
        run_warn(&run, "nothing is cached", r);
    }
    if (!run.shelf || !run_from_store(&run, &status)) {
        status = run_compute(&run);
    }
    run_close(&run);
    return status;
}

static int
run_parse(int argc, char **argv, struct run_request *ret_request)
{
    struct arguments left = {argc, argv};
    const struct option options[] = {
        {"--cache", OPTION_TEXT, &ret_request->cache},
        {"--input", OPTION_LIST, &ret_request->inputs},
        {"--output", OPTION_LIST, &ret_request->outputs},
        {"--env", OPTION_LIST, &ret_request->variables},
        {"--only-success", OPTION_FLAG, &ret_request->only_success},
    };
    int code = options_take(&left, options, sizeof(options) / sizeof(options[0]));

    if (code == COMMAND_FINE && left.n == 0) {
        code = command_misused("run: COMMAND is missing");
    }
    ret_request->command = left;
    return code;
}

int
command_run(int argc, char **argv)
{
    /* No list is longer than the command line. */
    char **room = calloc(3 * (size_t)argc + 1, sizeof(char *));
    struct run_request request = {
        .inputs = {0, room},
        .outputs = {0, room + argc},
        .variables = {0, room + 2 * argc},
        .stdin_fd = -1,
    };
    int code = room ? run_parse(argc, argv, &request) : COMMAND_IO;

    if (code != COMMAND_FINE) {
        free(room);
        return RUN_FAILED;
    }
    code = program_find(request.command.items[0], &request.program);
    if (code == 0) {
        code = run_serve(&request);
    }
    if (request.stdin_fd >= 0) {
        close(request.stdin_fd);
    }
    free(request.program);
    free(room);
    return code;
}
