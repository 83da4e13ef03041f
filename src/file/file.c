#include "cjoblib/file.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "file/state.h"
#include "sys/descriptor.h"
#include "sys/folder.h"
#include "sys/process.h"
#include "sys/temp.h"

void
file_remove_side(struct cj_file *file)
{
    if (file->side_name[0]) {
        /* What can't be removed now, the next writer will find dead. */
        (void)!file_remove(file->target.folder_fd, file->side_name);
        file->side_name[0] = '\0';
    }
}

void
cj_file_close(struct cj_file *file)
{
    if (file) {
        if (file->owner == process_self()) {
            file_remove_side(file);
        }
        descriptor_close(file->fd);
        target_done(&file->target);
        mem_free(file);
    }
}

static void
cj_file_close_p(struct cj_file **file)
{
    cj_file_close(*file);
}

/* --- where to write --------------------------------------------------------------- */

static int
file_interrupted(const struct cj_file *file)
{
    return file->options.interrupted ? file->options.interrupted(file->options.context)
                                     : 0;
}

/* As it is, without what it has in it if it is a file that only /proc leads to. */
static int
file_open_direct(struct cj_file *file, const char *path)
{
    struct file_facts facts;
    int r = -EINTR;

    file->way = FILE_DIRECT;
    while (r == -EINTR) {
        r = file_open_path(path, &file->fd);
        if (r == -EINTR) {
            int stop = file_interrupted(file);

            r = stop < 0 ? stop : r;
        }
    }
    if (r == 0) {
        r = file_facts(file->fd, &facts);
    }
    if (r == 0 && facts.kind == FILE_REGULAR) {
        r = file_resize(file->fd, 0);
    }
    return r;
}

/* A nameless file where temporary files are kept. */
static int
file_open_elsewhere(struct cj_file *file)
{
    const char *where = getenv("TMPDIR");
    AUTO(close_p) int folder_fd = -1;
    int r = folder_reach(-1, where && where[0] ? where : "/tmp", &folder_fd);

    if (r == 0) {
        r = temp_open_nameless(folder_fd, TEMP_PRIVATE, &file->fd);
    }
    if (r == 0) {
        file->way = FILE_IN_PLACE;
    }
    return r;
}

static int
file_open_beside(struct cj_file *file)
{
    const struct target *target = &file->target;
    int r = temp_open_nameless(
        target->folder_fd, target->is_there ? TEMP_PRIVATE : TEMP_SHARED, &file->fd);

    file->way = FILE_NAMELESS;
    if (r == -EOPNOTSUPP) {
        file->way = FILE_NAMED;
        r = side_create(target, &file->fd, file->side_name);
    }
    /* The folder takes no file, but the old one, if any, may be written. */
    if ((r == -EACCES || r == -EPERM || r == -EROFS) && target->is_there &&
        file_open_elsewhere(file) == 0) {
        r = 0;
    }
    return r;
}

int
cj_file_open(const char *path, const struct cj_file_options *options,
             struct cj_file **ret_file)
{
    AUTO(cj_file_close_p) struct cj_file *file = mem_alloc_zero(1, sizeof(*file));
    int r;

    if (!file) {
        return -ENOMEM;
    }
    if (options) {
        file->options = *options;
    }
    file->target = (struct target)TARGET_INIT;
    file->fd = -1;
    file->owner = process_self();
    r = target_find(path, &file->target);
    if (r >= 0) {
        r = r == TARGET_DIRECT ? file_open_direct(file, path) : file_open_beside(file);
    }
    if (r == 0) {
        *ret_file = TAKE_PTR(file);
    }
    return r;
}

/* --- writing ---------------------------------------------------------------------- */

int
cj_file_reserve(struct cj_file *file, uint64_t n_bytes)
{
    int r = file->error;

    if (r < 0 || file->way == FILE_DIRECT || n_bytes <= file->n_reserved ||
        n_bytes <= file->n_bytes) {
        return r;
    }
    if (n_bytes > INT64_MAX) {
        return -EFBIG;
    }
    r = file_reserve(file->fd, n_bytes);
    if (r == 0) {
        file->n_reserved = n_bytes;
    }
    return r;
}

int
cj_file_write(struct cj_file *file, const struct cj_bytes *pieces, size_t n_pieces)
{
    int r = file->error;

    if (r < 0) {
        return r;
    }
    file->error = file_write_waiting(file->fd, pieces, n_pieces,
                                     file->options.interrupted, file->options.context);
    for (size_t i = 0; file->error == 0 && i < n_pieces; i++) {
        file->n_bytes += pieces[i].size;
    }
    return file->error;
}

static int
file_sink_write(void *context, const void *data, size_t size)
{
    struct cj_bytes piece = {data, size};

    return cj_file_write(context, &piece, 1);
}

struct cj_sink
cj_file_sink(struct cj_file *file)
{
    return (struct cj_sink){file_sink_write, file};
}

uint64_t
cj_file_size(const struct cj_file *file)
{
    return file->n_bytes;
}

bool
cj_file_is_direct(const struct cj_file *file)
{
    return file->way == FILE_DIRECT;
}

int
cj_file_descriptor(const struct cj_file *file)
{
    return file->fd;
}
