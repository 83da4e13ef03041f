#include "store_help.h"

/* Random operations on a store and on a dictionary in memory: they must always agree.
 * What others do to the store (damage, removed folders) is part of it. */

enum { N_SHELVES = 4, N_KEYS = 12, N_STEPS = 20000 };

#define DAMAGED UINT64_MAX

struct model {
    uint64_t seed, state;
    char *path; /* of LOCATION */
    struct cj_store *store;
    struct cj_shelf *shelves[N_SHELVES];
    /* The number that stands there; 0: none; DAMAGED. */
    uint64_t numbers[N_SHELVES][N_KEYS];
    uint64_t n_puts;
    uint64_t n_hits, n_misses, n_corrupt;
};

/* Shelves 0 and 1 are versions of one function, 2 is a function below that one. */
static void
model_open(struct model *model)
{
    static const char *const functions[N_SHELVES] = {"m/f", "m/f", "m/f/g", "h"};

    REQUIRE(cj_store_open(model->path, NULL, &model->store) == 0);
    for (size_t i = 0; i < N_SHELVES; i++) {
        REQUIRE(cj_shelf_open(model->store, functions[i], help_key(i).bytes,
                              &model->shelves[i]) == 0);
    }
}

static void
model_close(struct model *model)
{
    for (size_t i = 0; i < N_SHELVES; i++) {
        cj_shelf_close(model->shelves[i]);
    }
    cj_store_close(model->store);
}

static size_t
model_pick(struct model *model, size_t n)
{
    return (size_t)(help_random(&model->state) % n);
}

static void
model_put(struct model *model, size_t shelf, size_t key)
{
    size_t size = model_pick(model, model_pick(model, 50) ? 3000 : 1500000);

    model->n_puts++;
    CHECK(help_put(model->shelves[shelf], key, size, model->n_puts) == 0);
    model->numbers[shelf][key] = model->n_puts;
}

static void
model_get(struct model *model, size_t shelf, size_t key)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    uint64_t expected = model->numbers[shelf][key], number;
    int r = cj_shelf_get(model->shelves[shelf], help_key(key).bytes, &entry);

    if (expected == 0) {
        CHECK(r == CJ_STORE_MISS);
        model->n_misses++;
    }
    else if (expected == DAMAGED) {
        CHECK(r == CJ_STORE_CORRUPT);
        model->n_corrupt++;
    }
    else {
        CHECK(r == 0 && help_is_whole(&entry, &number) && number == expected);
        model->n_hits++;
    }
    cj_entry_done(&entry);
    r = cj_shelf_has(model->shelves[shelf], help_key(key).bytes);
    CHECK(r == (expected == 0 ? CJ_STORE_MISS : 0));
}

static void
model_remove(struct model *model, size_t shelf, size_t key)
{
    CHECK(cj_shelf_remove(model->shelves[shelf], help_key(key).bytes) == 0);
    model->numbers[shelf][key] = 0;
}

static void
model_damage(struct model *model, size_t shelf, size_t key)
{
    char *path = help_entry_path("model", model->shelves[shelf], key);
    struct stat stat_;
    uint8_t byte;
    int fd;

    if (model->numbers[shelf][key] != 0 && model->numbers[shelf][key] != DAMAGED) {
        fd = open(path, O_RDWR);
        REQUIRE(fd >= 0 && fstat(fd, &stat_) == 0);
        off_t at = (off_t)model_pick(model, (size_t)stat_.st_size);
        REQUIRE(pread(fd, &byte, 1, at) == 1);
        byte = (uint8_t)(byte ^ (1 << model_pick(model, 8)));
        REQUIRE(pwrite(fd, &byte, 1, at) == 1);
        close(fd);
        model->numbers[shelf][key] = DAMAGED;
    }
    free(path);
}

/* Entries with that property are gone now. */
static uint64_t
model_forget(struct model *model, size_t shelf, bool damaged_only)
{
    uint64_t n = 0;

    for (size_t key = 0; key < N_KEYS; key++) {
        uint64_t *number = &model->numbers[shelf][key];

        if (*number != 0 && (*number == DAMAGED || !damaged_only)) {
            *number = 0;
            n++;
        }
    }
    return n;
}

