#include <cjoblib/file.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

/* Put one output file in its place, as a whole, with the mode that it had. */
static int
replay_file(const char *path, const struct record_piece *piece)
{
    struct cj_file *file;
    int r = cj_file_open(path, NULL, &file);

    if (r < 0) {
        return r;
    }
    r = cj_file_reserve(file, piece->bytes.size);
    if (r == 0) {
        r = cj_file_write(file, &piece->bytes, 1);
    }
    if (r == 0 && !cj_file_is_direct(file)) {
        (void)fchmod(cj_file_descriptor(file), piece->detail & 0777);
    }
    if (r == 0) {
        r = cj_file_publish(file);
    }
    cj_file_close(file);
    return r;
}

static int
replay_files(const struct run_request *request, struct cj_bytes payload)
{
    struct record record;
    struct record_piece piece;
    int i = 0, r = 0;

    (void)record_open(payload, &record);
    while (r == 0 && record_next(&record, &piece)) {
        if (piece.kind == RECORD_FILE) {
            r = replay_file(request->outputs.items[i], &piece);
            if (r < 0) {
                (void)command_fail(request->outputs.items[i], r);
            }
            i++;
        }
    }
    return r;
}

static int
replay_output(struct cj_bytes payload)
{
    struct record record;
    struct record_piece piece;
    int lost = 0;

    (void)record_open(payload, &record);
    while (lost == 0 && record_next(&record, &piece)) {
        if (piece.kind == RECORD_OUT || piece.kind == RECORD_ERROR) {
            lost = write_all(piece.kind == RECORD_OUT ? STDOUT_FILENO : STDERR_FILENO,
                             piece.bytes.data, piece.bytes.size);
        }
    }
    return lost;
}

int
record_replay(const struct run_request *request, struct cj_bytes payload,
              int *ret_status)
{
    struct record record;
    int r;

    (void)record_open(payload, &record);
    r = replay_files(request, payload);
    if (r < 0) {
        return r;
    }
    r = replay_output(payload);
    if (r < 0) {
        (void)command_fail("output", r);
        *ret_status = RUN_FAILED;
        return 0;
    }
    *ret_status = (int)record.exit_status;
    return 0;
}
