#include "file/target.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/descriptor.h"
#include "sys/folder.h"

/* As many links as the kernel follows. */
#define TARGET_MAX_LINKS 40

static char *
text_copy(const char *text, size_t size)
{
    char *copy = mem_alloc(size + 1);

    if (copy) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

void
target_done(struct target *target)
{
    descriptor_close(target->folder_fd);
    mem_free(target->name);
    *target = (struct target)TARGET_INIT;
}

void
target_done_p(struct target *target)
{
    target_done(target);
}

/* Hold of the folder that a path goes through last, which leaves the name after it. */
static int
target_enter(struct target *target, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    AUTO(mem_free_p) char *folder =
        slash ? text_copy(path, (size_t)(name - path)) : text_copy(".", 1);
    AUTO(mem_free_p) char *copy = text_copy(name, strlen(name));
    AUTO(close_p) int folder_fd = -1;
    int r;

    if (!folder || !copy) {
        return -ENOMEM;
    }
    r = folder_reach(target->folder_fd, folder, &folder_fd);
    if (r < 0) {
        return r;
    }
    target_done(target);
    target->folder_fd = TAKE(folder_fd, -1);
    target->name = TAKE_PTR(copy);
    return 0;
}

/* One name further. `*path`: what remains to be followed, NULL at the end. */
static int
target_step(struct target *target, char **path)
{
    int r = target_enter(target, *path);

    mem_free(*path);
    *path = NULL;
    if (r < 0) {
        return r;
    }
    if (target->name[0] == '\0') {
        return -EISDIR;
    }
    r = file_facts_at(target->folder_fd, target->name, &target->facts);
    target->is_there = r == 0;
    if (r == -ENOENT) {
        return 0;
    }
    if (r == 0 && target->facts.kind == FILE_LINK) {
        r = file_read_link(target->folder_fd, target->name, path);
    }
    return r;
}

static int
target_follow(struct target *target, const char *path)
{
    AUTO(mem_free_p) char *rest = text_copy(path, strlen(path));
    int r = 0;

    if (!rest) {
        return -ENOMEM;
    }
    for (int i = 0; r == 0 && rest; i++) {
        r = i > TARGET_MAX_LINKS ? -ELOOP : target_step(target, &rest);
    }
    return r;
}

/* What the kernel finds at the path: where that is another file than ours, the path
 * went through something in /proc that only looks like a link. */
static int
target_check(const struct target *target, const char *path)
{
    struct file_facts facts;
    int r = file_facts_path(path, &facts);

    if (r < 0) {
        return r == -ENOENT && !target->is_there ? 0 : r;
    }
    if (facts.kind == FILE_FOLDER) {
        return -EISDIR;
    }
    if (facts.kind != FILE_REGULAR || !target->is_there ||
        !file_facts_are_same(&facts, &target->facts)) {
        return TARGET_DIRECT;
    }
    return file_may_write(target->folder_fd, target->name);
}

int
target_find(const char *path, struct target *ret_target)
{
    AUTO(target_done_p) struct target target = TARGET_INIT;
    int r = path[0] ? target_follow(&target, path) : -ENOENT;

    if (r == 0 || r == -ENOENT) {
        /* A link of /proc may say anything, and still lead somewhere. */
        int checked = target_check(&target, path);

        r = checked == TARGET_DIRECT || r == 0 ? checked : r;
    }
    if (r >= 0) {
        *ret_target = target;
        target = (struct target)TARGET_INIT;
    }
    return r;
}
