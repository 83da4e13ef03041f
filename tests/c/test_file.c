/* Files that are replaced as a whole: what stands there afterwards. */

#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "file_help.h"

static void
test_new_and_old(void)
{
    char *folder = file_folder("new"), *path = path_in(folder, "a");
    mode_t before = umask(027);
    struct stat stat;

    CHECK(file_put_text(path, "first") == 0);
    CHECK(file_has(path, "first"));
    CHECK(lstat(path, &stat) == 0 && (stat.st_mode & 07777) == 0640);
    CHECK(file_put_text(path, "the second") == 0);
    CHECK(file_has(path, "the second"));
    CHECK(file_put_text(path, "") == 0);
    CHECK(file_has(path, ""));
    CHECK(file_put_with(path, "to stay",
                        &(struct cj_file_options){.is_durable = true}) == 0);
    CHECK(file_has(path, "to stay"));
    CHECK(folder_count(folder) == 1);
    umask(before);
    free(path);
    free(folder);
}

static void
test_without_publish(void)
{
    char *folder = file_folder("unpublished"), *path = path_in(folder, "a");
    struct cj_bytes piece = {"lost", 4};
    struct cj_file *file;

    for (int i = 0; i < 2; i++) {
        REQUIRE(cj_file_open(path, NULL, &file) == 0);
        CHECK(cj_file_write(file, &piece, 1) == 0);
        CHECK(cj_file_size(file) == 4 && !cj_file_is_direct(file));
        cj_file_close(file);
        CHECK(folder_count(folder) == i);
        CHECK(i == 0 || file_has(path, "kept"));
        CHECK(file_put_text(path, "kept") == 0);
    }
    free(path);
    free(folder);
}

static void
test_order_of_calls(void)
{
    char *folder = file_folder("order"), *path = path_in(folder, "a");
    struct cj_bytes piece = {"x", 1};
    struct cj_file *file;

    REQUIRE(cj_file_open(path, NULL, &file) == 0);
    CHECK(cj_file_reserve(file, UINT64_MAX) == -EFBIG);
    CHECK(cj_file_write(file, NULL, 0) == 0);
    CHECK(cj_file_write(file, &piece, 1) == 0);
    CHECK(cj_file_publish(file) == 0);
    CHECK(cj_file_publish(file) == -EINVAL);
    CHECK(cj_file_write(file, &piece, 1) == -EINVAL);
    CHECK(cj_file_reserve(file, 5) == -EINVAL);
    cj_file_close(file);
    cj_file_close(NULL);
    CHECK(file_has(path, "x"));
    free(path);
    free(folder);
}

/* Mode, and as root owner and group. */
static void
test_mode_and_owner(void)
{
    static const mode_t modes[] = {0600, 0644, 0777, 0200, 04755};
    char *folder = file_folder("mode"), *path = path_in(folder, "a");
    struct stat stat;

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        CHECK(file_put_text(path, "old") == 0);
        if (geteuid() == 0) {
            CHECK(chown(path, 1234, 4321) == 0);
        }
        CHECK(chmod(path, modes[i]) == 0);
        CHECK(file_put_text(path, "new") == 0);
        CHECK(lstat(path, &stat) == 0 && (stat.st_mode & 07777) == modes[i]);
        CHECK(geteuid() != 0 || (stat.st_uid == 1234 && stat.st_gid == 4321));
        CHECK(unlink(path) == 0);
    }
    free(path);
    free(folder);
}

/* Links of all sorts stay links; what they lead to is replaced, or made. */
static void
test_symbolic_links(void)
{
    static const struct {
        const char *link, *leads_to, *changed;
    } cases[] = {
        {"to_file", "file", "file"},
        {"to_link", "to_file", "file"},
        {"to_nothing", "inner/made", "inner/made"},
        {"inner/back", "../file", "file"},
    };
    char *folder = file_folder("links"), *inner = path_in(folder, "inner");
    struct stat stat;

    REQUIRE(mkdir(inner, 0700) == 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *link = path_in(folder, cases[i].link);
        char *changed = path_in(folder, cases[i].changed);

        REQUIRE(symlink(cases[i].leads_to, link) == 0);
        CHECK(file_put_text(link, cases[i].link) == 0);
        CHECK(lstat(link, &stat) == 0 && S_ISLNK(stat.st_mode));
        CHECK(lstat(changed, &stat) == 0 && S_ISREG(stat.st_mode));
        CHECK(file_has(changed, cases[i].link));
        free(link);
        free(changed);
    }
    CHECK(folder_count(folder) == 5 && folder_count(inner) == 2);
    free(inner);
    free(folder);
}

