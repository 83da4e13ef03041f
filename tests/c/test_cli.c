/* The program is argv[1]; the name of a test may follow, as in the other programs. */

#include <sys/wait.h>

#include "store_help.h"

struct cli_state {
    char *program;
};

static struct cli_state cli_state;

struct output {
    int code;
    char out[4096];
    char err[4096];
};

static void
read_text(const char *path, char *ret_text, size_t size)
{
    struct help_file file = help_read(path);
    size_t n = file.size < size - 1 ? file.size : size - 1;

    memcpy(ret_text, file.data, n);
    ret_text[n] = '\0';
    free(file.data);
}

/* Run "cjoblib ARGUMENTS" in the scratch folder; the arguments may redirect. */
static struct output
run(const char *arguments)
{
    char *out = help_path("out"), *err = help_path("err"), *line;
    struct output output;
    int status;

    help_write(out, "", 0);
    REQUIRE(asprintf(&line, "cd '%s' && '%s' >out 2>err %s", help_scratch(),
                     cli_state.program, arguments) > 0);
    status = system(line);
    REQUIRE(WIFEXITED(status));
    output.code = WEXITSTATUS(status);
    read_text(out, output.out, sizeof(output.out));
    read_text(err, output.err, sizeof(output.err));
    free(line);
    free(out);
    free(err);
    return output;
}

static bool
begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static void
test_words(void)
{
    struct output output = run("--version");
    char version[64];

    snprintf(version, sizeof(version), "cjoblib %s\n", cj_version());
    CHECK(output.code == 0 && strcmp(output.out, version) == 0);
    output = run("--help");
    CHECK(output.code == 0 && strstr(output.out, "\nusage: cjoblib ls"));
    CHECK(strcmp(output.err, "") == 0);
}

static void
test_wrong_usage(void)
{
    static const char *const lines[] = {"",
                                        "frob",
                                        "ls",
                                        "ls a b",
                                        "verify",
                                        "ls --all x",
                                        "clear",
                                        "ls --fix",
                                        "verify --fix",
                                        "verify --fi x",
                                        "show",
                                        "show 1234",
                                        "show xyz cache",
                                        "show 123 cache",
                                        "info",
                                        "info --json=1 cache",
                                        "gc",
                                        "gc --max-bytes cache",
                                        "gc --max-bytes 10Q cache",
                                        "gc --max-bytes=-1 cache",
                                        "gc --max-items 1.5 cache",
                                        "gc --max-age 3x cache",
                                        "gc cache",
                                        "report",
                                        "report a b",
                                        "report -o"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct output output = run(lines[i]);

        CHECK(output.code == 2 && strcmp(output.out, "") == 0);
        CHECK(strncmp(output.err, "cjoblib: ", 9) == 0);
    }
}

/* Where no store is, the program says so, and makes nothing. */
static void
test_no_store(void)
{
    static const char *const lines[] = {"ls none",    "verify none",
                                        "clear none", "verify --fix none",
                                        "ls empty",   "ls empty/file"};
    char *empty = help_path("empty"), *file = help_path("empty/file");
    char *none = help_path("none");

    REQUIRE(mkdir(empty, 0700) == 0);
    help_write(file, "x", 1);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct output output = run(lines[i]);

        CHECK(output.code == 3);
        CHECK(strstr(output.err, strrchr(lines[i], ' ') + 1));
    }
    CHECK(access(none, F_OK) < 0 && help_count(empty) == 1);
    free(empty);
    free(file);
    free(none);
}

/* Of the two entries in "cache", the one with this key. */
static void
test_show(const char *key, const char *path)
{
    char line[64];
    struct output output;

    snprintf(line, sizeof(line), "show %s cache", key);
    output = run(line);
    CHECK(output.code == 0 && strstr(output.out, path));
    CHECK(strstr(output.out, "function  m/f\n") && strstr(output.out, "(244 bytes)"));
    snprintf(line, sizeof(line), "show --json %s cache", key);
    output = run(line);
    CHECK(output.code == 0);
    CHECK(begins(output.out, "{\"function\": \"m/f\", \"version\": \""));
    CHECK(strstr(output.out, "\"bytes\": 244, ") &&
          strstr(output.out, "\"sound\": true"));
    output = run("show 0123456789ab cache");
    CHECK(output.code == 1 && strstr(output.err, "no entry has the key 0123456789ab"));
}

