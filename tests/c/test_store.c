#include <sched.h>
#include <sys/mount.h>

#include "store_help.h"

/* A small file system of its own at `path`, which goes with this process. Says why
 * when it can't be had. */
static bool
mount_small(const char *path, const char *size)
{
    REQUIRE(mkdir(path, 0700) == 0);
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", path, "tmpfs", 0, size) < 0) {
        printf("skipped: can't mount a tmpfs: %s\n", strerror(errno));
        return false;
    }
    return true;
}

static void
test_round_trip(void)
{
    static const size_t sizes[] = {0,    1,     47,    48,      49,      4096,
                                   8191, 65536, 99999, 1048576, 5000000, 4194304 - 208};
    struct cj_store *store = help_store("round");
    struct cj_shelf *shelf = help_shelf(store, "package.module/function");
    struct cj_entry entry = CJ_ENTRY_INIT;
    uint64_t number;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        CHECK(cj_shelf_get(shelf, help_key(i).bytes, &entry) == CJ_STORE_MISS);
        CHECK(cj_shelf_has(shelf, help_key(i).bytes) == CJ_STORE_MISS);
        CHECK(help_put(shelf, i, sizes[i], 100 + i) == 0);
        CHECK(cj_shelf_has(shelf, help_key(i).bytes) == 0);
        REQUIRE(cj_shelf_get(shelf, help_key(i).bytes, &entry) == 0);
        CHECK(entry.payload.size == sizes[i]);
        CHECK(help_is_whole(&entry, &number) && number == 100 + i);
        cj_entry_done(&entry);
        CHECK(entry.file.data == NULL && entry.payload.data == NULL);
    }
    CHECK(help_check(store) == sizeof(sizes) / sizeof(sizes[0]));
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* However many parts there are, and empty ones among them, the payload is their sum. */
static void
test_many_parts(void)
{
    enum { N_PARTS = 3000 };
    struct cj_store *store = help_store("parts");
    struct cj_shelf *shelf = help_shelf(store, "f");
    static struct cj_bytes parts[N_PARTS];
    struct cj_entry entry;
    uint8_t data[N_PARTS];
    size_t size = 0;

    help_fill(data, sizeof(data), 1);
    for (size_t i = 0; i < N_PARTS; i++) {
        parts[i] = (struct cj_bytes){data + size, i % 3 == 0};
        size += parts[i].size;
    }
    parts[1].data = NULL;
    REQUIRE(cj_shelf_put(shelf, help_key(0).bytes, (struct cj_bytes){NULL, 0}, parts,
                         N_PARTS) == 0);
    REQUIRE(cj_shelf_get(shelf, help_key(0).bytes, &entry) == 0);
    CHECK(entry.meta.size == 0);
    CHECK(entry.payload.size == size && memcmp(entry.payload.data, data, size) == 0);
    cj_entry_done(&entry);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

static void
test_impossible_length(void)
{
    struct cj_store *store = help_store("length");
    struct cj_shelf *shelf = help_shelf(store, "f");
    struct cj_bytes part[2] = {{"", SIZE_MAX}, {"", SIZE_MAX}};
    struct cj_bytes none = {NULL, 0};

    CHECK(cj_shelf_put(shelf, help_key(0).bytes, none, part, 2) == -EFBIG);
    CHECK(cj_shelf_put(shelf, help_key(0).bytes, part[0], NULL, 0) == -EFBIG);
    part[0].size = part[1].size = (size_t)1 << 60;
    CHECK(cj_shelf_put(shelf, help_key(0).bytes, none, part, 2) == -EFBIG);
    CHECK(help_check(store) == 0);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

static void
test_replace_and_remove(void)
{
    struct cj_store *store = help_store("replace");
    struct cj_shelf *shelf = help_shelf(store, "f");
    struct cj_entry old, new;
    uint64_t number;

    CHECK(cj_shelf_remove(shelf, help_key(1).bytes) == 0);
    CHECK(help_put(shelf, 1, 1000, 1) == 0);
    REQUIRE(cj_shelf_get(shelf, help_key(1).bytes, &old) == 0);
    CHECK(help_put(shelf, 1, 500, 2) == 0);
    REQUIRE(cj_shelf_get(shelf, help_key(1).bytes, &new) == 0);
    CHECK(help_is_whole(&new, &number) && number == 2 && new.payload.size == 500);
    CHECK(help_is_whole(&old, &number) && number == 1 && old.payload.size == 1000);
    CHECK(cj_shelf_remove(shelf, help_key(1).bytes) == 0);
    CHECK(cj_shelf_has(shelf, help_key(1).bytes) == CJ_STORE_MISS);
    CHECK(help_is_whole(&new, &number));
    CHECK(help_check(store) == 0);
    cj_entry_done(&old);
    cj_entry_done(&new);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* Versions of a function, and functions below a function, are apart. */
static void
test_shelves_are_apart(void)
{
    struct cj_store *store = help_store("apart");
    struct cj_shelf *shelf = help_shelf(store, "m/f"), *below, *newer;

    REQUIRE(cj_shelf_open(store, "m/f", help_key(8).bytes, &newer) == 0);
    REQUIRE(cj_shelf_open(store, "m/f/g", help_key(7).bytes, &below) == 0);
    CHECK(help_put(shelf, 1, 10, 1) == 0);
    CHECK(cj_shelf_has(newer, help_key(1).bytes) == CJ_STORE_MISS);
    CHECK(cj_shelf_has(below, help_key(1).bytes) == CJ_STORE_MISS);
    CHECK(help_put(newer, 1, 10, 2) == 0);
    CHECK(help_put(below, 1, 10, 3) == 0);
    CHECK(help_check(store) == 3);
    CHECK(cj_shelf_clear(newer, CJ_VERSIONS_ALL) == 0);
    CHECK(help_check(store) == 1);
    CHECK(cj_shelf_has(shelf, help_key(1).bytes) == CJ_STORE_MISS);
    CHECK(cj_shelf_has(below, help_key(1).bytes) == 0);
    CHECK(cj_store_clear(store) == 0);
    CHECK(help_check(store) == 0);
    CHECK(cj_store_clear(store) == 0);
    cj_shelf_close(shelf);
    cj_shelf_close(newer);
    cj_shelf_close(below);
    cj_store_close(store);
}

/* A folder that others removed is a miss, and made again by the next put. */
static void
test_folder_vanishes(void)
{
    char *path = help_path("vanish");
    struct cj_store *store = help_store("vanish"), *other = help_store("vanish");
    struct cj_shelf *shelf = help_shelf(store, "f"), *same = help_shelf(other, "f");
    struct cj_entry entry;

    for (int round = 0; round < 3; round++) {
        CHECK(help_put(shelf, 1, 10, 1) == 0);
        CHECK(cj_shelf_has(same, help_key(1).bytes) == 0);
        if (round == 1) {
            help_remove_tree(path);
        }
        else {
            CHECK(cj_store_clear(other) == 0);
        }
        CHECK(cj_shelf_get(shelf, help_key(1).bytes, &entry) == CJ_STORE_MISS);
        CHECK(cj_shelf_remove(shelf, help_key(1).bytes) == 0);
        CHECK(help_put(shelf, 2, 10, 2) == 0);
        CHECK(cj_shelf_has(same, help_key(2).bytes) == 0);
        CHECK(help_check(store) == 1);
    }
    cj_shelf_close(shelf);
    cj_shelf_close(same);
    cj_store_close(store);
    cj_store_close(other);
    free(path);
}

static void
test_open(void)
{
    char *path = help_path("open/deep/down"), *file = help_path("file");
    struct cj_store_options must_exist = {.must_exist = true};
    struct cj_store *store;
    struct stat stat_;

    CHECK(cj_store_open(path, &must_exist, &store) == -ENOENT);
    CHECK(cj_store_open("", NULL, &store) == -ENOENT);
    CHECK(access(path, F_OK) < 0);
    REQUIRE(cj_store_open(path, NULL, &store) == 0);
    CHECK(stat(path, &stat_) == 0 && help_count(path) == 0);
    CHECK(help_check(store) == 0);
    cj_store_close(store);
    CHECK(cj_store_open(path, &must_exist, &store) == -ENOENT);
    help_write(file, "x", 1);
    CHECK(cj_store_open(file, NULL, &store) == -ENOTDIR);
    cj_store_close(NULL);
    cj_shelf_close(NULL);
    free(path);
    free(file);
}

/* A relative location means the working folder of the moment it was opened. */
static void
test_relative_location(void)
{
    struct cj_store *store;
    struct cj_shelf *shelf;
    char *before = getcwd(NULL, 0);
    char *path = help_path("relative");

    REQUIRE(chdir(help_scratch()) == 0);
    REQUIRE(cj_store_open("relative", NULL, &store) == 0);
    REQUIRE(chdir(before) == 0);
    shelf = help_shelf(store, "f");
    CHECK(help_put(shelf, 1, 10, 1) == 0);
    CHECK(help_count(path) == 1);
    cj_shelf_close(shelf);
    cj_store_close(store);
    free(before);
    free(path);
}

static void
check_mode(const char *path, mode_t mode)
{
    struct stat stat;

    REQUIRE(lstat(path, &stat) == 0);
    CHECK((stat.st_mode & 07777) == mode);
}

/* Whatever the user's mask lets through, nobody else may look. */
static void
test_modes(void)
{
    mode_t before = umask(0);
    struct cj_store *store = help_store("modes");
    struct cj_shelf *shelf = help_shelf(store, "m/f");
    char *root = help_path("modes/cjoblib"), *m = help_path("modes/cjoblib/m");
    char *temps = help_path("modes/cjoblib/.tmp");
    char *entry = help_entry_path("modes", shelf, 1);

    CHECK(help_put(shelf, 1, 10, 1) == 0 && help_put(shelf, 1, 10, 2) == 0);
    check_mode(root, 0700);
    check_mode(m, 0700);
    check_mode(temps, 0700);
    check_mode(entry, 0600);
    CHECK(help_count(temps) == 0);
    umask(before);
    free(root);
    free(m);
    free(temps);
    free(entry);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

static void
set_written(const char *path, time_t seconds)
{
    struct timespec times[2] = {{seconds, 0}, {seconds, 0}};

    REQUIRE(utimensat(AT_FDCWD, path, times, 0) == 0);
}

static time_t
get_written(const char *path)
{
    struct stat stat_;

    REQUIRE(stat(path, &stat_) == 0);
    return stat_.st_mtime;
}

/* A hit notes the time when that on the file is more than a minute off, either way. */
static void
test_last_use(void)
{
    static const struct {
        long offset_s;
        bool is_set;
    } table[] = {
        {-30, false}, {-90, true}, {-1000000000, true}, {30, false}, {90, true}};
    struct cj_store *store = help_store("use");
    struct cj_shelf *shelf = help_shelf(store, "f");
    char *path = help_entry_path("use", shelf, 1);
    time_t now = time(NULL), written;
    struct cj_entry entry;

    CHECK(help_put(shelf, 1, 10, 1) == 0);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        set_written(path, now + table[i].offset_s);
        CHECK(cj_shelf_has(shelf, help_key(1).bytes) == 0);
        CHECK(get_written(path) == now + table[i].offset_s);
        REQUIRE(cj_shelf_get(shelf, help_key(1).bytes, &entry) == 0);
        cj_entry_done(&entry);
        written = get_written(path);
        CHECK(table[i].is_set ? written >= now && written < now + 60
                              : written == now + table[i].offset_s);
    }
    free(path);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

struct seen {
    size_t n;
    size_t n_sound;
    uint64_t n_bytes;
    uint64_t numbers;
    int result;
};

static int
see(void *context, const struct cj_store_item *item)
{
    struct seen *seen = context;
    uint64_t number = 0;

    if (item->meta.size == sizeof(number)) {
        memcpy(&number, item->meta.data, sizeof(number));
    }
    seen->n++;
    seen->n_sound += item->is_sound;
    seen->n_bytes += item->n_bytes;
    seen->numbers += number;
    CHECK(strncmp(item->path, "cjoblib/m/f/", 12) == 0);
    CHECK(item->used_ns > 0);
    return seen->result;
}

static void
test_walk(void)
{
    struct cj_store *store = help_store("walk");
    struct cj_shelf *shelf = help_shelf(store, "m/f");
    char *path = help_entry_path("walk", shelf, 3);
    struct seen seen = {0};

    CHECK(cj_store_walk(store, true, see, &seen) == 0 && seen.n == 0);
    for (uint64_t i = 0; i < 10; i++) {
        CHECK(help_put(shelf, i, 100, i) == 0);
    }
    CHECK(cj_store_walk(store, true, see, &seen) == 0);
    CHECK(seen.n == 10 && seen.n_sound == 10 && seen.numbers == 45);
    CHECK(seen.n_bytes == 10 * (128 + 100 + 16));
    /* The last byte is the checksum's. */
    REQUIRE(truncate(path, 128 + 100 + 15) == 0 && truncate(path, 128 + 100 + 16) == 0);
    seen = (struct seen){0};
    CHECK(cj_store_walk(store, false, see, &seen) == 0);
    CHECK(seen.n == 10 && seen.n_sound == 10 && seen.numbers == 45);
    seen = (struct seen){0};
    CHECK(cj_store_walk(store, true, see, &seen) == 0);
    CHECK(seen.n == 10 && seen.n_sound == 9 && seen.numbers == 42);
    seen = (struct seen){.result = -ENOENT};
    CHECK(cj_store_walk(store, false, see, &seen) == -ENOENT && seen.n == 1);
    free(path);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* A link is never followed: not as an entry, not as a folder on the way. */
static void
test_links(void)
{
    static const char *const links[] = {"cjoblib", "cjoblib/m", "cjoblib/m/f",
                                        "cjoblib/.tmp"};
    struct cj_store *store = help_store("links"), *other;
    struct cj_shelf *shelf = help_shelf(store, "m/f");
    char *entry = help_entry_path("links", shelf, 1), *kept = help_path("kept");
    char *location = help_path("links");
    struct cj_store_report report;
    struct cj_entry got;
    struct stat stat_;

    CHECK(help_put(shelf, 1, 10, 1) == 0 && help_put(shelf, 1, 10, 2) == 0);
    REQUIRE(rename(entry, kept) == 0 && symlink(kept, entry) == 0);
    CHECK(cj_shelf_get(shelf, help_key(1).bytes, &got) == CJ_STORE_FOREIGN);
    CHECK(cj_shelf_has(shelf, help_key(1).bytes) == CJ_STORE_FOREIGN);
    CHECK(cj_store_check(store, true, &report) == 0 && report.n_foreign == 1);
    CHECK(help_put(shelf, 1, 10, 3) == 0);
    REQUIRE(stat(kept, &stat_) == 0);
    CHECK(stat_.st_size == 128 + 10 + 16);
    CHECK(help_check(store) == 1);
    cj_shelf_close(shelf);
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        bool is_temps = strstr(links[i], ".tmp") != NULL;
        char *link;
        int r;

        REQUIRE(asprintf(&link, "%s/%s", location, links[i]) > 0);
        help_remove_tree(kept);
        REQUIRE(rename(link, kept) == 0 && symlink(kept, link) == 0);
        shelf = help_shelf(store, "m/f");
        CHECK(cj_shelf_get(shelf, help_key(1).bytes, &got) ==
              (is_temps ? 0 : CJ_STORE_FOREIGN));
        CHECK(help_put(shelf, 1, 10, 4) == -ELOOP);
        r = cj_store_open(location, NULL, &other);
        CHECK(r == (i == 0 ? -ELOOP : 0));
        if (r == 0) {
            cj_store_close(other);
            CHECK(cj_store_check(store, true, &report) == 0 && report.n_foreign == 1);
        }
        REQUIRE(unlink(link) == 0 && rename(kept, link) == 0);
        cj_shelf_close(shelf);
        free(link);
    }
    cj_entry_done(&got);
    free(entry);
    free(kept);
    free(location);
    cj_store_close(store);
}

/* What is another user's, or anybody's to write, is not believed. */
static void
test_foreign(void)
{
    struct cj_store *store = help_store("foreign");
    struct cj_shelf *shelf = help_shelf(store, "m/f"), *again;
    char *entry = help_entry_path("foreign", shelf, 1);
    char *folder = help_path("foreign/cjoblib/m");
    struct cj_store_report report;
    struct cj_entry got;

    CHECK(help_put(shelf, 1, 10, 1) == 0);
    REQUIRE(chmod(entry, 0606) == 0);
    CHECK(cj_shelf_get(shelf, help_key(1).bytes, &got) == CJ_STORE_FOREIGN);
    CHECK(help_put(shelf, 1, 10, 2) == 0);
    check_mode(entry, 0600);
    REQUIRE(chmod(folder, 0707) == 0);
    again = help_shelf(store, "m/f");
    CHECK(cj_shelf_get(again, help_key(1).bytes, &got) == CJ_STORE_FOREIGN);
    CHECK(help_put(again, 1, 10, 1) == -EPERM);
    CHECK(cj_store_check(store, true, &report) == 0 && report.n_foreign == 1);
    REQUIRE(chmod(folder, 0700) == 0);
    if (chown(entry, 12345, (gid_t)-1) < 0) {
        printf("skipped the rest: not the superuser\n");
    }
    else {
        CHECK(cj_shelf_get(again, help_key(1).bytes, &got) == CJ_STORE_FOREIGN);
        CHECK(cj_shelf_has(again, help_key(1).bytes) == CJ_STORE_FOREIGN);
        CHECK(cj_store_check(store, true, &report) == 0 && report.n_foreign == 1);
        CHECK(cj_store_clear(store) == 0);
        CHECK(access(entry, F_OK) == 0);
        REQUIRE(chown(entry, geteuid(), (gid_t)-1) == 0);
        REQUIRE(chown(folder, 12345, (gid_t)-1) == 0);
        cj_shelf_close(again);
        again = help_shelf(store, "m/f");
        CHECK(cj_shelf_get(again, help_key(1).bytes, &got) == CJ_STORE_FOREIGN);
        CHECK(help_put(again, 1, 10, 1) == -EPERM);
    }
    free(entry);
    free(folder);
    cj_shelf_close(again);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* What never was an entry: folders, pipes, files instead of folders, strange names. */
static void
test_strangers(void)
{
    struct cj_store *store = help_store("strange");
    struct cj_shelf *shelf = help_shelf(store, "m/f"), *below;
    char *entry = help_entry_path("strange", shelf, 1);
    char *names[] = {help_path("strange/cjoblib/m/x y\n"),
                     help_path("strange/cjoblib/m/g"),
                     help_path("strange/cjoblib/0123456789abcdef0123456789abcdef")};
    struct cj_store_report report;
    struct cj_entry got;

    CHECK(help_put(shelf, 2, 10, 1) == 0);
    REQUIRE(mkfifo(entry, 0600) == 0);
    CHECK(cj_shelf_get(shelf, help_key(1).bytes, &got) == CJ_STORE_FOREIGN);
    REQUIRE(unlink(entry) == 0 && mkdir(entry, 0700) == 0);
    CHECK(cj_shelf_get(shelf, help_key(1).bytes, &got) == CJ_STORE_FOREIGN);
    CHECK(help_put(shelf, 1, 10, 1) == -EISDIR);
    REQUIRE(mkdir(names[0], 0700) == 0 && mkdir(names[2], 0700) == 0);
    help_write(names[1], "x", 1);
    below = help_shelf(store, "m/g");
    CHECK(cj_shelf_get(below, help_key(1).bytes, &got) == CJ_STORE_FOREIGN);
    CHECK(help_put(below, 1, 10, 1) == -ENOTDIR);
    CHECK(cj_store_check(store, true, &report) == 0);
    CHECK(report.n_foreign == 4 && report.n_entries == 1 && report.n_orphans == 0);
    CHECK(cj_store_clear(store) == 0);
    CHECK(cj_store_check(store, true, &report) == 0 && report.n_foreign == 4);
    for (size_t i = 0; i < 3; i++) {
        free(names[i]);
    }
    free(entry);
    cj_shelf_close(below);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* On a file system that can only be read: a hit, a miss, an error; nothing worse. */
static void
test_read_only(void)
{
    char *path = help_path("read-only");
    struct cj_store *store;
    struct cj_shelf *shelf, *fresh;
    struct cj_entry entry;

    if (!mount_small(path, "size=1m")) {
        free(path);
        return;
    }
    store = help_store("read-only");
    shelf = help_shelf(store, "f");
    CHECK(help_put(shelf, 1, 10, 1) == 0);
    REQUIRE(mount("none", path, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) == 0);
    cj_shelf_close(shelf);
    cj_store_close(store);
    REQUIRE(cj_store_open(path, NULL, &store) == 0);
    shelf = help_shelf(store, "f");
    fresh = help_shelf(store, "g");
    REQUIRE(cj_shelf_get(shelf, help_key(1).bytes, &entry) == 0);
    cj_entry_done(&entry);
    CHECK(cj_shelf_get(shelf, help_key(2).bytes, &entry) == CJ_STORE_MISS);
    CHECK(cj_shelf_get(fresh, help_key(2).bytes, &entry) == CJ_STORE_MISS);
    CHECK(help_put(shelf, 2, 10, 1) == -EROFS);
    CHECK(help_put(fresh, 2, 10, 1) == -EROFS);
    CHECK(cj_shelf_remove(shelf, help_key(1).bytes) == -EROFS);
    CHECK(help_check(store) == 1);
    cj_shelf_close(fresh);
    cj_shelf_close(shelf);
    cj_store_close(store);
    CHECK(umount(path) == 0);
    free(path);
}

/* A full disk costs the entry that does not fit, and nothing else. */
static void
test_full(void)
{
    char *path = help_path("full"), *temps = help_path("full/cjoblib/.tmp");
    struct cj_store *store;
    struct cj_shelf *shelf;

    if (!mount_small(path, "size=4m")) {
        free(path);
        free(temps);
        return;
    }
    store = help_store("full");
    shelf = help_shelf(store, "f");
    for (uint64_t i = 0; i < 20; i++) {
        CHECK(help_put(shelf, i, 4800000, i) == -ENOSPC);
        CHECK(help_put(shelf, i, 4194304, i) == -ENOSPC);
    }
    for (uint64_t i = 0; i < 50; i++) {
        CHECK(help_put(shelf, i, 5000, i) == 0);
        CHECK(help_put(shelf, i, 4800000, i) == -ENOSPC);
    }
    CHECK(help_check(store) == 50);
    CHECK(help_count(temps) == 0);
    cj_shelf_close(shelf);
    cj_store_close(store);
    CHECK(umount(path) == 0);
    free(path);
    free(temps);
}

/* As many descriptors are open afterwards as were before. */
static void
test_nothing_leaks(void)
{
    size_t before = help_count_fds();

    for (int i = 0; i < 3; i++) {
        test_replace_and_remove();
        test_folder_vanishes();
    }
    CHECK(help_count_fds() == before);
}

TESTS(TEST(test_round_trip), TEST(test_many_parts), TEST(test_impossible_length),
      TEST(test_replace_and_remove), TEST(test_shelves_are_apart),
      TEST(test_folder_vanishes), TEST(test_open), TEST(test_relative_location),
      TEST(test_modes), TEST(test_last_use), TEST(test_walk), TEST(test_links),
      TEST(test_foreign), TEST(test_strangers), TEST(test_read_only), TEST(test_full),
      TEST(test_nothing_leaks))
