#include "store/names.h"

#include <errno.h>

#include "check.h"

static char *
escape(const char *function)
{
    char *path;

    REQUIRE(name_escape(function, &path) == 0);
    return path;
}

static void
test_known_names(void)
{
    static const struct {
        const char *function, *path;
    } known[] = {
        {"package.module/Class.method", "package.module/Class.method"},
        {"m/<locals>.<lambda>", "m/<locals>.<lambda>"},
        {"..", "%2e."},
        {".", "%2e"},
        {"../../etc/passwd", "%2e./%2e./etc/passwd"},
        {"a..b/.tmp/.gitignore", "a..b/%2etmp/%2egitignore"},
        {"%2e", "%252e"},
        {"a\nb\t\x7f", "a%0ab%09%7f"},
        {"\xc3\xa9t\xc3\xa9", "%c3%a9t%c3%a9"},
        {"0123456789abcdef0123456789abcdef", "%30123456789abcdef0123456789abcdef"},
        {"0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcde"},
        {"0123456789ABCDEF0123456789abcdef", "0123456789ABCDEF0123456789abcdef"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        char *path = escape(known[i].function);

        CHECK(strcmp(path, known[i].path) == 0);
        free(path);
    }
}

static void
test_no_names(void)
{
    static const char *const none[] = {"", "/", "/a", "a/", "a//b"};
    char *path;

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        CHECK(name_escape(none[i], &path) == -EINVAL);
    }
}

static void
test_keys(void)
{
    uint8_t key[CJ_KEY_BYTES] = {0x00, 0x9a, 0xff}, back[CJ_KEY_BYTES];
    char name[NAME_KEY_BYTES];

    name_of_key(key, name);
    CHECK(strcmp(name, "009aff00000000000000000000000000") == 0);
    CHECK(name_to_key(name, back) && memcmp(key, back, sizeof(key)) == 0);
    CHECK(!name_to_key("009AFF00000000000000000000000000", back));
    CHECK(!name_to_key("009aff0000000000000000000000000", back));
    CHECK(!name_to_key("009aff000000000000000000000000000", back));
    CHECK(!name_to_key("", back));
}

/* What every path must be, whatever the function was called. */
static void
check_path(const char *path)
{
    char component[NAME_MAX_BYTES + 1];
    size_t depth = 0;

    while (*path) {
        size_t n = strcspn(path, "/");

        REQUIRE(n > 0 && n <= NAME_MAX_BYTES);
        memcpy(component, path, n);
        component[n] = '\0';
        CHECK(name_is_escaped(component));
        CHECK(component[0] != '.');
        path += n + (path[n] == '/');
        depth++;
    }
    CHECK(depth > 0 && depth <= NAME_MAX_DEPTH);
}

static void
test_long_and_deep(void)
{
    char one[4001], other[4001];
    char *path, *other_path;

    for (size_t size = 150; size <= 4000; size += 7) {
        memset(one, 'x', size);
        one[size] = '\0';
        memcpy(other, one, sizeof(one));
        other[size - 1] = 'y';
        path = escape(one);
        other_path = escape(other);
        check_path(path);
        CHECK(strcmp(path, other_path) != 0);
        CHECK(size > NAME_MAX_BYTES ? strlen(path) == NAME_MAX_BYTES
                                    : strcmp(path, one) == 0);
        free(path);
        free(other_path);
    }
    /* 2,000 components, and the same with another cut among the last ones. */
    for (size_t i = 0; i < 4000; i++) {
        one[i] = i % 2 ? '/' : 'a';
    }
    one[3999] = '\0';
    memcpy(other, one, sizeof(one));
    other[3997] = 'a';
    path = escape(one);
    other_path = escape(other);
    check_path(path);
    CHECK(strcmp(path, other_path) != 0);
    free(path);
    free(other_path);
}

/* What a path that was not shortened was made from: the reverse of name_escape(). */
static bool
unescape(const char *path, char *ret_function)
{
    unsigned value;

    if (strstr(path, "%~")) {
        return false;
    }
    for (; *path; path++) {
        if (*path != '%') {
            *ret_function++ = *path;
            continue;
        }
        REQUIRE(sscanf(path + 1, "%2x", &value) == 1);
        *ret_function++ = (char)value;
        path += 2;
    }
    *ret_function = '\0';
    return true;
}

static uint64_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* A name out of the bytes that matter; never with an empty component. */
static void
random_name(uint64_t *state, char *ret_name)
{
    static const char bytes[] = "../%%a0f~ \n\x7f\x80\xff<";
    size_t size = 1 + next_random(state) % (next_random(state) % 8 ? 40 : 400);
    size_t first = next_random(state) % 8 ? 0 : 3; /* without '/' and '.' at times */

    for (size_t i = 0; i < size; i++) {
        ret_name[i] = bytes[first + next_random(state) % (sizeof(bytes) - 1 - first)];
        if (ret_name[i] == '/' && (i == 0 || i == size - 1 || ret_name[i - 1] == '/')) {
            ret_name[i] = 'b';
        }
    }
    ret_name[size] = '\0';
}

/* Two names never share a path: what is not shortened can be read back, and what is
 * ends with a digest that nothing else can end with. */
static void
test_random_names(void)
{
    uint64_t state = 20260728;
    size_t n_shortened = 0, n_read_back = 0;
    char name[512], back[512];

    printf("seed %llu\n", (unsigned long long)state);
    for (int i = 0; i < 200000; i++) {
        char *path;

        random_name(&state, name);
        path = escape(name);
        check_path(path);
        if (unescape(path, back)) {
            CHECK(strcmp(back, name) == 0);
            n_read_back++;
        }
        else {
            CHECK(strlen(name) > 60);
            n_shortened++;
        }
        free(path);
    }
    CHECK(n_shortened > 1000 && n_read_back > 100000);
}

TESTS(TEST(test_known_names), TEST(test_no_names), TEST(test_keys),
      TEST(test_long_and_deep), TEST(test_random_names))
