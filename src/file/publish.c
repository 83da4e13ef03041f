/* How a file takes its place:
 *
 *      FILE_NAMELESS --- nothing there ------------> link
 *            |   \--- the kernel can't link it ----> copied into a FILE_NAMED one
 *            v
 *      link beside, FILE_NAMED --------------------> rename
 *      FILE_IN_PLACE ------------------------------> room reserved, bytes copied
 */

#include <errno.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "file/state.h"
#include "sys/descriptor.h"
#include "sys/folder.h"
#include "sys/temp.h"

#define FILE_COPY_BYTES ((size_t)1 << 20)

/* Write all of `from_fd` to `to_fd`, which stands at its beginning. */
static int
file_copy(int from_fd, int to_fd, uint64_t n_bytes)
{
    AUTO(mem_free_p) void *buffer = mem_alloc(FILE_COPY_BYTES);
    size_t n_read = 1;
    int r = buffer ? 0 : -ENOMEM;

    for (uint64_t at = 0; r == 0 && at < n_bytes; at += n_read) {
        r = file_read(from_fd, at, buffer, FILE_COPY_BYTES, &n_read);
        if (r == 0) {
            r = n_read > 0 ? file_write(to_fd, &(struct cj_bytes){buffer, n_read}, 1)
                           : -EIO;
        }
    }
    return r;
}

/* What must be true of the file before anybody sees it. */
static int
file_complete(const struct cj_file *file, int fd)
{
    int r = 0;

    if (file->n_reserved > file->n_bytes) {
        r = file_resize(fd, file->n_bytes);
    }
    if (r == 0 && file->target.is_there) {
        r = file_make_alike(fd, &file->target.facts);
    }
    if (r == 0) {
        r = file->options.is_durable ? file_sync(fd) : file_flush(fd);
    }
    return r;
}

static int
file_put_named(struct cj_file *file)
{
    int r = file_rename(file->target.folder_fd, file->side_name, file->target.folder_fd,
                        file->target.name);

    if (r == 0) {
        file->side_name[0] = '\0';
    }
    return r;
}

/* Where a nameless file can be made, but not be named: without /proc. */
static int
file_put_copy(struct cj_file *file)
{
    AUTO(close_p) int fd = -1;
    int r = side_create(&file->target, &fd, file->side_name);

    if (r == 0) {
        r = file_copy(file->fd, fd, file->n_bytes);
    }
    if (r == 0) {
        r = file_complete(file, fd);
    }
    return r == 0 ? file_put_named(file) : r;
}

static int
file_put_nameless(struct cj_file *file)
{
    const struct target *target = &file->target;
    int r = -EEXIST;

    if (!target->is_there) {
        r = temp_link(file->fd, target->folder_fd, target->name);
    }
    if (r == -EEXIST) {
        r = side_link(target, file->fd, file->side_name);
        if (r == 0) {
            return file_put_named(file);
        }
    }
    return r == -ENOENT ? file_put_copy(file) : r;
}

/* The room first: if there is too little, the old content stays. */
static int
file_put_in_place(struct cj_file *file)
{
    AUTO(close_p) int fd = -1;
    int r = file_open_at(file->target.folder_fd, file->target.name, &fd);

    if (r == 0 && file->n_bytes > file->target.facts.n_bytes) {
        r = file_reserve(fd, file->n_bytes);
        if (r < 0) {
            (void)!file_resize(fd, file->target.facts.n_bytes);
        }
    }
    if (r == 0) {
        r = file_copy(file->fd, fd, file->n_bytes);
    }
    if (r == 0) {
        r = file_resize(fd, file->n_bytes);
    }
    if (r == 0) {
        r = file->options.is_durable ? file_sync(fd) : file_flush(fd);
    }
    return r;
}

static int
file_put(struct cj_file *file)
{
    int r = file_complete(file, file->fd);

    if (r == 0) {
        r = file->way == FILE_NAMED ? file_put_named(file) : file_put_nameless(file);
    }
    if (r == 0 && file->options.is_durable) {
        r = folder_sync(file->target.folder_fd);
    }
    return r;
}

int
cj_file_publish(struct cj_file *file)
{
    int r = file->error;

    if (r == 0) {
        switch (file->way) {
        case FILE_DIRECT:
            r = file->options.is_durable ? file_sync(file->fd) : file_flush(file->fd);
            break;
        case FILE_IN_PLACE:
            r = file_put_in_place(file);
            break;
        default:
            r = file_put(file);
        }
    }
    file->error = r < 0 ? r : -EINVAL;
    return r;
}