static void
test_what_cannot_be(void)
{
    char *folder = file_folder("cannot"), *loop = path_in(folder, "loop");
    char *file = path_in(folder, "file"), *below = path_in(folder, "file/x");
    char *nowhere = path_in(folder, "no/where"), *slash = path_in(folder, "");
    char *long_name = malloc(5000);

    REQUIRE(long_name && symlink("loop", loop) == 0);
    memset(long_name, 'n', 300);
    long_name[300] = '\0';
    CHECK(file_put_text(file, "x") == 0);
    CHECK(file_put_text("", "x") == -ENOENT);
    CHECK(file_put_text(folder, "x") == -EISDIR);
    CHECK(file_put_text(slash, "x") == -EISDIR);
    CHECK(file_put_text("/", "x") == -EISDIR);
    CHECK(file_put_text(".", "x") == -EISDIR);
    CHECK(file_put_text(loop, "x") == -ELOOP);
    CHECK(file_put_text(below, "x") == -ENOTDIR);
    CHECK(file_put_text(nowhere, "x") == -ENOENT);
    CHECK(file_put_text(long_name, "x") == -ENAMETOOLONG);
    CHECK(folder_count(folder) == 2);
    free(folder);
    free(loop);
    free(file);
    free(below);
    free(nowhere);
    free(slash);
    free(long_name);
}

/* A name as long as names may be is no longer while it is written. */
static void
test_longest_name(void)
{
    char name[NAME_MAX + 1], *folder = file_folder("longest"), *path;

    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    path = path_in(folder, name);
    CHECK(file_put_text(path, "1") == 0 && file_put_text(path, "2") == 0);
    CHECK(file_has(path, "2") && folder_count(folder) == 1);
    free(path);
    free(folder);
}

/* Who has the old content keeps it. */
static void
test_mapped(void)
{
    char *folder = file_folder("mapped"), *path = path_in(folder, "a");
    char *linked = path_in(folder, "b"), *map;
    int fd;

    CHECK(file_put_text(path, "old content") == 0);
    REQUIRE(link(path, linked) == 0);
    fd = open(path, O_RDONLY);
    map = mmap(NULL, 11, PROT_READ, MAP_SHARED, fd, 0);
    REQUIRE(map != MAP_FAILED);
    CHECK(file_put_text(path, "new") == 0);
    CHECK(memcmp(map, "old content", 11) == 0);
    CHECK(file_has(path, "new") && file_has(linked, "old content"));
    munmap(map, 11);
    close(fd);
    free(path);
    free(linked);
    free(folder);
}

static void
test_devices(void)
{
    struct cj_file *file;

    CHECK(file_put_text("/dev/null", "into the void") == 0);
    CHECK(file_put_text("/dev/full", "there is no room") == -ENOSPC);
    REQUIRE(cj_file_open("/dev/null", NULL, &file) == 0);
    CHECK(cj_file_is_direct(file));
    cj_file_close(file);
}

static void
test_fifo(void)
{
    char *folder = file_folder("fifo"), *path = path_in(folder, "fifo"), buffer[100];
    struct cj_file *file;
    struct cj_bytes piece = {"through the pipe", 16};
    int fd;

    REQUIRE(mkfifo(path, 0600) == 0);
    fd = open(path, O_RDONLY | O_NONBLOCK);
    REQUIRE(cj_file_open(path, NULL, &file) == 0);
    CHECK(cj_file_is_direct(file));
    CHECK(cj_file_write(file, &piece, 1) == 0);
    CHECK(read(fd, buffer, sizeof(buffer)) == 16);
    CHECK(memcmp(buffer, piece.data, 16) == 0);
    CHECK(cj_file_publish(file) == 0);
    cj_file_close(file);
    CHECK(folder_count(folder) == 1);
    close(fd);
    free(path);
    free(folder);
}

static void
nothing(int number)
{
    (void)number;
}

static int
give_up(void *context)
{
    ++*(int *)context;
    return -ECANCELED;
}

