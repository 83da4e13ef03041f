#include "store_help.h"

/* Versions of functions side by side: which there are, what they are, and their ends.
 */

struct listed {
    size_t n;
    bool has[4]; /* of the versions help_key(0), help_key(1), ... */
    char path[PATH_MAX];
    int result;
};

static int
list(void *context, const struct cj_version *version)
{
    struct listed *listed = context;

    listed->n++;
    for (uint64_t i = 0; i < 4; i++) {
        if (memcmp(version->version, help_key(i).bytes, CJ_KEY_BYTES) == 0) {
            listed->has[i] = true;
        }
    }
    snprintf(listed->path, sizeof(listed->path), "%s", version->path);
    return listed->result;
}

static struct cj_shelf *
shelf_of_version(struct cj_store *store, const char *function, uint64_t version)
{
    struct cj_shelf *shelf;

    REQUIRE(cj_shelf_open(store, function, help_key(version).bytes, &shelf) == 0);
    return shelf;
}

struct three {
    struct cj_store *store;
    struct cj_shelf *versions[3];
    struct cj_shelf *below; /* another function's, in the first one's folder */
};

static struct three
three_new(const char *name)
{
    struct three three = {.store = help_store(name)};

    for (uint64_t i = 0; i < 3; i++) {
        three.versions[i] = shelf_of_version(three.store, "m/f", i);
        CHECK(help_put(three.versions[i], 1, 10, i) == 0);
    }
    three.below = shelf_of_version(three.store, "m/f/g", 3);
    CHECK(help_put(three.below, 1, 10, 1) == 0);
    return three;
}

static void
three_free(struct three *three)
{
    for (size_t i = 0; i < 3; i++) {
        cj_shelf_close(three->versions[i]);
    }
    cj_shelf_close(three->below);
    cj_store_close(three->store);
}

static void
test_list(void)
{
    struct three three = three_new("list");
    struct cj_shelf *none = shelf_of_version(three.store, "m/none", 1);
    struct listed listed = {0};

    CHECK(cj_shelf_versions(three.versions[0], list, &listed) == 0);
    CHECK(listed.n == 3 && listed.has[0] && listed.has[1] && listed.has[2]);
    listed = (struct listed){0};
    CHECK(cj_shelf_versions(three.below, list, &listed) == 0);
    CHECK(listed.n == 1 && listed.has[3]);
    CHECK(strcmp(listed.path, cj_shelf_path(three.below)) == 0);
    listed = (struct listed){0};
    CHECK(cj_store_versions(three.store, list, &listed) == 0 && listed.n == 4);
    listed = (struct listed){.result = -ENOENT};
    CHECK(cj_store_versions(three.store, list, &listed) == -ENOENT && listed.n == 1);
    listed = (struct listed){0};
    CHECK(cj_shelf_versions(none, list, &listed) == 0 && listed.n == 0);
    cj_shelf_close(none);
    three_free(&three);
}

static void
test_clear(void)
{
    struct three three = three_new("clear");

    CHECK(cj_shelf_clear(three.versions[1], CJ_VERSIONS_THIS) == 0);
    CHECK(cj_shelf_has(three.versions[0], help_key(1).bytes) == 0);
    CHECK(cj_shelf_has(three.versions[1], help_key(1).bytes) == CJ_STORE_MISS);
    CHECK(help_put(three.versions[1], 1, 10, 1) == 0);
    CHECK(cj_shelf_clear(three.versions[1], CJ_VERSIONS_OTHERS) == 0);
    CHECK(cj_shelf_has(three.versions[0], help_key(1).bytes) == CJ_STORE_MISS);
    CHECK(cj_shelf_has(three.versions[1], help_key(1).bytes) == 0);
    CHECK(cj_shelf_has(three.versions[2], help_key(1).bytes) == CJ_STORE_MISS);
    CHECK(cj_shelf_has(three.below, help_key(1).bytes) == 0);
    CHECK(cj_shelf_clear(three.versions[1], CJ_VERSIONS_ALL) == 0);
    CHECK(help_check(three.store) == 1);
    three_free(&three);
}

/* After a clear nothing is left at all. */
static void
test_clear_store(void)
{
    struct three three = three_new("clear-all");
    char *root = help_path("clear-all/cjoblib");
    struct cj_entry entry = CJ_ENTRY_INIT;
    struct cj_lease *lease = NULL;

    CHECK(help_put(three.below, 1, 10, 2) == 0);
    CHECK(cj_shelf_note_put(three.below, (struct cj_bytes){"note", 4}) == 0);
    CHECK(cj_shelf_claim(three.below, help_key(9).bytes, CJ_CLAIM_TRY, &entry,
                         &lease) == CJ_STORE_MISS &&
          lease);
    CHECK(cj_store_clear(three.store) == 0);
    CHECK(access(root, F_OK) == 0 && help_count(root) == 0);
    cj_lease_release(lease, false);
    CHECK(help_put(three.below, 1, 10, 1) == 0 && help_check(three.store) == 1);
    free(root);
    three_free(&three);
}

static bool
note_is(struct cj_shelf *shelf, const char *text)
{
    struct cj_entry note = CJ_ENTRY_INIT;
    bool is = cj_shelf_note_get(shelf, &note) == 0 &&
              note.payload.size == strlen(text) &&
              memcmp(note.payload.data, text, note.payload.size) == 0;

    cj_entry_done(&note);
    return is;
}

