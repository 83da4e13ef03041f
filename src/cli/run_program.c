#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

/* 0, or why execve(2) would refuse it. */
static int
program_check(const char *path)
{
    struct stat facts;

    if (stat(path, &facts) < 0) {
        return -errno;
    }
    if (!S_ISREG(facts.st_mode)) {
        return -EACCES;
    }
    return access(path, X_OK) < 0 ? -errno : 0;
}

static int
program_say(const char *name, int r)
{
    bool is_missing = r == -ENOENT || r == -ENOTDIR;

    fprintf(stderr, "cjoblib: %s: %s\n", name,
            is_missing ? "there is no such program"
                       : "it can't be run: not executable");
    return is_missing ? RUN_MISSING : RUN_REFUSED;
}

/* FOLDER/NAME, where no folder means the working one; NULL: no memory. */
static char *
program_join(const char *folder, size_t folder_size, const char *name)
{
    char *path;
    int n = folder_size == 0
                ? asprintf(&path, "./%s", name)
                : asprintf(&path, "%.*s/%s", (int)folder_size, folder, name);

    return n < 0 ? NULL : path;
}

static int
program_search(const char *name, char **ret_path)
{
    const char *folders = getenv("PATH"), *end;
    int worst = -ENOENT;

    for (folders = folders ? folders : "/bin:/usr/bin";; folders = end + 1) {
        char *path;
        int r;

        end = strchrnul(folders, ':');
        path = program_join(folders, (size_t)(end - folders), name);
        r = path ? program_check(path) : -ENOMEM;
        if (r == 0) {
            *ret_path = path;
            return 0;
        }
        free(path);
        worst = r == -EACCES ? r : worst;
        if (*end == '\0') {
            return worst;
        }
    }
}

int
program_find(const char *name, char **ret_path)
{
    char *path = NULL;
    int r;

    if (strchr(name, '/')) {
        r = program_check(name);
        path = r == 0 ? strdup(name) : NULL;
    }
    else {
        r = name[0] == '\0' ? -ENOENT : program_search(name, &path);
    }
    if (r < 0 || !path) {
        return program_say(name, r);
    }
    *ret_path = path;
    return 0;
}
