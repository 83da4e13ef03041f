#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "table.h"

/* What is known of one function. */
struct info_row {
    char *function;
    uint64_t n_entries, n_bytes, n_damaged;
    int64_t used_ns; /* last use of any of them */
};

struct info {
    struct info_row *rows;
    size_t n, n_room;
};

/* Entries come folder by folder, so the function is mostly that of the last row. Those
 * that come back later are made one by info_merge(). */
static struct info_row *
info_row(struct info *info, const struct table_path *parts)
{
    struct info_row *row = info->n > 0 ? &info->rows[info->n - 1] : NULL;

    if (row && strlen(row->function) == parts->function_size &&
        memcmp(row->function, parts->function, parts->function_size) == 0) {
        return row;
    }
    if (info->n == info->n_room) {
        size_t n_room = info->n_room > 0 ? 2 * info->n_room : 64;
        struct info_row *rows = realloc(info->rows, n_room * sizeof(*rows));

        if (!rows) {
            return NULL;
        }
        info->rows = rows;
        info->n_room = n_room;
    }
    row = &info->rows[info->n];
    *row =
        (struct info_row){.function = strndup(parts->function, parts->function_size)};
    info->n += row->function != NULL;
    return row->function ? row : NULL;
}

static int
info_note(void *context, const struct cj_store_item *item)
{
    struct table_path parts;
    struct info_row *row;

    if (!table_path(item->path, &parts)) {
        return 0;
    }
    row = info_row(context, &parts);
    if (!row) {
        return -ENOMEM;
    }
    row->n_entries++;
    row->n_bytes += item->n_bytes;
    row->n_damaged += !item->is_sound;
    row->used_ns = row->used_ns > item->used_ns ? row->used_ns : item->used_ns;
    return 0;
}

static int
info_compare(const void *a, const void *b)
{
    const struct info_row *left = a, *right = b;

    return strcmp(left->function, right->function);
}

static void
info_add(struct info_row *sum, const struct info_row *row)
{
    sum->n_entries += row->n_entries;
    sum->n_bytes += row->n_bytes;
    sum->n_damaged += row->n_damaged;
    sum->used_ns = sum->used_ns > row->used_ns ? sum->used_ns : row->used_ns;
}

static void
info_merge(struct info *info)
{
    size_t n = 0;

    if (info->n > 0) {
        qsort(info->rows, info->n, sizeof(info->rows[0]), info_compare);
    }
    for (size_t i = 0; i < info->n; i++) {
        if (n > 0 && strcmp(info->rows[n - 1].function, info->rows[i].function) == 0) {
            info_add(&info->rows[n - 1], &info->rows[i]);
            free(info->rows[i].function);
        }
        else {
            info->rows[n++] = info->rows[i];
        }
    }
    info->n = n;
}

static void
info_print_row(const struct info_row *row)
{
    char size[TABLE_TEXT_BYTES], used[TABLE_TEXT_BYTES] = "-";

    table_size(row->n_bytes, size);
    if (row->n_entries > 0) {
        table_time(row->used_ns, used);
    }
    printf("%8" PRIu64 "  %5s  %-16s  ", row->n_entries, size, used);
    table_print(stdout, row->function, strlen(row->function));
    if (row->n_damaged > 0) {
        printf("  (%" PRIu64 " damaged)", row->n_damaged);
    }
    fputc('\n', stdout);
}

static void
info_print(const struct info *info, const struct info_row *sum)
{
    bool has_colour = table_has_colour();

    printf("%s%8s  %5s  %-16s  %s%s\n", has_colour ? "\033[1m" : "", "entries", "size",
           "last use", "function", has_colour ? "\033[0m" : "");
    for (size_t i = 0; i < info->n; i++) {
        info_print_row(&info->rows[i]);
    }
    info_print_row(sum);
}

static void
info_print_json_row(const struct info_row *row)
{
    printf("\"entries\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"damaged\": %" PRIu64
           ", \"used\": %.3f",
           row->n_entries, row->n_bytes, row->n_damaged, (double)row->used_ns * 1e-9);
}

static void
info_print_json(const struct info *info, const struct info_row *sum)
{
    fputs("{", stdout);
    info_print_json_row(sum);
    fputs(", \"functions\": [", stdout);
    for (size_t i = 0; i < info->n; i++) {
        fputs(i > 0 ? ",\n {\"function\": " : "\n {\"function\": ", stdout);
        json_text(stdout, info->rows[i].function, strlen(info->rows[i].function));
        fputs(", ", stdout);
        info_print_json_row(&info->rows[i]);
        fputs("}", stdout);
    }
    fputs("]}\n", stdout);
}

int
command_info(int argc, char **argv)
{
    __attribute__((cleanup(command_close_p))) struct cj_store *store = NULL;
    static char total[] = "(all)";
    struct info info = {.n = 0};
    struct info_row sum = {.function = total};
    bool as_json = false;
    const struct option options[] = {{"--json", OPTION_FLAG, &as_json}};
    struct arguments left = {argc, argv};
    int code = command_take(&left, options, 1, 1), r;

    if (code == COMMAND_FINE) {
        code = command_open(left.items[0], &store);
    }
    if (code != COMMAND_FINE) {
        return code;
    }
    r = cj_store_walk(store, false, info_note, &info);
    info_merge(&info);
    for (size_t i = 0; i < info.n; i++) {
        info_add(&sum, &info.rows[i]);
    }
    if (r == 0) {
        (as_json ? info_print_json : info_print)(&info, &sum);
    }
    for (size_t i = 0; i < info.n; i++) {
        free(info.rows[i].function);
    }
    free(info.rows);
    return r < 0 ? command_fail(left.items[0], r) : COMMAND_FINE;
}
