#include "sys/text_file.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/descriptor.h"
#include "sys/files.h"

#define TEXT_FILE_FIRST 4096
#define TEXT_FILE_MAX ((size_t)64 << 20)

/* Read on from `*n_read` until the text ends, which is before the buffer does. */
static int
text_file_fill(int fd, char *buffer, size_t size, size_t *n_read)
{
    size_t n;
    int r = file_read(fd, *n_read, buffer + *n_read, size - *n_read, &n);

    if (r < 0) {
        return r;
    }
    *n_read += n;
    return *n_read < size ? 0 : -E2BIG;
}

int
text_file_read(int folder_fd, const char *name, char *buffer, size_t size)
{
    AUTO(close_p) int fd = -1;
    size_t n_read = 0;
    int r = file_open(folder_fd, name, &fd);

    if (r == 0) {
        r = text_file_fill(fd, buffer, size, &n_read);
    }
    if (r == 0) {
        buffer[n_read] = '\0';
    }
    return r;
}

int
text_file_load(int folder_fd, const char *name, char **ret_text)
{
    AUTO(close_p) int fd = -1;
    AUTO(mem_free_p) char *text = NULL;
    size_t n_read = 0;
    int r = file_open(folder_fd, name, &fd);

    for (size_t size = TEXT_FILE_FIRST; r == 0; size *= 2) {
        char *more = mem_resize(text, size);

        if (!more) {
            return -ENOMEM;
        }
        text = more;
        r = text_file_fill(fd, text, size, &n_read);
        if (r == 0) {
            text[n_read] = '\0';
            *ret_text = TAKE_PTR(text);
            return 0;
        }
        if (r == -E2BIG && size < TEXT_FILE_MAX) {
            r = 0;
        }
    }
    return r;
}
