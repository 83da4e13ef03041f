#include "store_help.h"

/* Damage of every kind, done to the file of entry 1 behind the store's back. */
struct damage {
    struct cj_store *store;
    struct cj_shelf *shelf;
    char *path;
    struct help_file good;
};

static struct damage
damage_new(const char *name, size_t size)
{
    struct damage damage;

    damage.store = help_store(name);
    damage.shelf = help_shelf(damage.store, "m/f");
    damage.path = help_entry_path(name, damage.shelf, 1);
    REQUIRE(help_put(damage.shelf, 1, size, 1) == 0);
    damage.good = help_read(damage.path);
    return damage;
}

static void
damage_free(struct damage *damage)
{
    free(damage->path);
    free(damage->good.data);
    cj_shelf_close(damage->shelf);
    cj_store_close(damage->store);
}

static int
get(const struct damage *damage, uint64_t key)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    int r = cj_shelf_get(damage->shelf, help_key(key).bytes, &entry);

    cj_entry_done(&entry);
    return r;
}

/* The file with `size` bytes at `at` set to others, then as it was. */
static int
get_overwritten(const struct damage *damage, size_t at, const void *bytes, size_t size)
{
    int fd = open(damage->path, O_WRONLY);
    int r;

    REQUIRE(fd >= 0);
    REQUIRE(pwrite(fd, bytes, size, (off_t)at) == (ssize_t)size);
    r = get(damage, 1);
    REQUIRE(pwrite(fd, damage->good.data + at, size, (off_t)at) == (ssize_t)size);
    close(fd);
    return r;
}

/* Every bit of a small entry: head, metadata, padding, payload, checksum. */
static void
test_every_bit(void)
{
    struct damage damage = damage_new("bits", 300);

    for (size_t at = 0; at < damage.good.size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            uint8_t byte = (uint8_t)(damage.good.data[at] ^ (1 << bit));

            CHECK(get_overwritten(&damage, at, &byte, 1) == CJ_STORE_CORRUPT);
        }
    }
    CHECK(get(&damage, 1) == 0);
    damage_free(&damage);
}

/* A large entry takes the other way through the reader. */
static void
test_head_of_large(void)
{
    struct damage damage = damage_new("large", 5000000);

    for (size_t at = 0; at < 128; at++) {
        for (int bit = 0; bit < 8; bit++) {
            uint8_t byte = (uint8_t)(damage.good.data[at] ^ (1 << bit));

            if (at < 88 || bit == 0) {
                CHECK(get_overwritten(&damage, at, &byte, 1) == CJ_STORE_CORRUPT);
            }
        }
    }
    CHECK(get(&damage, 1) == 0);
    damage_free(&damage);
}

static void
test_every_length(void)
{
    struct damage damage = damage_new("lengths", 300);

    for (size_t size = 0; size < damage.good.size; size++) {
        help_write(damage.path, damage.good.data, size);
        CHECK(get(&damage, 1) == CJ_STORE_CORRUPT);
        /* The end is lost, and the file system fills it up with zeros. */
        REQUIRE(truncate(damage.path, (off_t)damage.good.size) == 0);
        CHECK(get(&damage, 1) == CJ_STORE_CORRUPT);
    }
    help_write(damage.path, damage.good.data, damage.good.size);
    CHECK(get(&damage, 1) == 0);
    for (size_t more = 1; more < 200; more++) {
        REQUIRE(truncate(damage.path, (off_t)(damage.good.size + more)) == 0);
        CHECK(get(&damage, 1) == CJ_STORE_CORRUPT);
    }
    damage_free(&damage);
}

/* A file that claims to be huge costs nothing but a look. */
static void
test_huge(void)
{
    struct damage damage = damage_new("huge", 300);
    uint8_t length[8] = {0, 0, 0, 0, 0, 1};

    CHECK(get_overwritten(&damage, 16, length, sizeof(length)) == CJ_STORE_CORRUPT);
    CHECK(get_overwritten(&damage, 24, length, sizeof(length)) == CJ_STORE_CORRUPT);
    memset(length, 0xff, sizeof(length));
    CHECK(get_overwritten(&damage, 16, length, sizeof(length)) == CJ_STORE_CORRUPT);
    CHECK(get_overwritten(&damage, 24, length, sizeof(length)) == CJ_STORE_CORRUPT);
    REQUIRE(truncate(damage.path, (off_t)1 << 40) == 0);
    CHECK(get(&damage, 1) == CJ_STORE_CORRUPT);
    damage_free(&damage);
}

