#include <signal.h>
#include <sys/wait.h>

#include "store_fault.h"
#include "store_help.h"

/* Enough for space to be reserved before a put, and for a get to map pages. */
#define RESERVED_BYTES 1100000
#define MAPPED_BYTES 4200000

/* A store with some entries, and what is done to it. Entry 1 is the one that
 * operations are about: number 1 before, number 2 when an operation puts it again. */
struct scene {
    const char *name;
    bool is_fresh;     /* nothing was ever put */
    bool is_durable;   /* what reaches the disk only as the last step */
    size_t size;       /* of entry 1 */
    uint64_t expected; /* the number of entry 1 afterwards, 0: none */
    int (*run)(struct cj_store *store, struct cj_shelf *shelf,
               const struct scene *scene);
};

static int
run_put(struct cj_store *store, struct cj_shelf *shelf, const struct scene *scene)
{
    (void)store;
    return help_put(shelf, 1, scene->size, 2);
}

static int
run_get(struct cj_store *store, struct cj_shelf *shelf, const struct scene *scene)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    uint64_t number = 0;
    int r = cj_shelf_get(shelf, help_key(1).bytes, &entry);

    (void)store;
    (void)scene;
    CHECK(r <= 0);
    CHECK(r < 0 || (help_is_whole(&entry, &number) && number == 1));
    cj_entry_done(&entry);
    return r;
}

static int
run_has(struct cj_store *store, struct cj_shelf *shelf, const struct scene *scene)
{
    int r = cj_shelf_has(shelf, help_key(1).bytes);

    (void)store;
    (void)scene;
    CHECK(r <= 0);
    return r;
}

static int
run_remove(struct cj_store *store, struct cj_shelf *shelf, const struct scene *scene)
{
    (void)store;
    (void)scene;
    return cj_shelf_remove(shelf, help_key(1).bytes);
}

static int
run_clear(struct cj_store *store, struct cj_shelf *shelf, const struct scene *scene)
{
    (void)shelf;
    (void)scene;
    return cj_store_clear(store);
}

static int
run_clear_shelf(struct cj_store *store, struct cj_shelf *shelf,
                const struct scene *scene)
{
    (void)store;
    (void)scene;
    return cj_shelf_clear(shelf, CJ_VERSIONS_ALL);
}

static int
run_check(struct cj_store *store, struct cj_shelf *shelf, const struct scene *scene)
{
    struct cj_store_report report;
    int r = cj_store_check(store, true, &report);

    (void)shelf;
    (void)scene;
    /* A file that can't be read counts as damaged, so EIO may cost an entry. */
    CHECK(r < 0 || report.n_entries + report.n_corrupt == 3);
    return r;
}

static int
run_reduce(struct cj_store *store, struct cj_shelf *shelf, const struct scene *scene)
{
    struct cj_store_limits none = {0, 0, 0};
    struct cj_store_reduction result;

    (void)shelf;
    (void)scene;
    return cj_store_reduce(store, &none, &result);
}

static int
run_open(struct cj_store *store, struct cj_shelf *shelf, const struct scene *scene)
{
    char *path = help_path("fault");
    struct cj_store *again = NULL;
    struct cj_shelf *same = NULL;
    int r = cj_store_open(path, NULL, &again);

    (void)store;
    (void)shelf;
    (void)scene;
    if (r == 0) {
        r = cj_shelf_open(again, "m/f", help_key(7).bytes, &same);
    }
    cj_shelf_close(same);
    cj_store_close(again);
    free(path);
    return r;
}

/* A call of a cached function: entry 1 is missing. */
static int
run_claim(struct cj_store *store, struct cj_shelf *shelf, const struct scene *scene)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    struct cj_lease *lease = NULL;
    int r = cj_shelf_claim(shelf, help_key(1).bytes, CJ_CLAIM_WAIT, &entry, &lease);

    (void)store;
    if (r == CJ_STORE_MISS) {
        r = help_put(shelf, 1, scene->size, 2);
        cj_lease_release(lease, r == 0);
    }
    cj_entry_done(&entry);
    return r;
}

