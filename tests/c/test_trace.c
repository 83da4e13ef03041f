#include <cjoblib/trace.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store_help.h"

static char *
text_of(const char *path)
{
    struct help_file file = help_read(path);
    char *text = malloc(file.size + 1);

    REQUIRE(text);
    memcpy(text, file.data, file.size);
    text[file.size] = '\0';
    free(file.data);
    return text;
}

static size_t
count_of(const char *text, const char *what)
{
    size_t n = 0;

    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        n++;
    }
    return n;
}

static struct cj_field
text_field(const char *name, const char *text)
{
    return (struct cj_field){
        .name = name, .kind = CJ_FIELD_TEXT, .text = {text, strlen(text)}};
}

/* Every kind of event, to the letter. */
static void
test_events(void)
{
    char *path = help_path("events.json"), *text, expected[256];
    struct cj_trace *trace;
    struct cj_lane *lane;
    struct cj_field fields[] = {
        text_field("text", "a\"\\\n\x01\xc3\xa9\xff"),
        {.name = "number", .kind = CJ_FIELD_NUMBER, .number = -42},
        {.name = "real", .kind = CJ_FIELD_REAL, .real = 0.25},
    };

    REQUIRE(cj_trace_open(path, &trace) == 0);
    CHECK(cj_trace_is_owner(trace));
    REQUIRE(cj_lane_open(trace, "main", &lane) == 0);
    cj_lane_span(lane, "load", 1234567, 2234568, fields, 3);
    cj_lane_mark(lane, "hit", 5, NULL, 0);
    cj_lane_count(lane, "bytes", 1000, 7);
    cj_lane_span(lane, "backwards", 9, 8, NULL, 0);
    CHECK(cj_lane_n_dropped(lane) == 0);
    cj_lane_close(lane);
    CHECK(cj_trace_close(trace) == 0);
    text = text_of(path);
    CHECK(strncmp(text, "[{\"name\":\"cjoblib trace\",", 25) == 0);
    CHECK(strcmp(text + strlen(text) - 3, "}]\n") == 0);
    snprintf(expected, sizeof(expected),
             "{\"name\":\"load\",\"ph\":\"X\",\"ts\":1234.567,\"pid\":%d,\"tid\":%d,"
             "\"dur\":1000.001,\"args\":{\"text\":\"a\\\"\\\\\\u000a\\u0001\xc3\xa9?\","
             "\"number\":-42,\"real\":0.25}},\n",
             getpid(), getpid());
    CHECK(strstr(text, expected));
    CHECK(strstr(text, "\"name\":\"hit\",\"ph\":\"i\",\"ts\":0.005,"));
    CHECK(strstr(text, "\"s\":\"t\"},"));
    CHECK(strstr(text, "\"args\":{\"value\":7}}"));
    CHECK(strstr(text, "\"dur\":0.000}]\n"));
    CHECK(strstr(text, "\"name\":\"thread_name\",\"ph\":\"M\""));
    free(text);
    free(path);
}

/* Texts beyond any limit are cut, and no event grows out of its room. */
static void
test_long_texts(void)
{
    char *path = help_path("long.json"), *text, *name = malloc(100001);
    struct cj_field fields[CJ_TRACE_MAX_FIELDS + 1];
    struct cj_trace *trace;
    struct cj_lane *lane;

    REQUIRE(name);
    memset(name, 1, 100000); /* six bytes for each */
    name[100000] = '\0';
    for (size_t i = 0; i < CJ_TRACE_MAX_FIELDS + 1; i++) {
        fields[i] = text_field(name, name);
    }
    REQUIRE(cj_trace_open(path, &trace) == 0 && cj_lane_open(trace, name, &lane) == 0);
    for (int i = 0; i < 200; i++) {
        cj_lane_span(lane, name, INT64_MIN, INT64_MAX, fields, CJ_TRACE_MAX_FIELDS + 1);
    }
    CHECK(cj_lane_n_dropped(lane) == 0);
    cj_lane_close(lane);
    CHECK(cj_trace_close(trace) == 0);
    text = text_of(path);
    CHECK(count_of(text, "\"ph\":\"X\"") == 200);
    free(text);
    free(name);
    free(path);
}

struct noter {
    struct cj_trace *trace;
    int number;
};

#define N_EVENTS 5000

static void *
note_many(void *argument)
{
    struct noter *noter = argument;
    struct cj_lane *lane;
    char name[32];

    snprintf(name, sizeof(name), "thread %d", noter->number);
    REQUIRE(cj_lane_open(noter->trace, name, &lane) == 0);
    for (int64_t i = 0; i < N_EVENTS; i++) {
        cj_lane_span(lane, name, i, i + 1, NULL, 0);
    }
    cj_lane_close(lane);
    return NULL;
}