/* A signal while nobody reads: the caller is asked. */
static void
test_interrupted(void)
{
    char *folder = file_folder("interrupted"), *path = path_in(folder, "fifo");
    int n_asked = 0, fd;
    struct cj_file_options options = {.interrupted = give_up, .context = &n_asked};
    struct sigaction action = {.sa_handler = nothing};
    struct cj_bytes much = {calloc(1, 1 << 20), 1 << 20};
    struct cj_file *file = NULL;

    REQUIRE(mkfifo(path, 0600) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
    /* Again and again, as the first may come too early. */
    REQUIRE(setitimer(ITIMER_REAL, &(struct itimerval){{0, 20000}, {0, 20000}}, NULL) ==
            0);
    CHECK(cj_file_open(path, &options, &file) == -ECANCELED);
    CHECK(n_asked == 1);
    fd = open(path, O_RDONLY | O_NONBLOCK);
    REQUIRE(cj_file_open(path, &options, &file) == 0);
    CHECK(cj_file_write(file, &much, 1) == -ECANCELED);
    CHECK(cj_file_publish(file) == -ECANCELED);
    REQUIRE(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL) == 0);
    cj_file_close(file);
    close(fd);
    free((void *)(uintptr_t)much.data);
    free(path);
    free(folder);
}

/* What only /proc leads to. */
static void
test_proc(void)
{
    char *folder = file_folder("proc"), *path = path_in(folder, "a"), proc[64];
    char buffer[64];
    int fd;

    CHECK(file_put_text(path, "some old content") == 0);
    fd = open(path, O_RDWR);
    REQUIRE(fd >= 0 && unlink(path) == 0);
    snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    CHECK(file_put_text(proc, "new") == 0);
    CHECK(pread(fd, buffer, sizeof(buffer), 0) == 3 && memcmp(buffer, "new", 3) == 0);
    CHECK(folder_count(folder) == 0);
    close(fd);
    free(path);
    free(folder);
}

/* Two write the same: one of both is there, whole. */
static void
test_two_writers(void)
{
    char *folder = file_folder("two"), *path = path_in(folder, "a");
    struct cj_bytes one = {"one", 3}, two = {"two", 3};
    struct cj_file *first, *second;

    for (int i = 0; i < 2; i++) {
        REQUIRE(cj_file_open(path, NULL, &first) == 0);
        REQUIRE(cj_file_open(path, NULL, &second) == 0);
        CHECK(cj_file_write(first, &one, 1) == 0 &&
              cj_file_write(second, &two, 1) == 0);
        CHECK(cj_file_publish(first) == 0 && file_has(path, "one"));
        CHECK(cj_file_publish(second) == 0 && file_has(path, "two"));
        cj_file_close(second);
        cj_file_close(first);
        CHECK(folder_count(folder) == 1);
    }
    free(path);
    free(folder);
}

/* In a child, writes the path again and again; tells of each time. */
static void
write_forever(const char *path, int told_fd)
{
    char text[2000];

    for (unsigned i = 0;; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        if (file_put_text(path, text) != 0 || write(told_fd, "", 1) != 1) {
            _exit(1);
        }
    }
}

static bool
is_whole(const char *path)
{
    char text[2000], buffer[2000];
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, buffer, sizeof(buffer));

    close(fd);
    memset(text, buffer[0], sizeof(text));
    return n == 1999 && memcmp(text, buffer, 1999) == 0;
}

/* Killed anywhere, a hundred times: the file is whole, and what may be left beside it
 * is gone after the next time. */
static void
test_killed(void)
{
    char *folder = file_folder("killed"), *path = path_in(folder, "a"), byte;
    int pipes[2];
    pid_t child;

    for (int i = 0; i < 100; i++) {
        REQUIRE(pipe(pipes) == 0);
        child = fork();
        if (child == 0) {
            close(pipes[0]);
            write_forever(path, pipes[1]);
        }
        close(pipes[1]);
        for (int n = 0; n < 1 + i % 7; n++) {
            CHECK(read(pipes[0], &byte, 1) == 1);
        }
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(pipes[0]);
        CHECK(is_whole(path));
        CHECK(folder_count(folder) <= 2);
        CHECK(file_put_text(path, "next") == 0 && folder_count(folder) == 1);
    }
    free(path);
    free(folder);
}

/* On a file system of its own, of 1 MB: before anything is written, and without
 * reserving in the middle; the old file stays and nothing else. */