static void
test_notes(void)
{
    struct three three = three_new("notes");
    struct cj_entry note = CJ_ENTRY_INIT;
    struct cj_store_report report;
    char *path;

    REQUIRE(asprintf(&path, "%s/notes/%s/.function", help_scratch(),
                     cj_shelf_path(three.below)) > 0);
    CHECK(cj_shelf_note_get(three.below, &note) == CJ_STORE_MISS);
    CHECK(cj_shelf_note_put(three.below, (struct cj_bytes){"first", 5}) == 0);
    CHECK(note_is(three.below, "first"));
    CHECK(cj_shelf_note_put(three.below, (struct cj_bytes){"second", 6}) == 0);
    CHECK(note_is(three.below, "second"));
    CHECK(cj_shelf_note_get(three.versions[0], &note) == CJ_STORE_MISS);
    CHECK(help_check(three.store) == 4);
    REQUIRE(truncate(path, 20) == 0);
    CHECK(cj_shelf_note_get(three.below, &note) == CJ_STORE_CORRUPT);
    CHECK(cj_store_check(three.store, true, &report) == 0 && report.n_corrupt == 1);
    CHECK(cj_shelf_note_get(three.below, &note) == CJ_STORE_MISS);
    CHECK(cj_shelf_note_put(three.below, (struct cj_bytes){NULL, 0}) == 0);
    CHECK(note_is(three.below, ""));
    CHECK(cj_shelf_clear(three.below, CJ_VERSIONS_THIS) == 0);
    CHECK(cj_shelf_note_get(three.below, &note) == CJ_STORE_MISS);
    free(path);
    three_free(&three);
}

struct walked {
    size_t n;
    int64_t oldest_ns;
};

static int
see(void *context, const struct cj_store_item *item)
{
    struct walked *walked = context;

    walked->n++;
    walked->oldest_ns = item->created_ns;
    CHECK(item->is_sound);
    return 0;
}

/* The entries of one version; a path that is none leads nowhere. */
static void
test_walk_version(void)
{
    static const char *const wrong[] = {"",
                                        "cjoblib",
                                        "cjoblib/m",
                                        "cjoblib/m/f",
                                        "/etc",
                                        "cjoblib/../x",
                                        "cjoblib/00000000000000000000000000000000",
                                        "cjoblib/../m/00000000000000000000000000000000",
                                        "cjoblib//00000000000000000000000000000000"};
    struct three three = three_new("walk");
    int64_t begun_ns = (int64_t)(time(NULL) - 60) * 1000000000;
    struct walked walked = {0};

    CHECK(help_put(three.versions[0], 2, 10, 2) == 0);
    CHECK(cj_store_walk_version(three.store, cj_shelf_path(three.versions[0]), true,
                                see, &walked) == 0);
    CHECK(walked.n == 2 && walked.oldest_ns > begun_ns);
    CHECK(cj_store_walk_version(three.store, cj_shelf_path(three.below), false, see,
                                &walked) == 0);
    CHECK(walked.n == 3 && walked.oldest_ns > begun_ns);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK(cj_store_walk_version(three.store, wrong[i], false, see, &walked) == 0);
    }
    CHECK(walked.n == 3);
    three_free(&three);
}

static struct cj_shelf *
shelf_with_ttl(struct cj_store **ret_store, int64_t ttl_ns)
{
    struct cj_store_options options = {.ttl_ns = ttl_ns};
    char *path = help_path("ttl");

    REQUIRE(cj_store_open(path, &options, ret_store) == 0);
    free(path);
    return help_shelf(*ret_store, "m/f");
}

/* Entries that were made too long ago are not told; use does not make them younger. */
static void
test_ttl(void)
{
    struct cj_store *store = help_store("ttl"), *strict, *lax;
    struct cj_shelf *shelf = help_shelf(store, "m/f");
    struct cj_shelf *brief = shelf_with_ttl(&strict, 1);
    struct cj_shelf *patient = shelf_with_ttl(&lax, INT64_C(3600000000000));
    struct cj_entry entry = CJ_ENTRY_INIT;
    struct cj_lease *lease = NULL;

    CHECK(help_put(shelf, 1, 10, 1) == 0);
    CHECK(cj_shelf_get(brief, help_key(1).bytes, &entry) == CJ_STORE_MISS);
    CHECK(cj_shelf_has(brief, help_key(1).bytes) == CJ_STORE_MISS);
    CHECK(cj_shelf_claim(brief, help_key(1).bytes, CJ_CLAIM_WAIT, &entry, &lease) ==
              CJ_STORE_MISS &&
          lease);
    cj_lease_release(lease, false);
    CHECK(cj_shelf_has(patient, help_key(1).bytes) == 0);
    CHECK(cj_shelf_get(patient, help_key(1).bytes, &entry) == 0);
    cj_entry_done(&entry);
    CHECK(help_check(strict) == 1);
    cj_shelf_close(shelf);
    cj_shelf_close(brief);
    cj_shelf_close(patient);
    cj_store_close(store);
    cj_store_close(strict);
    cj_store_close(lax);
}

TESTS(TEST(test_list), TEST(test_clear), TEST(test_clear_store), TEST(test_notes),
      TEST(test_walk_version), TEST(test_ttl))