/* Entry 2 under the name of entry 1, and entries of other functions and versions. */
static void
test_moved(void)
{
    struct damage damage = damage_new("moved", 300);
    struct cj_shelf *other = help_shelf(damage.store, "m/g"), *newer;
    struct cj_store_report report;
    char *path;

    REQUIRE(cj_shelf_open(damage.store, "m/f", help_key(8).bytes, &newer) == 0);
    REQUIRE(help_put(damage.shelf, 2, 300, 1) == 0 && help_put(other, 1, 300, 1) == 0);
    REQUIRE(help_put(newer, 1, 300, 1) == 0);
    path = help_entry_path("moved", damage.shelf, 2);
    REQUIRE(rename(path, damage.path) == 0);
    CHECK(get(&damage, 1) == CJ_STORE_CORRUPT && get(&damage, 2) == CJ_STORE_MISS);
    free(path);
    path = help_entry_path("moved", other, 1);
    REQUIRE(rename(path, damage.path) == 0);
    CHECK(get(&damage, 1) == CJ_STORE_CORRUPT);
    free(path);
    path = help_entry_path("moved", newer, 1);
    REQUIRE(rename(path, damage.path) == 0);
    CHECK(get(&damage, 1) == CJ_STORE_CORRUPT);
    CHECK(cj_store_check(damage.store, false, &report) == 0 && report.n_corrupt == 1);
    free(path);
    cj_shelf_close(other);
    cj_shelf_close(newer);
    damage_free(&damage);
}

static void
check_sectors(const struct damage *damage, size_t sector, int fill)
{
    uint8_t bytes[4096];
    uint64_t state = 99;

    for (size_t at = 0; at < damage->good.size; at += sector) {
        size_t left = damage->good.size - at;

        memset(bytes, fill, sizeof(bytes));
        for (size_t i = 0; fill < 0 && i < sector; i++) {
            bytes[i] = (uint8_t)help_random(&state);
        }
        CHECK(get_overwritten(damage, at, bytes, left < sector ? left : sector) ==
              CJ_STORE_CORRUPT);
    }
}

/* Sectors and pages that a disk lost: zeros, ones, noise. -1 means noise. */
static void
test_sectors(void)
{
    struct damage damage = damage_new("sectors", 200000);

    for (int fill = -1; fill <= 0xff; fill += fill < 0 ? 1 : 0xff) {
        check_sectors(&damage, 512, fill);
        check_sectors(&damage, 4096, fill);
    }
    CHECK(get(&damage, 1) == 0);
    damage_free(&damage);
}

/* Not an entry at all. */
static void
test_zeros(void)
{
    struct damage damage = damage_new("zeros", 300);
    static uint8_t zeros[2000000];

    for (size_t size = 0; size <= 1000; size++) {
        help_write(damage.path, zeros, size);
        CHECK(get(&damage, 1) == CJ_STORE_CORRUPT);
    }
    help_write(damage.path, zeros, sizeof(zeros));
    CHECK(get(&damage, 1) == CJ_STORE_CORRUPT);
    damage_free(&damage);
}

/* A damaged entry is counted, then removed, and a put makes it good again. */
static void
test_check_and_repair(void)
{
    struct damage damage = damage_new("repair", 300);
    struct cj_store_report report;

    REQUIRE(help_put(damage.shelf, 2, 300, 2) == 0);
    help_write(damage.path, "torn", 4);
    CHECK(cj_store_check(damage.store, false, &report) == 0);
    CHECK(report.n_corrupt == 1 && report.n_entries == 1);
    CHECK(report.n_bytes == damage.good.size);
    CHECK(help_put(damage.shelf, 1, 300, 1) == 0 && help_check(damage.store) == 2);
    help_write(damage.path, "torn", 4);
    CHECK(cj_store_check(damage.store, true, &report) == 0 && report.n_corrupt == 1);
    CHECK(get(&damage, 1) == CJ_STORE_MISS && help_check(damage.store) == 1);
    damage_free(&damage);
}

/* The bytes on disk are those that doc/formats/entry.md describes. */
static void
test_known_file(void)
{
    static const uint8_t head[] = {
        0x89, 'c', 'j', 'e', '\r', '\n', 0x1a, '\n', 2, 0, 0, 0, 0, 0, 0, 0,
        8,    0,   0,   0,   0,    0,    0,    0,    3, 0, 0, 0, 0, 0, 0, 0,
    };
    int64_t begun = time(NULL), created_ns;
    struct damage damage = damage_new("known", 3);
    const uint8_t *file = damage.good.data;

    CHECK(damage.good.size == 128 + 3 + 16);
    CHECK(memcmp(file, head, sizeof(head)) == 0);
    memcpy(&created_ns, file + 32, sizeof(created_ns));
    CHECK(created_ns >= begun * 1000000000 && created_ns < (begun + 60) * 1000000000);
    CHECK(memcmp(file + 56, help_key(7).bytes, CJ_KEY_BYTES) == 0);
    CHECK(memcmp(file + 72, help_key(1).bytes, CJ_KEY_BYTES) == 0);
    CHECK(file[88] == 1 && file[96] == 0 && file[127] == 0);
    CHECK(help_is_filled(file + 128, 3, 1));
    damage_free(&damage);
}

TESTS(TEST(test_every_bit), TEST(test_head_of_large), TEST(test_every_length),
      TEST(test_huge), TEST(test_moved), TEST(test_sectors), TEST(test_zeros),
      TEST(test_check_and_repair), TEST(test_known_file))