static const struct scene scenes[] = {
    {"first put", true, false, 300, 2, run_put},
    {"put", false, false, 300, 2, run_put},
    {"put large", false, false, RESERVED_BYTES, 2, run_put},
    {"first put, durable", true, true, 300, 2, run_put},
    {"put, durable", false, true, 300, 2, run_put},
    {"claim", true, false, 300, 2, run_claim},
    {"claim, found", false, false, 300, 1, run_claim},
    {"get", false, false, 300, 1, run_get},
    {"get large", false, false, MAPPED_BYTES, 1, run_get},
    {"has", false, false, 300, 1, run_has},
    {"remove", false, false, 300, 0, run_remove},
    {"clear", false, false, 300, 0, run_clear},
    {"clear shelf", false, false, 300, 0, run_clear_shelf},
    {"check", false, false, 300, 1, run_check},
    {"reduce", false, false, 300, 0, run_reduce},
    {"open", false, false, 300, 1, run_open},
};

#define N_SCENES (sizeof(scenes) / sizeof(scenes[0]))

/* A file system that is able, and less able ones. */
static const struct fault abilities[] = {
    {0},
    {.no_nameless = true},
    {.no_link = true},
    {.no_nameless = true, .no_lock = true},
};

#define N_ABILITIES (sizeof(abilities) / sizeof(abilities[0]))

/* Only who writes or sweeps drafts sees the difference. */
static size_t
scene_n_abilities(const struct scene *scene)
{
    return scene->run == run_put || scene->run == run_claim || scene->run == run_check
               ? N_ABILITIES
               : 1;
}

struct stage {
    struct cj_store *store;
    struct cj_shelf *shelf;
};

static struct cj_store *
stage_open(bool durable)
{
    struct cj_store_options options = {.durable = durable};
    char *path = help_path("fault");
    struct cj_store *store;

    REQUIRE(cj_store_open(path, &options, &store) == 0);
    free(path);
    return store;
}

/* A used shelf has its folder open, so each scene starts with a new one. */
static struct stage
stage_new(const struct scene *scene)
{
    char *path = help_path("fault");
    struct stage stage;

    fault = (struct fault){0};
    help_remove_tree(path);
    free(path);
    stage.store = stage_open(scene->is_durable);
    stage.shelf = help_shelf(stage.store, "m/f");
    if (!scene->is_fresh) {
        REQUIRE(help_put(stage.shelf, 1, scene->size, 1) == 0);
        REQUIRE(help_put(stage.shelf, 2, 10, 1) == 0);
        REQUIRE(help_put(stage.shelf, 3, 10, 1) == 0);
        cj_shelf_close(stage.shelf);
        stage.shelf = help_shelf(stage.store, "m/f");
    }
    return stage;
}

static void
stage_free(struct stage *stage)
{
    cj_shelf_close(stage->shelf);
    cj_store_close(stage->store);
}

/* The number of entry 1; 0: there is none. */
static uint64_t
stage_number(const struct stage *stage)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    uint64_t number = 0;
    int r = cj_shelf_get(stage->shelf, help_key(1).bytes, &entry);

    CHECK(r == 0 || r == CJ_STORE_MISS);
    CHECK(r != 0 || help_is_whole(&entry, &number));
    cj_entry_done(&entry);
    return number;
}

/* Nothing torn; what dead writers left can be swept; then nothing is left. */
static void
stage_check(const struct stage *stage, bool no_lock)
{
    char *temps = help_path("fault/cjoblib/.tmp");
    struct cj_store_report report;

    REQUIRE(cj_store_check(stage->store, true, &report) == 0);
    CHECK(report.n_corrupt == 0 && report.n_foreign == 0 && report.n_orphans <= 1);
    CHECK(no_lock || help_count(temps) == 0);
    help_check(stage->store);
    free(temps);
}

