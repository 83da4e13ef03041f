#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run.h"

/* A record: a head, then pieces one after the other; doc/formats/run.md. */
static const unsigned char record_magic[8] = {'c', 'j', 'r', 'u', 'n', 0, '\n', 1};

#define RECORD_HEAD_BYTES 16
#define RECORD_PIECE_BYTES 16

static void
put_u32(unsigned char *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static void
put_u64(unsigned char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static uint32_t
get_u32(const unsigned char *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

static uint64_t
get_u64(const unsigned char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return le64toh(value);
}

static void
spool_write(struct spool *spool, const void *data, size_t size)
{
    if (spool->error == 0 && size > 0 && fwrite(data, 1, size, spool->file) != size) {
        spool->error = errno > 0 ? -errno : -EIO;
    }
}

int
spool_open(struct spool *spool)
{
    unsigned char head[RECORD_HEAD_BYTES] = {0};

    *spool = (struct spool){.file = tmpfile()};
    if (!spool->file) {
        return errno > 0 ? -errno : -EIO;
    }
    spool_write(spool, head, sizeof(head));
    return spool->error;
}

static void
spool_piece(struct spool *spool, enum record_kind kind, uint32_t detail, uint64_t size)
{
    unsigned char head[RECORD_PIECE_BYTES];

    put_u32(head, kind);
    put_u32(head + 4, detail);
    put_u64(head + 8, size);
    spool_write(spool, head, sizeof(head));
}

void
spool_add(struct spool *spool, enum record_kind kind, uint32_t detail, const void *data,
          size_t size)
{
    spool_piece(spool, kind, detail, size);
    spool_write(spool, data, size);
}

/* Write `size` again where the piece's head has it. */
static void
spool_correct_size(struct spool *spool, long head_at, uint64_t size)
{
    unsigned char bytes[8];

    put_u64(bytes, size);
    if (spool->error == 0 && fseek(spool->file, head_at + 8, SEEK_SET) < 0) {
        spool->error = -errno;
    }
    spool_write(spool, bytes, sizeof(bytes));
    if (spool->error == 0 && fseek(spool->file, 0, SEEK_END) < 0) {
        spool->error = -errno;
    }
}

int
spool_add_file(struct spool *spool, int fd, uint32_t mode)
{
    long head_at = ftell(spool->file);
    static const size_t room = (size_t)1 << 18;
    char *buffer = malloc(room);
    uint64_t size = 0;
    ssize_t n;

    if (!buffer) {
        return -ENOMEM;
    }
    spool_piece(spool, RECORD_FILE, mode, 0);
    do {
        n = read(fd, buffer, room);
        if (n > 0) {
            spool_write(spool, buffer, (size_t)n);
            size += (uint64_t)n;
        }
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0) {
        n = -errno;
    }
    free(buffer);
    spool_correct_size(spool, head_at, size);
    return n < 0 ? (int)n : spool->error;
}

int
spool_finish(struct spool *spool, uint32_t exit_status, struct cj_bytes *ret_record)
{
    unsigned char head[RECORD_HEAD_BYTES] = {0};
    long size = ftell(spool->file);

    memcpy(head, record_magic, sizeof(record_magic));
    put_u32(head + 8, exit_status);
    rewind(spool->file);
    spool_write(spool, head, sizeof(head));
    if (spool->error == 0 && (size < 0 || fflush(spool->file) != 0)) {
        spool->error = errno > 0 ? -errno : -EIO;
    }
    if (spool->error < 0) {
        return spool->error;
    }
    spool->mapping =
        mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fileno(spool->file), 0);
    if (spool->mapping == MAP_FAILED) {
        spool->mapping = NULL;
        return -errno;
    }
    spool->mapped_bytes = (size_t)size;
    *ret_record = (struct cj_bytes){spool->mapping, spool->mapped_bytes};
    return 0;
}

void
spool_done(struct spool *spool)
{
    if (spool->mapping) {
        munmap(spool->mapping, spool->mapped_bytes);
    }
    if (spool->file) {
        fclose(spool->file);
    }
    *spool = (struct spool){.file = NULL};
}

bool
record_open(struct cj_bytes payload, struct record *ret_record)
{
    const unsigned char *head = payload.data;

    if (payload.size < RECORD_HEAD_BYTES ||
        memcmp(head, record_magic, sizeof(record_magic)) != 0) {
        return false;
    }
    ret_record->exit_status = get_u32(head + 8);
    ret_record->at = head + RECORD_HEAD_BYTES;
    ret_record->end = head + payload.size;
    return ret_record->exit_status < 256;
}

bool
record_next(struct record *record, struct record_piece *ret_piece)
{
    uint64_t size;

    if (record->end - record->at < RECORD_PIECE_BYTES) {
        return false;
    }
    size = get_u64(record->at + 8);
    if (size > (uint64_t)(record->end - record->at) - RECORD_PIECE_BYTES) {
        return false;
    }
    ret_piece->kind = get_u32(record->at);
    ret_piece->detail = get_u32(record->at + 4);
    ret_piece->bytes = (struct cj_bytes){record->at + RECORD_PIECE_BYTES, (size_t)size};
    record->at += RECORD_PIECE_BYTES + size;
    return true;
}

bool
record_is_sound(struct cj_bytes payload, size_t n_files)
{
    struct record record;
    struct record_piece piece;
    size_t n_found = 0;

    if (!record_open(payload, &record)) {
        return false;
    }
    while (record_next(&record, &piece)) {
        n_found += piece.kind == RECORD_FILE;
    }
    return record.at == record.end && n_found == n_files;
}
