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

int
command_verify(int argc, char **argv)
{
    __attribute__((cleanup(command_close_p))) struct cj_store *store = NULL;
    bool fix = argc > 0 && strcmp(argv[0], "--fix") == 0;
    struct cj_store_report report;
    int code = command_open(argc - fix, argv + fix, &store);
    int r;

    if (code != COMMAND_FINE) {
        return code;
    }
    r = cj_store_check(store, fix, &report);
    if (r < 0) {
        return command_fail(argv[fix], r);
    }
    verify_print(&report, fix);
    return report.n_corrupt > 0 && !fix ? COMMAND_STORE : COMMAND_FINE;
}
