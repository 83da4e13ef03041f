#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "command.h"

/* Enough for "2026-07-28 12:34:56", with its end. */
#define LS_TIME_BYTES 32

/* Local time; a time beyond the calendar is a dash. */
static void
ls_time_text(int64_t wall_ns, char ret_text[LS_TIME_BYTES])
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm parts;

    if (!localtime_r(&seconds, &parts) ||
        strftime(ret_text, LS_TIME_BYTES, "%Y-%m-%d %H:%M:%S", &parts) == 0) {
        snprintf(ret_text, LS_TIME_BYTES, "-");
    }
}

static int
ls_print(void *context, const struct cj_store_item *item)
{
    char text[LS_TIME_BYTES];

    (void)context;
    ls_time_text(item->used_ns, text);
    printf("%12" PRIu64 "  %-19s  %s%s\n", item->n_bytes, text, item->path,
           item->is_sound ? "" : "  (damaged)");
    /* Nobody reads on: don't go through a million entries for nothing. */
    return ferror(stdout) ? -EIO : 0;
}

int
command_ls(int argc, char **argv)
{
    __attribute__((cleanup(command_close_p))) struct cj_store *store = NULL;
    int code = command_open(argc, argv, &store);
    int r;

    if (code != COMMAND_FINE) {
        return code;
    }
    printf("%12s  %-19s  %s\n", "bytes", "last use", "path");
    r = cj_store_walk(store, false, ls_print, NULL);
    if (r < 0 && !ferror(stdout)) {
        return command_fail(argv[0], r);
    }
    return COMMAND_FINE;
}