/* Let the N-th call fail: the operation fails too, and leaves the entry as it was; or
 * it gets by without. Whether there was an N-th call. */
static bool
fail_at(const struct scene *scene, const struct fault *plan)
{
    struct stage stage = stage_new(scene);
    uint64_t before = scene->is_fresh ? 0 : 1, after;
    size_t n_fds = help_count_fds();
    bool was_hit;
    int r;

    fault = *plan;
    r = scene->run(stage.store, stage.shelf, scene);
    was_hit = fault.n_hit > 0;
    fault = (struct fault){0};
    /* The shelf may keep its folder open, the store a file to lock and one to count. */
    CHECK(help_count_fds() <= n_fds + 3);
    CHECK(r <= 0);
    after = stage_number(&stage);
    if ((scene->run == run_put || scene->run == run_remove) && !scene->is_durable) {
        CHECK(after == (r == 0 ? scene->expected : before));
    }
    else if (scene->run == run_check) {
        CHECK(after == before || after == 0);
    }
    else {
        CHECK(after == before || after == scene->expected);
    }
    CHECK(was_hit || (r == 0 && after == scene->expected));
    stage_check(&stage, plan->no_lock);
    stage_free(&stage);
    return was_hit;
}

/* How many calls there were to fail. */
static size_t
fail_everywhere(const struct scene *scene, struct fault plan)
{
    plan.at = 1;
    while (fail_at(scene, &plan)) {
        plan.at++;
    }
    CHECK(plan.at > 1);
    return plan.at - 1;
}

static void
test_failing(void)
{
    static const int errors[] = {-EIO, -ENOSPC, -EINTR};

    for (size_t i = 0; i < N_SCENES; i++) {
        size_t n_hit = 0;

        /* Every error where all is able, one where something is missing. */
        for (size_t k = 0; k < 2 + scene_n_abilities(&scenes[i]); k++) {
            struct fault plan = abilities[k < 3 ? 0 : k - 2];

            plan.error = errors[k % 3];
            n_hit += fail_everywhere(&scenes[i], plan);
            if (k == 0 || k > 2) {
                plan.persistent = true;
                n_hit += fail_everywhere(&scenes[i], plan);
            }
        }
        printf("%s: %zu faults\n", scenes[i].name, n_hit);
    }
}

/* Kill the process at the N-th call: the old entry or the new one, and what is left can
 * be swept. Whether there was an N-th call. */
