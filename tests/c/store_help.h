/* What the store's tests share: a folder of their own, keys, values that can be told
 * apart, and a look at the files behind the store's back.
 *
 * The folder is removed when the process that made it ends by exit(). */

#ifndef STORE_HELP_H
#define STORE_HELP_H

#include <cjoblib/store.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

struct help_state {
    char scratch[512];
    pid_t maker;
};

static struct help_state help_state;

static inline int
help_remove_one(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    (void)stat;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void
help_remove_tree(const char *path)
{
    nftw(path, help_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void
help_at_exit(void)
{
    if (getpid() == help_state.maker) {
        help_remove_tree(help_state.scratch);
    }
}

/* This program's folder. */
static inline const char *
help_scratch(void)
{
    const char *base = getenv("TMPDIR");

    if (!help_state.maker) {
        help_state.maker = getpid();
        snprintf(help_state.scratch, sizeof(help_state.scratch),
                 "%s/cjoblib-test-XXXXXX", base ? base : "/tmp");
        REQUIRE(mkdtemp(help_state.scratch));
        atexit(help_at_exit);
    }
    return help_state.scratch;
}

/* A path in it; the caller frees. */
static inline char *
help_path(const char *name)
{
    char *path;

    REQUIRE(asprintf(&path, "%s/%s", help_scratch(), name) > 0);
    return path;
}

static inline struct cj_store *
help_store(const char *name)
{
    char *path = help_path(name);
    struct cj_store *store;

    REQUIRE(cj_store_open(path, NULL, &store) == 0);
    free(path);
    return store;
}

struct help_key {
    uint8_t bytes[CJ_KEY_BYTES];
};

static inline struct help_key
help_key(uint64_t number)
{
    struct help_key key = {{'k', 'e', 'y'}};

    for (size_t i = 0; i < 8; i++) {
        key.bytes[8 + i] = (uint8_t)(number >> (8 * i));
    }
    return key;
}

static inline struct cj_shelf *
help_shelf(struct cj_store *store, const char *function)
{
    struct cj_shelf *shelf;

    REQUIRE(cj_shelf_open(store, function, help_key(7).bytes, &shelf) == 0);
    return shelf;
}

/* A small generator of numbers that are the same for the same seed (xorshift64). */
static inline uint64_t
help_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline uint8_t
help_byte(size_t place, uint64_t number)
{
    return (uint8_t)(((uint32_t)place + (uint32_t)number) * 2654435761u >> 24);
}

/* `size` bytes that depend on `number` in every place. */
static inline void
help_fill(uint8_t *data, size_t size, uint64_t number)
{
    for (size_t i = 0; i < size; i++) {
        data[i] = help_byte(i, number);
    }
}

static inline bool
help_is_filled(const uint8_t *data, size_t size, uint64_t number)
{
    uint8_t wrong = 0;

    for (size_t i = 0; i < size; i++) {
        wrong |= (uint8_t)(data[i] ^ help_byte(i, number));
    }
    return wrong == 0;
}

static inline int
help_put(struct cj_shelf *shelf, uint64_t key, size_t size, uint64_t number)
{
    uint8_t *data = malloc(size + 1);
    struct cj_bytes meta = {&number, sizeof(number)};
    struct cj_bytes parts[2] = {{data, size / 3}, {data + size / 3, size - size / 3}};
    int r;

    help_fill(data, size, number);
    r = cj_shelf_put(shelf, help_key(key).bytes, meta, parts, 2);
    free(data);
    return r;
}

/* Whether an entry is a value help_put() stored, and of which number. */
static inline bool
help_is_whole(const struct cj_entry *entry, uint64_t *ret_number)
{
    if (entry->meta.size != sizeof(*ret_number)) {
        return false;
    }
    memcpy(ret_number, entry->meta.data, sizeof(*ret_number));
    return (uintptr_t)entry->payload.data % CJ_STORE_ALIGN == 0 &&
           help_is_filled(entry->payload.data, entry->payload.size, *ret_number);
}

/* The path of an entry's file; the caller frees. */
static inline char *
help_entry_path(const char *store, const struct cj_shelf *shelf, uint64_t key)
{
    struct help_key bytes = help_key(key);
    char name[2 * CJ_KEY_BYTES + 1];
    char *path = malloc(PATH_MAX);

    REQUIRE(path);
    for (size_t i = 0; i < CJ_KEY_BYTES; i++) {
        snprintf(name + 2 * i, 3, "%02x", bytes.bytes[i]);
    }
    REQUIRE(snprintf(path, PATH_MAX, "%s/%s/%s/%s", help_scratch(), store,
                     cj_shelf_path(shelf), name) < PATH_MAX);
    return path;
}

struct help_file {
    uint8_t *data;
    size_t size;
};

static inline struct help_file
help_read(const char *path)
{
    struct help_file file;
    struct stat stat;
    int fd = open(path, O_RDONLY);

    REQUIRE(fd >= 0 && fstat(fd, &stat) == 0);
    file.size = (size_t)stat.st_size;
    file.data = malloc(file.size + 1);
    REQUIRE(file.data && read(fd, file.data, file.size) == (ssize_t)file.size);
    close(fd);
    return file;
}

static inline void
help_write(const char *path, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
}

/* The number of names in a folder, "." and ".." left out; 0 when there is none. */
static inline size_t
help_count(const char *path)
{
    DIR *folder = opendir(path);
    size_t n = 0;

    while (folder && readdir(folder)) {
        n++;
    }
    if (folder) {
        closedir(folder);
    }
    return n > 2 ? n - 2 : 0;
}

static inline size_t
help_count_fds(void)
{
    return help_count("/proc/self/fd");
}

/* The store must be sound and have no orphans; how many entries it has. */
static inline uint64_t
help_check(struct cj_store *store)
{
    struct cj_store_report report;

    REQUIRE(cj_store_check(store, false, &report) == 0);
    CHECK(report.n_corrupt == 0);
    CHECK(report.n_orphans == 0);
    CHECK(report.n_foreign == 0);
    return report.n_entries;
}

#endif