/* Threads, and another process that joins: nothing is lost and nothing is torn. */
static void
test_many_writers(void)
{
    char *path = help_path("many.json"), *text;
    struct noter noters[4];
    pthread_t threads[4];
    struct cj_trace *trace;
    pid_t child;
    int status;

    REQUIRE(cj_trace_open(path, &trace) == 0);
    child = fork();
    if (child == 0) {
        struct noter noter = {NULL, 100};

        REQUIRE(cj_trace_join(path, &noter.trace) == 0);
        CHECK(!cj_trace_is_owner(noter.trace));
        note_many(&noter);
        CHECK(cj_trace_close(noter.trace) == 0);
        _exit(check_state.n_failed_here > 0);
    }
    for (int i = 0; i < 4; i++) {
        noters[i] = (struct noter){trace, i};
        REQUIRE(pthread_create(&threads[i], NULL, note_many, &noters[i]) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(cj_trace_close(trace) == 0);
    text = text_of(path);
    CHECK(count_of(text, "\"name\":\"thread 0\",\"ph\":\"X\"") == N_EVENTS);
    CHECK(count_of(text, "\"name\":\"thread 100\",\"ph\":\"X\"") == N_EVENTS);
    CHECK(count_of(text, "\n") == 5 * N_EVENTS + 6);
    free(text);
    free(path);
}

/* A process that is killed leaves all that it noted; the next trace replaces it. */
static void
test_killed(void)
{
    char *path = help_path("killed.json"), *text;
    struct cj_trace *trace;
    struct cj_lane *lane;
    int ready[2], status;
    char byte;
    pid_t child;

    REQUIRE(pipe(ready) == 0);
    child = fork();
    if (child == 0) {
        REQUIRE(cj_trace_open(path, &trace) == 0);
        REQUIRE(cj_lane_open(trace, "main", &lane) == 0);
        for (int i = 0; i < 3000; i++) {
            cj_lane_span(lane, "step", i, i + 1, NULL, 0);
        }
        REQUIRE(write(ready[1], "x", 1) == 1);
        for (;;) {
            pause();
        }
    }
    REQUIRE(read(ready[0], &byte, 1) == 1);
    CHECK(cj_trace_join(path, &trace) == 0);
    CHECK(cj_trace_close(trace) == 0);
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, &status, 0) == child);
    text = text_of(path);
    CHECK(count_of(text, "\"name\":\"step\",") == 3000);
    CHECK(text[0] == '[' && !strchr(text, ']'));
    free(text);
    CHECK(cj_trace_join(path, &trace) == -ESRCH);
    CHECK(cj_trace_open(path, &trace) == 0 && cj_trace_is_owner(trace));
    CHECK(cj_trace_close(trace) == 0);
    text = text_of(path);
    CHECK(count_of(text, "step") == 0);
    free(text);
    close(ready[0]);
    close(ready[1]);
    free(path);
}

/* Who opens a path that is being written joins. */
static void
test_second_opening(void)
{
    char *path = help_path("second.json"), *text;
    struct cj_trace *first, *second;
    struct cj_lane *lane;

    REQUIRE(cj_trace_open(path, &first) == 0 && cj_trace_open(path, &second) == 0);
    CHECK(cj_trace_is_owner(first) && !cj_trace_is_owner(second));
    REQUIRE(cj_lane_open(second, "other", &lane) == 0);
    cj_lane_mark(lane, "seen", 0, NULL, 0);
    cj_lane_close(lane);
    CHECK(cj_trace_close(second) == 0);
    CHECK(cj_trace_close(first) == 0);
    text = text_of(path);
    CHECK(count_of(text, "\"seen\"") == 1);
    free(text);
    free(path);
}

/* What a forked child notes through its parent's lane is dropped, and it can't end the
 * trace. */
static void
test_fork(void)
{
    char *path = help_path("fork.json"), *text;
    struct cj_trace *trace;
    struct cj_lane *lane;
    pid_t child;
    int status;

    REQUIRE(cj_trace_open(path, &trace) == 0 && cj_lane_open(trace, "l", &lane) == 0);
    child = fork();
    if (child == 0) {
        cj_lane_mark(lane, "child", 0, NULL, 0);
        CHECK(cj_lane_n_dropped(lane) == 1);
        cj_lane_close(lane);
        CHECK(cj_trace_close(trace) == 0);
        _exit(check_state.n_failed_here > 0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cj_lane_mark(lane, "parent", 0, NULL, 0);
    cj_lane_close(lane);
    CHECK(cj_trace_close(trace) == 0);
    text = text_of(path);
    CHECK(count_of(text, "\"child\"") == 0 && count_of(text, "\"parent\"") == 1);
    free(text);
    free(path);
}

static void
test_bad_paths(void)
{
    char *folder = help_path("folder"), *none = help_path("none/x"),
         *other = help_path("other");
    struct cj_trace *trace;

    REQUIRE(mkdir(folder, 0700) == 0);
    help_write(other, "not a trace", 11);
    CHECK(cj_trace_open(folder, &trace) == -EISDIR);
    CHECK(cj_trace_open(none, &trace) == -ENOENT);
    CHECK(cj_trace_open("", &trace) == -ENOENT);
    CHECK(cj_trace_open("/dev/null", &trace) == -EINVAL);
    CHECK(cj_trace_join(none, &trace) == -ENOENT);
    CHECK(cj_trace_join(other, &trace) == -EINVAL);
    CHECK(cj_trace_open(other, &trace) == 0);
    CHECK(cj_trace_close(trace) == 0);
    cj_lane_close(NULL);
    CHECK(cj_trace_close(NULL) == 0);
    free(folder);
    free(none);
    free(other);
}

/* A limit on the file's size, as a full disk: events are counted as dropped, and what
 * is there can be read. */
static void
test_no_room(void)
{
    char *path = help_path("room.json");
    struct cj_trace *trace;
    struct cj_lane *lane;
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct rlimit limit = {300000, 300000};

        signal(SIGXFSZ, SIG_IGN);
        REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        REQUIRE(cj_trace_open(path, &trace) == 0);
        REQUIRE(cj_lane_open(trace, "l", &lane) == 0);
        for (int i = 0; i < 100000; i++) {
            cj_lane_span(lane, "step", i, i, NULL, 0);
        }
        CHECK(cj_lane_n_dropped(lane) > 0);
        cj_lane_close(lane);
        CHECK(cj_trace_close(trace) == 0);
        _exit(check_state.n_failed_here > 0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    free(path);
}

TESTS(TEST(test_events), TEST(test_long_texts), TEST(test_many_writers),
      TEST(test_killed), TEST(test_second_opening), TEST(test_fork),
      TEST(test_bad_paths), TEST(test_no_room))