static bool
kill_at(const struct scene *scene, const struct fault *plan)
{
    struct stage stage = stage_new(scene);
    uint64_t before = scene->is_fresh ? 0 : 1, after;
    pid_t child = fork();
    int status;

    REQUIRE(child >= 0);
    if (child == 0) {
        fault = *plan;
        _exit(scene->run(stage.store, stage.shelf, scene) < 0 ? 1 : 0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    after = stage_number(&stage);
    CHECK(after == before || after == scene->expected);
    CHECK(WIFSIGNALED(status) || after == scene->expected);
    stage_check(&stage, plan->no_lock);
    CHECK(help_put(stage.shelf, 1, 10, 3) == 0 && stage_number(&stage) == 3);
    stage_free(&stage);
    return WIFSIGNALED(status);
}

static void
test_killed(void)
{
    for (size_t i = 0; i < N_SCENES; i++) {
        size_t n_hit = 0;

        for (size_t k = 0; k < scene_n_abilities(&scenes[i]); k++) {
            struct fault plan = abilities[k];

            plan.kill = true;
            for (plan.at = 1; kill_at(&scenes[i], &plan); plan.at++) {
                n_hit++;
            }
        }
        printf("%s: %zu kills\n", scenes[i].name, n_hit);
        CHECK(n_hit > 0);
    }
}

static void
spy_check(void)
{
    struct cj_store *store = help_store("fault");
    struct cj_store_report report;

    CHECK(cj_store_check(store, true, &report) == 0);
    CHECK(report.n_corrupt == 0 && report.n_foreign == 0);
    /* Between its making and its locking a named draft looks dead. */
    CHECK(report.n_orphans == 0 || fault.no_nameless || fault.no_link);
    cj_store_close(store);
}

static void
spy_clear(void)
{
    struct cj_store *store = help_store("fault");

    CHECK(cj_store_clear(store) == 0);
    cj_store_close(store);
}

static void
spy_remove_all(void)
{
    char *path = help_path("fault");

    help_remove_tree(path);
    free(path);
}

static void
spy_put(void)
{
    struct cj_store *store = help_store("fault");
    struct cj_shelf *shelf = help_shelf(store, "m/f");

    CHECK(help_put(shelf, 1, 20, 5) == 0);
    cj_shelf_close(shelf);
    cj_store_close(store);
}

/* Let another user of the store act at the N-th call of an operation: it succeeds, and
 * the entry is what one of the two made it. Whether there was an N-th call. */
static bool
spy_at(const struct scene *scene, const struct fault *plan)
{
    struct stage stage = stage_new(scene);
    bool was_hit;
    uint64_t after;
    int r;

    fault = *plan;
    r = scene->run(stage.store, stage.shelf, scene);
    was_hit = fault.n_hit > 0;
    fault = (struct fault){0};
    after = stage_number(&stage);
    CHECK(r == 0);
    CHECK(after == scene->expected || (after == 0 && plan->spy != spy_check) ||
          (after == 5 && plan->spy == spy_put) ||
          (after == 2 && scene->run == run_claim));
    stage_check(&stage, plan->no_lock);
    stage_free(&stage);
    return was_hit;
}

static void
test_spied_on(void)
{
    static void (*const spies[])(void) = {spy_check, spy_clear, spy_remove_all,
                                          spy_put};

    for (size_t i = 0; i < N_SCENES; i++) {
        size_t n_hit = 0;

        if (scenes[i].run != run_put && scenes[i].run != run_claim &&
            scenes[i].run != run_clear && scenes[i].run != run_clear_shelf) {
            continue;
        }
        for (size_t k = 0; k < 4 * scene_n_abilities(&scenes[i]); k++) {
            struct fault plan = abilities[k / 4];

            plan.spy = spies[k % 4];
            for (plan.at = 1; spy_at(&scenes[i], &plan); plan.at++) {
                n_hit++;
            }
        }
        printf("%s: %zu acts of others\n", scenes[i].name, n_hit);
        CHECK(n_hit > 0);
    }
}

/* What was done, without what syncing a folder consists of. */
static const char *
order_taken(void)
{
    static char text[sizeof(fault.order)];
    size_t n = 0;
    bool in_path = false;

    for (const char *at = fault.order; *at; at++) {
        bool is_part =
            *at == 's' && n > 0 && (in_path || (at > fault.order && at[-1] == 'd'));

        in_path = *at == 'p' || (in_path && *at == 's');
        if (!is_part) {
            text[n++] = *at;
        }
    }
    text[n] = '\0';
    fault = (struct fault){0};
    return text;
}

/* The file first, then its name, then the folder; and every folder above. */
static void
test_durable(void)
{
    struct scene fresh = {.is_fresh = true, .is_durable = true, .size = 300};
    struct stage stage = stage_new(&fresh);

    CHECK(help_put(stage.shelf, 1, 300, 1) == 0);
    /* LOCATION's parents, LOCATION, for .usage; again, and cjoblib, m, f; the entry,
     * its folder. */
    CHECK(strcmp(order_taken(), "pdpddddsld") == 0);
    CHECK(help_put(stage.shelf, 2, 300, 1) == 0);
    CHECK(strcmp(order_taken(), "sld") == 0);
    /* The way to .tmp, too; a link that finds the place taken; one to .tmp. */
    CHECK(help_put(stage.shelf, 2, 300, 2) == 0);
    CHECK(strcmp(order_taken(), "slpddlrd") == 0);
    stage_free(&stage);
}

TESTS(TEST(test_failing), TEST(test_killed), TEST(test_spied_on), TEST(test_durable))
