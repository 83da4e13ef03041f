#include "trace/finish.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "cjoblib/file.h"
#include "sys/files.h"
#include "trace/event.h"

/* Read at once; holds any line. */
#define FINISH_ROOM_BYTES ((size_t)1 << 20)

struct finish {
    struct cj_file *file;
    bool is_first;
};

static int
finish_write(struct finish *finish, const char *text, size_t size)
{
    struct cj_bytes piece = {text, size};

    return cj_file_write(finish->file, &piece, 1);
}

/* Whether quotes and braces close: a process that was killed may leave a part of a
 * line. */
static bool
finish_is_whole(const char *line, size_t size)
{
    bool in_text = false;
    int depth = 0;

    for (size_t i = 0; i < size; i++) {
        if (in_text && line[i] == '\\') {
            i++;
        }
        else if (line[i] == '"') {
            in_text = !in_text;
        }
        else if (!in_text) {
            depth += (line[i] == '{') - (line[i] == '}');
        }
    }
    return !in_text && depth == 0;
}

/* A line is an event "{...}," (the first one has a '[' before it), or blanks, or what a
 * killed process left of one. */
static int
finish_line(struct finish *finish, const char *line, size_t size)
{
    int r;

    while (size > 0 && (*line == ' ' || *line == '[')) {
        line++;
        size--;
    }
    while (size > 0 && line[size - 1] == ' ') {
        size--;
    }
    if (size < 3 || *line != '{' || memcmp(line + size - 2, "},", 2) != 0 ||
        !finish_is_whole(line, size - 1)) {
        return 0;
    }
    r = finish_write(finish, finish->is_first ? "[" : ",\n", finish->is_first ? 1 : 2);
    finish->is_first = false;
    return r < 0 ? r : finish_write(finish, line, size - 1);
}

/* Take the whole lines of `room`; how many bytes they were. */
static int
finish_lines(struct finish *finish, const char *room, size_t size, size_t *ret_taken)
{
    const char *at = room, *end;
    int r = 0;

    while (r == 0 && (end = memchr(at, '\n', size - (size_t)(at - room))) != NULL) {
        r = finish_line(finish, at, (size_t)(end - at));
        at = end + 1;
    }
    *ret_taken = (size_t)(at - room);
    return r;
}

static int
finish_copy(struct finish *finish, int fd)
{
    AUTO(mem_free_p) char *room = mem_alloc(FINISH_ROOM_BYTES);
    uint64_t offset = 0;
    size_t kept = 0, n, taken;
    int r = room ? 0 : -ENOMEM;

    while (r == 0) {
        r = file_read(fd, offset, room + kept, FINISH_ROOM_BYTES - kept, &n);
        if (r < 0 || n == 0) {
            break;
        }
        offset += n;
        r = finish_lines(finish, room, kept + n, &taken);
        kept = kept + n - taken;
        memmove(room, room + taken, kept);
        /* No line is so long: it is what somebody else wrote into the file. */
        kept = kept == FINISH_ROOM_BYTES ? 0 : kept;
    }
    return r;
}

int
trace_finish(int fd, const char *path)
{
    struct finish finish = {.is_first = true};
    int r = cj_file_open(path, NULL, &finish.file);

    if (r < 0) {
        return r;
    }
    r = finish_copy(&finish, fd);
    if (r == 0) {
        r = finish_write(&finish, "]\n", 2);
    }
    if (r == 0) {
        r = cj_file_publish(finish.file);
    }
    cj_file_close(finish.file);
    return r;
}
