#include <cjoblib/store.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "table.h"

struct ls {
    bool as_json;
    bool has_colour;
    bool is_first;
};

static void
ls_print_row(const struct ls *ls, const struct cj_store_item *item,
             const struct table_path *parts)
{
    char size[TABLE_TEXT_BYTES], used[TABLE_TEXT_BYTES];

    table_size(item->n_bytes, size);
    table_time(item->used_ns, used);
    printf("%5s  %-16s  %.12s  ", size, used, parts->key);
    table_print(stdout, parts->function, parts->function_size);
    if (!item->is_sound) {
        fputs(ls->has_colour ? "  \033[31m(damaged)\033[0m" : "  (damaged)", stdout);
    }
    fputc('\n', stdout);
}

static void
ls_print_json(const struct ls *ls, const struct cj_store_item *item,
              const struct table_path *parts)
{
    fputs(ls->is_first ? "[\n " : ",\n ", stdout);
    fputs("{\"function\": ", stdout);
    json_text(stdout, parts->function, parts->function_size);
    printf(", \"version\": \"%.32s\", \"key\": \"%s\", \"bytes\": %" PRIu64
           ", \"used\": %.3f, \"sound\": %s}",
           parts->version, parts->key, item->n_bytes, (double)item->used_ns * 1e-9,
           item->is_sound ? "true" : "false");
}

static int
ls_print(void *context, const struct cj_store_item *item)
{
    struct ls *ls = context;
    struct table_path parts;

    if (table_path(item->path, &parts)) {
        (ls->as_json ? ls_print_json : ls_print_row)(ls, item, &parts);
        ls->is_first = false;
    }
    /* Nobody reads on: don't go through a million entries for nothing. */
    return ferror(stdout) ? -EIO : 0;
}

int
command_ls(int argc, char **argv)
{
    __attribute__((cleanup(command_close_p))) struct cj_store *store = NULL;
    struct ls ls = {.has_colour = table_has_colour(), .is_first = true};
    const struct option options[] = {{"--json", OPTION_FLAG, &ls.as_json}};
    struct arguments left = {argc, argv};
    int code = command_take(&left, options, 1, 1), r;

    if (code == COMMAND_FINE) {
        code = command_open(left.items[0], &store);
    }
    if (code != COMMAND_FINE) {
        return code;
    }
    if (!ls.as_json) {
        printf("%s%5s  %-16s  %-12s  %s%s\n", ls.has_colour ? "\033[1m" : "", "size",
               "last use", "key", "function", ls.has_colour ? "\033[0m" : "");
    }
    r = cj_store_walk(store, false, ls_print, &ls);
    if (ls.as_json) {
        fputs(ls.is_first ? "[]\n" : "\n]\n", stdout);
    }
    return r < 0 && !ferror(stdout) ? command_fail(left.items[0], r) : COMMAND_FINE;
}