static void
test_info(void)
{
    struct output output = run("info cache");

    CHECK(output.code == 0);
    CHECK(strstr(output.out, " entries   size  last use          function\n"));
    CHECK(strstr(output.out, "       2    488  20") && strstr(output.out, "  m/f\n"));
    CHECK(strstr(output.out, "  (all)\n"));
    output = run("info --json cache");
    CHECK(output.code == 0);
    CHECK(begins(output.out, "{\"entries\": 2, \"bytes\": 488, \"damaged\": 0, "));
    CHECK(strstr(output.out, "[\n {\"function\": \"m/f\", \"entries\": 2, "));
    output = run("ls --json cache");
    CHECK(output.code == 0 && begins(output.out, "[\n {\"function\": \"m/f\""));
    CHECK(strcmp(output.out + strlen(output.out) - 4, "}\n]\n") == 0);
    output = run("verify --json cache");
    CHECK(output.code == 0 &&
          strcmp(output.out, "{\"entries\": 2, \"bytes\": 488, "
                             "\"damaged\": 0, \"orphans\": 0, "
                             "\"foreign\": 0, \"fixed\": false}\n") == 0);
}

static void
test_ls_verify_clear(void)
{
    char key[40];
    struct cj_store *store = help_store("cache");
    struct cj_shelf *shelf = help_shelf(store, "m/f");
    char *path = help_entry_path("cache", shelf, 1);
    const char *shown = path + strlen(help_scratch()) + strlen("/cache/");
    struct output output;

    CHECK(help_put(shelf, 1, 100, 1) == 0 && help_put(shelf, 2, 100, 1) == 0);
    output = run("ls cache");
    CHECK(output.code == 0);
    CHECK(strstr(output.out, " size  last use          key           function\n"));
    CHECK(strstr(output.out, "  244  20") && strstr(output.out, "  m/f\n"));
    snprintf(key, sizeof(key), "%s", strrchr(shown, '/') + 1);
    test_show(key, shown);
    test_info();
    output = run("verify cache");
    CHECK(output.code == 0);
    CHECK(strcmp(output.out, "entries  2\nbytes    488\ndamaged  0\norphans  0\n"
                             "foreign  0\n") == 0);
    REQUIRE(truncate(path, 200) == 0);
    output = run("ls cache");
    CHECK(output.code == 0 && strstr(output.out, "(damaged)"));
    output = run("verify cache");
    CHECK(output.code == 1 && strstr(output.out, "damaged  1\n"));
    output = run("verify --fix cache");
    CHECK(output.code == 0 && strstr(output.out, "damaged  1 (removed)\n"));
    output = run("verify cache");
    CHECK(output.code == 0 && strstr(output.out, "entries  1\n"));
    output = run("clear cache");
    CHECK(output.code == 0 && strcmp(output.out, "") == 0);
    CHECK(help_check(store) == 0);
    free(path);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* A full disk, and no output at all. */
static void
test_lost_output(void)
{
    struct cj_store *store = help_store("lost");
    struct output output;

    for (uint64_t i = 0; i < 300; i++) {
        struct cj_shelf *shelf = help_shelf(store, "m/f");

        CHECK(help_put(shelf, i, 10, i) == 0);
        cj_shelf_close(shelf);
    }
    output = run("--version >/dev/full");
    CHECK(output.code == 3 && strstr(output.err, "standard output"));
    output = run("ls lost >/dev/full");
    CHECK(output.code == 3 && strstr(output.err, "standard output"));
    output = run("ls lost >&-");
    CHECK(output.code == 3 && strstr(output.err, "standard output"));
    cj_store_close(store);
}

/* The reading end of the pipe is closed before the program starts. */
static void
test_closed_pipe(void)
{
    int ends[2], status;
    pid_t child;

    REQUIRE(pipe(ends) == 0);
    close(ends[0]);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execl(cli_state.program, "cjoblib", "--help", (char *)NULL);
        _exit(99);
    }
    close(ends[1]);
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static const struct check_test tests[] = {
    TEST(test_words),           TEST(test_wrong_usage), TEST(test_no_store),
    TEST(test_ls_verify_clear), TEST(test_lost_output), TEST(test_closed_pipe),
};

int
main(int argc, char **argv)
{
    int r;

    REQUIRE(argc > 1);
    cli_state.program = realpath(argv[1], NULL);
    REQUIRE(cli_state.program);
    setvbuf(stdout, NULL, _IOLBF, 0);
    r = check_run(tests, sizeof(tests) / sizeof(tests[0]), argc > 2 ? argv[2] : NULL);
    free(cli_state.program);
    return r;
}
