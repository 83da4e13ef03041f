#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "table.h"

static void
gc_print(const struct cj_store_reduction *result)
{
    char removed[TABLE_TEXT_BYTES], left[TABLE_TEXT_BYTES];

    table_size(result->n_removed_bytes, removed);
    table_size(result->n_bytes, left);
    printf("removed  %" PRIu64 " entries, %s\nleft     %" PRIu64 " entries, %s\n",
           result->n_removed, removed, result->n_entries, left);
}

static void
gc_print_json(const struct cj_store_reduction *result)
{
    printf("{\"removed\": %" PRIu64 ", \"removed_bytes\": %" PRIu64
           ", \"entries\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n",
           result->n_removed, result->n_removed_bytes, result->n_entries,
           result->n_bytes);
}

int
command_gc(int argc, char **argv)
{
    __attribute__((cleanup(command_close_p))) struct cj_store *store = NULL;
    struct cj_store_limits limits = CJ_STORE_NO_LIMITS;
    bool as_json = false;
    const struct option options[] = {{"--max-bytes", OPTION_SIZE, &limits.n_bytes},
                                     {"--max-items", OPTION_COUNT, &limits.n_entries},
                                     {"--max-age", OPTION_AGE, &limits.age_ns},
                                     {"--json", OPTION_FLAG, &as_json}};
    struct arguments left = {argc, argv};
    struct cj_store_reduction result;
    int code = command_take(&left, options, 4, 1), r;

    if (code == COMMAND_FINE && limits.n_bytes == UINT64_MAX &&
        limits.n_entries == UINT64_MAX && limits.age_ns == INT64_MAX) {
        code = command_misused("gc: no limit is given");
    }
    if (code == COMMAND_FINE) {
        code = command_open(left.items[0], &store);
    }
    if (code != COMMAND_FINE) {
        return code;
    }
    r = cj_store_reduce(store, &limits, &result);
    if (r < 0) {
        return command_fail(left.items[0], r);
    }
    (as_json ? gc_print_json : gc_print)(&result);
    return COMMAND_FINE;
}