static void
model_check(struct model *model, bool fix)
{
    uint64_t n_corrupt = 0, n_entries = 0;
    struct cj_store_report report;
    struct cj_store_info info;

    for (size_t i = 0; i < N_SHELVES * N_KEYS; i++) {
        uint64_t number = model->numbers[i / N_KEYS][i % N_KEYS];

        n_corrupt += number == DAMAGED;
        n_entries += number != DAMAGED && number != 0;
    }
    REQUIRE(cj_store_info(model->store, &info) == 0);
    CHECK(info.n_entries == n_corrupt + n_entries);
    REQUIRE(cj_store_check(model->store, fix, &report) == 0);
    CHECK(n_corrupt > 0 || info.n_bytes == report.n_bytes);
    CHECK(report.n_corrupt == n_corrupt && report.n_entries == n_entries);
    CHECK(report.n_orphans == 0 && report.n_foreign == 0);
    for (size_t i = 0; fix && i < N_SHELVES; i++) {
        model_forget(model, i, true);
    }
}

/* Make room: as many are left as may be, and what is left is what it was. */
static void
model_reduce(struct model *model)
{
    struct cj_store_limits limits = CJ_STORE_NO_LIMITS;
    struct cj_store_reduction result;
    uint64_t n_entries = 0;

    limits.n_entries = model_pick(model, N_SHELVES * N_KEYS);
    for (size_t i = 0; i < N_SHELVES * N_KEYS; i++) {
        n_entries += model->numbers[i / N_KEYS][i % N_KEYS] != 0;
    }
    REQUIRE(cj_store_reduce(model->store, &limits, &result) == 0);
    CHECK(result.n_entries ==
          (n_entries < limits.n_entries ? n_entries : limits.n_entries));
    for (size_t i = 0; i < N_SHELVES * N_KEYS; i++) {
        uint64_t *number = &model->numbers[i / N_KEYS][i % N_KEYS];
        struct help_key key = help_key(i % N_KEYS);

        if (*number != 0 && cj_shelf_has(model->shelves[i / N_KEYS], key.bytes) != 0) {
            *number = 0;
            n_entries--;
        }
    }
    CHECK(n_entries == result.n_entries);
}

/* Something rare, of one of these kinds. */
static void
model_upheaval(struct model *model, size_t shelf)
{
    switch (model_pick(model, 7)) {
    case 0:
        CHECK(cj_shelf_clear(model->shelves[shelf], CJ_VERSIONS_ALL) == 0);
        model_forget(model, shelf, false);
        if (shelf < 2) {
            model_forget(model, 1 - shelf, false);
        }
        return;
    case 1:
        CHECK(cj_store_clear(model->store) == 0);
        break;
    case 2:
        help_remove_tree(model->path);
        break;
    case 3:
        model_close(model);
        model_open(model);
        return;
    case 4:
        model_check(model, true);
        return;
    case 5:
        model_reduce(model);
        return;
    default:
        model_check(model, false);
        return;
    }
    for (size_t i = 0; i < N_SHELVES; i++) {
        model_forget(model, i, false);
    }
}

static void
model_step(struct model *model)
{
    size_t shelf = model_pick(model, N_SHELVES), key = model_pick(model, N_KEYS);
    size_t kind = model_pick(model, 1000);

    if (kind < 400) {
        model_get(model, shelf, key);
    }
    else if (kind < 800) {
        model_put(model, shelf, key);
    }
    else if (kind < 900) {
        model_remove(model, shelf, key);
    }
    else if (kind < 980) {
        model_damage(model, shelf, key);
    }
    else {
        model_upheaval(model, shelf);
    }
}

static void
test_model(void)
{
    static struct model model;
    const char *seed = getenv("CJ_TEST_SEED");

    model.seed = seed ? strtoull(seed, NULL, 0) : 20260728;
    printf("seed %llu\n", (unsigned long long)model.seed);
    model.state = model.seed;
    model.path = help_path("model");
    model_open(&model);
    for (int i = 0; i < N_STEPS && check_state.n_failed_here < 10; i++) {
        model_step(&model);
    }
    model_check(&model, true);
    CHECK(model.n_hits > 1000 && model.n_misses > 1000 && model.n_corrupt > 50);
    model_close(&model);
    free(model.path);
}

TESTS(TEST(test_model))
