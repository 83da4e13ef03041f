/* What the tests of cj_file share: writing a file as a whole, and what lies in the
 * test's folder. */

#ifndef FILE_HELP_H
#define FILE_HELP_H

#include <cjoblib/file.h>

#include "store_help.h"

/* Replace `path` by `text`, in two pieces; the first error of any step. */
static inline int
file_put_with(const char *path, const char *text, const struct cj_file_options *options)
{
    struct cj_bytes pieces[2] = {
        {text, strlen(text) / 2},
        {text + strlen(text) / 2, strlen(text + strlen(text) / 2)}};
    struct cj_file *file = NULL;
    int r = cj_file_open(path, options, &file);

    if (r == 0) {
        r = cj_file_reserve(file, 2 * strlen(text));
    }
    if (r == 0) {
        r = cj_file_write(file, pieces, 2);
    }
    if (r == 0) {
        r = cj_file_publish(file);
    }
    cj_file_close(file);
    return r;
}

static inline int
file_put_text(const char *path, const char *text)
{
    return file_put_with(path, text, NULL);
}

static inline bool
file_has(const char *path, const char *text)
{
    char buffer[4096];
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer));

    if (fd >= 0) {
        close(fd);
    }
    return n == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)n) == 0;
}

/* How many names lie in the folder. */
static inline int
folder_count(const char *path)
{
    DIR *folder = opendir(path);
    int n = -2;

    REQUIRE(folder);
    while (readdir(folder)) {
        n++;
    }
    closedir(folder);
    return n;
}

/* A new empty folder in the test's; the caller frees the path. */
static inline char *
file_folder(const char *name)
{
    char *path = help_path(name);

    help_remove_tree(path);
    REQUIRE(mkdir(path, 0700) == 0);
    return path;
}

static inline char *
path_in(const char *folder, const char *name)
{
    char *path;

    REQUIRE(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

#endif
