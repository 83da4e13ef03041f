/* A test program is a list of functions; each CHECK that does not hold is printed with
 * its place, and the program ends with 1. It prints "N passed, M failed" last.
 *
 *      static void
 *      test_something(void)
 *      {
 *          CHECK(1 + 1 == 2);
 *      }
 *
 *      TESTS(TEST(test_something), TEST(test_another))
 *
 * An argument runs only the tests whose name contains it.
 */

#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct check_state {
    size_t n_failed_here; /* in the test that runs */
    size_t n_passed;
    size_t n_failed;
};

static struct check_state check_state;

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            printf("%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            check_state.n_failed_here++;                                          \
        }                                                                         \
    } while (0)

/* For what the rest of the test cannot do without. */
#define REQUIRE(condition)                                                   \
    do {                                                                     \
        if (!(condition)) {                                                  \
            printf("%s:%d: required: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

struct check_test {
    const char *name;
    void (*run)(void);
};

static inline int
check_run(const struct check_test *tests, size_t n_tests, const char *only)
{
    for (size_t i = 0; i < n_tests; i++) {
        if (only && !strstr(tests[i].name, only)) {
            continue;
        }
        check_state.n_failed_here = 0;
        tests[i].run();
        printf("%s %s\n", check_state.n_failed_here ? "FAILED" : "passed",
               tests[i].name);
        if (check_state.n_failed_here) {
            check_state.n_failed++;
        }
        else {
            check_state.n_passed++;
        }
    }
    printf("%zu passed, %zu failed\n", check_state.n_passed, check_state.n_failed);
    return check_state.n_failed > 0 || check_state.n_passed == 0;
}

#define TESTS(...)                                                                  \
    static const struct check_test check_tests[] = {__VA_ARGS__};                   \
    int main(int argc, char **argv)                                                 \
    {                                                                               \
        setvbuf(stdout, NULL, _IOLBF, 0);                                           \
        return check_run(check_tests, sizeof(check_tests) / sizeof(check_tests[0]), \
                         argc > 1 ? argv[1] : NULL);                                \
    }

#define TEST(function) {#function, function}

#endif
