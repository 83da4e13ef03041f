#include <cjoblib/digest.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

/* Each part is told from its neighbours by its own size, so that ("ab", "c") and
 * ("a", "bc") differ. */
static void
key_text(struct cj_digest *digest, const char *text)
{
    uint64_t size = strlen(text);

    cj_digest_update(digest, &size, sizeof(size));
    cj_digest_update(digest, text, size);
}

static void
key_list(struct cj_digest *digest, const char *what, const struct arguments *list)
{
    uint64_t n = (uint64_t)list->n;

    key_text(digest, what);
    cj_digest_update(digest, &n, sizeof(n));
    for (int i = 0; i < list->n; i++) {
        key_text(digest, list->items[i]);
    }
}

/* The content of an open file, copied to `copy` as well unless that is NULL. */
static int
key_content(struct cj_digest *digest, int fd, FILE *copy)
{
    static const size_t room = (size_t)1 << 18;
    char *buffer = malloc(room);
    uint64_t size = 0;
    int r = buffer ? 0 : -ENOMEM;

    while (r == 0) {
        ssize_t n = read(fd, buffer, room);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            r = n < 0 ? -errno : 1;
            break;
        }
        cj_digest_update(digest, buffer, (size_t)n);
        size += (uint64_t)n;
        if (copy && fwrite(buffer, 1, (size_t)n, copy) != (size_t)n) {
            r = -errno;
        }
    }
    free(buffer);
    cj_digest_update(digest, &size, sizeof(size));
    return r < 0 ? r : 0;
}

/* Files only: a folder has no content, a pipe could be read only once. */
static int
key_file(struct cj_digest *digest, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;
    struct stat facts;

    if (fd < 0) {
        return -errno;
    }
    r = fstat(fd, &facts) < 0 ? -errno : 0;
    if (r == 0 && S_ISDIR(facts.st_mode)) {
        r = -EISDIR;
    }
    else if (r == 0 && !S_ISREG(facts.st_mode)) {
        r = -EINVAL;
    }
    if (r == 0) {
        r = key_content(digest, fd, NULL);
    }
    close(fd);
    return r;
}

static int
key_standard_input(struct cj_digest *digest, struct run_request *request)
{
    FILE *copy = tmpfile();
    int r = copy ? 0 : -errno;

    if (r == 0) {
        r = key_content(digest, STDIN_FILENO, copy);
    }
    if (r == 0 && (fflush(copy) != 0 || fseek(copy, 0, SEEK_SET) < 0)) {
        r = -errno;
    }
    if (r == 0) {
        request->stdin_fd = fcntl(fileno(copy), F_DUPFD_CLOEXEC, 3);
        r = request->stdin_fd < 0 ? -errno : 0;
    }
    if (copy) {
        fclose(copy);
    }
    return r;
}

static int
key_input(struct cj_digest *digest, struct run_request *request, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int r = is_stdin ? key_standard_input(digest, request) : key_file(digest, path);

    if (r == -EINVAL) {
        fprintf(stderr, "cjoblib: input %s: not a file\n", path);
    }
    else if (r < 0) {
        fprintf(stderr, "cjoblib: input %s: %s\n", is_stdin ? "standard input" : path,
                strerror(-r));
    }
    return r;
}

/* The size of the value follows a variable that is set; a 0 one that is not. */
static void
key_variables(struct cj_digest *digest, const struct arguments *variables)
{
    for (int i = 0; i < variables->n; i++) {
        const char *value = getenv(variables->items[i]);

        key_text(digest, value ? "set" : "");
        key_text(digest, value ? value : "");
    }
}

static int
key_arguments(struct cj_digest *digest, struct run_request *request,
              uint8_t ret_value[CJ_DIGEST_MAX_BYTES])
{
    size_t size;

    key_list(digest, "command", &request->command);
    key_list(digest, "outputs", &request->outputs);
    key_list(digest, "variables", &request->variables);
    key_variables(digest, &request->variables);
    key_list(digest, "inputs", &request->inputs);
    for (int i = 0; i < request->inputs.n; i++) {
        int r = key_input(digest, request, request->inputs.items[i]);

        if (r < 0) {
            return r;
        }
    }
    cj_digest_final(digest, ret_value, &size);
    return 0;
}

int
key_of(struct run_request *request, struct run_key *ret_key)
{
    uint8_t value[CJ_DIGEST_MAX_BYTES];
    struct cj_digest *digest;
    size_t size;
    int r = cj_digest_new(CJ_DIGEST_XXH128, &digest);

    if (r < 0) {
        (void)command_fail("digest", r);
        return RUN_FAILED;
    }
    r = key_file(digest, request->program);
    if (r < 0) {
        (void)command_fail(request->program, r);
    }
    else {
        cj_digest_final(digest, value, &size);
        memcpy(ret_key->version, value, CJ_KEY_BYTES);
        r = key_arguments(digest, request, value);
        memcpy(ret_key->arguments, value, CJ_KEY_BYTES);
    }
    cj_digest_free(digest);
    return r < 0 ? RUN_FAILED : 0;
}
