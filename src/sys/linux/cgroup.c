/* /proc/self/cgroup says where in each hierarchy the process is, and
 * /proc/self/mountinfo under which folder which part of a hierarchy is seen:
 *
 *      3:cpu,cpuacct:/docker/c1/job                                         cgroup
 *      31 25 0:26 /docker/c1 /sys/fs/cgroup/cpu rw ... - cgroup cgroup rw,cpu,cpuacct
 *
 *      => /sys/fs/cgroup/cpu/job, then /sys/fs/cgroup/cpu
 *
 * Paths from both are relative to the reader's own view, so they fit together. */

#include "sys/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/descriptor.h"
#include "sys/folder.h"
#include "sys/text_file.h"

struct walk {
    int root_fd;
    const char *controller;
    cgroup_function function;
    void *context;
    const char *group_v1; /* where this process is; NULL: nowhere */
    const char *group_v2;
    bool is_seen; /* some folder of ours was found */
};

struct mount {
    char *root; /* the part of the hierarchy that is seen */
    char *point;
    char *type;
    char *options;
};

/* Cut the next piece off `*text`, which ends before `end`; NULL after the last. */
static char *
cut(char **text, char end)
{
    char *start = *text;
    char *stop;

    if (!start || *start == '\0') {
        return NULL;
    }
    stop = strchr(start, end);
    if (stop) {
        *stop = '\0';
    }
    *text = stop ? stop + 1 : NULL;
    return start;
}

static bool
list_has(const char *list, const char *word)
{
    size_t size = strlen(word);

    while (list) {
        if (strncmp(list, word, size) == 0 &&
            (list[size] == ',' || list[size] == '\0')) {
            return true;
        }
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    return false;
}

static bool
is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* Undo the escapes of blanks and such, "\040", in place. */
static void
unescape(char *text)
{
    char *to = text;

    while (*text) {
        if (text[0] == '\\' && is_octal(text[1]) && is_octal(text[2]) &&
            is_octal(text[3])) {
            *to++ =
                (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
            text += 4;
        }
        else {
            *to++ = *text++;
        }
    }
    *to = '\0';
}

/* Take the process's places from the text of /proc/self/cgroup, which must stay. */
static void
read_places(struct walk *walk, char *text)
{
    char *line;

    while ((line = cut(&text, '\n'))) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(++controllers, ':') : NULL;

        if (!path) {
            continue;
        }
        *path++ = '\0';
        if (*controllers == '\0') {
            walk->group_v2 = path;
        }
        else if (list_has(controllers, walk->controller)) {
            walk->group_v1 = path;
        }
    }
}

static bool
read_mount(char *line, struct mount *ret_mount)
{
    struct mount mount = {NULL, NULL, NULL, NULL};
    char *field;

    for (size_t i = 0; i < 5 && (field = cut(&line, ' ')); i++) {
        mount.root = mount.point;
        mount.point = field;
    }
    do {
        field = cut(&line, ' ');
    } while (field && strcmp(field, "-") != 0);
    mount.type = cut(&line, ' ');
    (void)cut(&line, ' '); /* the source */
    mount.options = cut(&line, ' ');
    if (!mount.options) {
        return false;
    }
    unescape(mount.root);
    unescape(mount.point);
    *ret_mount = mount;
    return true;
}

/* The part of `group` below `root`, "" or "/x/y"; NULL: it is not below. */
static const char *
path_below(const char *group, const char *root)
{
    size_t size = strcmp(root, "/") == 0 ? 0 : strlen(root);
    const char *rest = group + size;

    if (strncmp(group, root, size) != 0 || (*rest != '\0' && *rest != '/') ||
        strstr(rest, "/..")) {
        return NULL;
    }
    return strcmp(rest, "/") == 0 ? "" : rest;
}

/* Call the function for the group at `top` + `rest` and those above it, up to `top`. */
static int
climb(struct walk *walk, bool is_v2, const char *top, const char *rest)
{
    char path[PATH_MAX];
    int n, r = 0;
    size_t n_top;

    top += strspn(top, "/");
    n_top = strlen(top);
    n = snprintf(path, sizeof(path), "%s%s", top, rest);
    if (n_top == 0 || n < 0 || (size_t)n >= sizeof(path)) {
        return 0;
    }
    while (r == 0) {
        AUTO(close_p) int fd = -1;

        if (folder_open(walk->root_fd, path, &fd) == 0) {
            walk->is_seen = true;
            r = walk->function(walk->context, is_v2, fd);
        }
        if (strlen(path) <= n_top) {
            break;
        }
        *strrchr(path, '/') = '\0';
    }
    return r;
}

static int
climb_mount(struct walk *walk, const struct mount *mount)
{
    bool is_v2 = strcmp(mount->type, "cgroup2") == 0;
    const char *group = is_v2 ? walk->group_v2 : walk->group_v1;
    const char *rest;

    if (!is_v2 && (strcmp(mount->type, "cgroup") != 0 ||
                   !list_has(mount->options, walk->controller))) {
        return 0;
    }
    rest = group ? path_below(group, mount->root) : NULL;
    return rest ? climb(walk, is_v2, mount->point, rest) : 0;
}

/* Where a container has no other sign of its group, it is what is mounted there. */
static int
climb_usual_places(struct walk *walk)
{
    char place[64]; /* ends in a dot because it may be a link */
    int n = snprintf(place, sizeof(place), "sys/fs/cgroup/%s/.", walk->controller);
    int r = climb(walk, true, "sys/fs/cgroup", "");

    return r || n < 0 || (size_t)n >= sizeof(place) ? r : climb(walk, false, place, "");
}

int
cgroup_each(int root_fd, const char *controller, cgroup_function function,
            void *context)
{
    struct walk walk = {.root_fd = root_fd,
                        .controller = controller,
                        .function = function,
                        .context = context};
    AUTO(mem_free_p) char *places = NULL;
    AUTO(mem_free_p) char *mounts = NULL;
    struct mount mount;
    char *rest, *line;
    int r = text_file_load(root_fd, "proc/self/cgroup", &places);

    if (r == 0) {
        read_places(&walk, places);
        r = text_file_load(root_fd, "proc/self/mountinfo", &mounts);
    }
    if (r == -ENOMEM) {
        return r;
    }
    r = 0;
    rest = mounts;
    while (r == 0 && (line = cut(&rest, '\n'))) {
        r = read_mount(line, &mount) ? climb_mount(&walk, &mount) : 0;
    }
    return r || walk.is_seen ? r : climb_usual_places(&walk);
}