static void
test_no_space(void)
{
    char *folder = file_folder("small"), *path = path_in(folder, "a");
    struct cj_bytes piece = {calloc(1, 300000), 300000};
    struct cj_file *file;
    int r = 0;

    if (mount("none", folder, "tmpfs", 0, "size=1m") < 0) {
        printf("skipped: test_no_space: no right to mount\n");
        return;
    }
    CHECK(file_put_text(path, "old") == 0);
    REQUIRE(cj_file_open(path, NULL, &file) == 0);
    CHECK(cj_file_reserve(file, 5 << 20) == -ENOSPC);
    cj_file_close(file);
    REQUIRE(cj_file_open(path, NULL, &file) == 0);
    for (int i = 0; r == 0 && i < 10; i++) {
        r = cj_file_write(file, &piece, 1);
    }
    CHECK(r == -ENOSPC && cj_file_publish(file) == -ENOSPC);
    cj_file_close(file);
    CHECK(file_has(path, "old") && folder_count(folder) == 1);
    CHECK(umount(folder) == 0);
    free((void *)(uintptr_t)piece.data);
    free(path);
    free(folder);
}

/* The folder takes no new file: the old one is rewritten. Root may write anywhere, so
 * only another user can see it. */
static void
test_folder_is_closed(void)
{
    char *folder = file_folder("closed"), *path = path_in(folder, "a");
    char *other = path_in(folder, "b");
    int status;
    pid_t child;

    CHECK(file_put_text(path, "long old content") == 0);
    REQUIRE(chmod(folder, 0555) == 0 && chmod(path, 0666) == 0);
    REQUIRE(chmod(help_scratch(), 0755) == 0);
    child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) < 0) {
            _exit(1);
        }
        CHECK(file_put_text(path, "new") == 0 && file_has(path, "new"));
        CHECK(file_put_text(path, "something longer than that was") == 0);
        CHECK(file_has(path, "something longer than that was"));
        CHECK(file_put_text(other, "x") == -EACCES);
        _exit(check_state.n_failed_here > 0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(folder_count(folder) == 1);
    chmod(folder, 0700);
    free(path);
    free(other);
    free(folder);
}

/* The folder takes new files, but this one may not be written. */
static void
test_file_is_closed(void)
{
    char *folder = file_folder("read_only"), *path = path_in(folder, "a");
    int status;
    pid_t child;

    CHECK(file_put_text(path, "old") == 0);
    REQUIRE(chmod(folder, 0777) == 0 && chmod(path, 0444) == 0);
    REQUIRE(chmod(help_scratch(), 0755) == 0);
    child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) < 0) {
            _exit(1);
        }
        CHECK(file_put_text(path, "new") == -EACCES);
        _exit(check_state.n_failed_here > 0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(file_has(path, "old") && folder_count(folder) == 1);
    free(path);
    free(folder);
}

static void
test_sink(void)
{
    char *folder = file_folder("sink"), *path = path_in(folder, "a.gz");
    struct cj_encoder *encoder;
    struct cj_file *file;
    struct stat stat;

    REQUIRE(cj_file_open(path, NULL, &file) == 0);
    REQUIRE(cj_encoder_new(CJ_CODEC_GZIP, 3, cj_file_sink(file), &encoder) == 0);
    CHECK(cj_encoder_write(encoder, "text", 4) == 0);
    CHECK(cj_encoder_finish(encoder) == 0);
    cj_encoder_free(encoder);
    CHECK(fstat(cj_file_descriptor(file), &stat) == 0);
    CHECK((uint64_t)stat.st_size == cj_file_size(file));
    CHECK(cj_file_publish(file) == 0);
    cj_file_close(file);
    CHECK(folder_count(folder) == 1);
    free(path);
    free(folder);
}

/* A child may close what it inherited; that changes nothing. */
static void
test_forked(void)
{
    char *folder = file_folder("forked"), *path = path_in(folder, "a");
    struct cj_bytes piece = {"text", 4};
    struct cj_file *file;
    int status;
    pid_t child;

    REQUIRE(cj_file_open(path, NULL, &file) == 0);
    child = fork();
    if (child == 0) {
        cj_file_close(file);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(cj_file_write(file, &piece, 1) == 0 && cj_file_publish(file) == 0);
    cj_file_close(file);
    CHECK(file_has(path, "text"));
    free(path);
    free(folder);
}

TESTS(TEST(test_new_and_old), TEST(test_without_publish), TEST(test_order_of_calls),
      TEST(test_mode_and_owner), TEST(test_symbolic_links), TEST(test_what_cannot_be),
      TEST(test_longest_name), TEST(test_mapped), TEST(test_devices), TEST(test_fifo),
      TEST(test_interrupted), TEST(test_proc), TEST(test_two_writers),
      TEST(test_killed), TEST(test_no_space), TEST(test_folder_is_closed),
      TEST(test_file_is_closed), TEST(test_sink), TEST(test_forked))
