#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

static void
verify_print(const struct cj_store_report *report, bool fix)
{
    const char *removed = fix ? " (removed)" : "";

    printf("entries  %" PRIu64 "\n", report->n_entries);
    printf("bytes    %" PRIu64 "\n", report->n_bytes);
    printf("damaged  %" PRIu64 "%s\n", report->n_corrupt,
           report->n_corrupt > 0 ? removed : "");
    printf("orphans  %" PRIu64 "%s\n", report->n_orphans,
           report->n_orphans > 0 ? removed : "");
    printf("foreign  %" PRIu64 "\n", report->n_foreign);
}

static void
verify_print_json(const struct cj_store_report *report, bool fix)
{
    printf("{\"entries\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"damaged\": %" PRIu64
           ", \"orphans\": %" PRIu64 ", \"foreign\": %" PRIu64 ", \"fixed\": %s}\n",
           report->n_entries, report->n_bytes, report->n_corrupt, report->n_orphans,
           report->n_foreign, fix ? "true" : "false");
}

int
command_verify(int argc, char **argv)
{
    __attribute__((cleanup(command_close_p))) struct cj_store *store = NULL;
    bool fix = false, as_json = false;
    const struct option options[] = {{"--fix", OPTION_FLAG, &fix},
                                     {"--json", OPTION_FLAG, &as_json}};
    struct arguments left = {argc, argv};
    struct cj_store_report report;
    int code = command_take(&left, options, 2, 1), r;

    if (code == COMMAND_FINE) {
        code = command_open(left.items[0], &store);
    }
    if (code != COMMAND_FINE) {
        return code;
    }
    r = cj_store_check(store, fix, &report);
    if (r < 0) {
        return command_fail(left.items[0], r);
    }
    (as_json ? verify_print_json : verify_print)(&report, fix);
    return report.n_corrupt > 0 && !fix ? COMMAND_STORE : COMMAND_FINE;
}
