#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command.h"
#include "json.h"
#include "table.h"

/* A key is looked for by the first digits of it; so few of them are too few. */
#define SHOW_LEAST_DIGITS 4

struct show {
    const char *key;
    bool as_json;
    uint64_t n_found;
};

static bool
show_is_wanted(const struct show *show, const struct table_path *parts)
{
    return strncasecmp(parts->key, show->key, strlen(show->key)) == 0;
}

static int
show_count(void *context, const struct cj_store_item *item)
{
    struct show *show = context;
    struct table_path parts;

    show->n_found += table_path(item->path, &parts) && show_is_wanted(show, &parts);
    return 0;
}

static void
show_print_json(const struct cj_store_item *item, const struct table_path *parts)
{
    fputs("{\"function\": ", stdout);
    json_text(stdout, parts->function, parts->function_size);
    printf(", \"version\": \"%.32s\", \"key\": \"%s\", \"path\": ", parts->version,
           parts->key);
    json_text(stdout, item->path, strlen(item->path));
    printf(", \"bytes\": %" PRIu64 ", \"used\": %.3f, \"sound\": %s, \"metadata\": ",
           item->n_bytes, (double)item->used_ns * 1e-9,
           item->is_sound ? "true" : "false");
    /* Python and `cjoblib run` write it as JSON; others may keep any bytes. */
    if (item->meta.size > 1 && *(const char *)item->meta.data == '{') {
        fwrite(item->meta.data, 1, item->meta.size, stdout);
    }
    else {
        json_text(stdout, item->meta.data ? item->meta.data : "", item->meta.size);
    }
    fputs("}\n", stdout);
}

static void
show_print(const struct cj_store_item *item, const struct table_path *parts)
{
    char size[TABLE_TEXT_BYTES], used[TABLE_TEXT_BYTES];

    table_size(item->n_bytes, size);
    table_time(item->used_ns, used);
    fputs("function  ", stdout);
    table_print(stdout, parts->function, parts->function_size);
    printf("\nversion   %.32s\nkey       %s\nsize      %s (%" PRIu64
           " bytes)\nlast use  %s\nstate     %s\n",
           parts->version, parts->key, size, item->n_bytes, used,
           item->is_sound ? "whole" : "damaged");
    fputs("path      ", stdout);
    table_print(stdout, item->path, strlen(item->path));
    fputs("\nmetadata  ", stdout);
    table_print(stdout, item->meta.data ? item->meta.data : "", item->meta.size);
    fputc('\n', stdout);
}

static int
show_one(void *context, const struct cj_store_item *item)
{
    struct show *show = context;
    struct table_path parts;

    if (table_path(item->path, &parts) && show_is_wanted(show, &parts)) {
        (show->as_json ? show_print_json : show_print)(item, &parts);
    }
    return 0;
}

static int
show_no_key(const char *location, const struct show *show)
{
    if (show->n_found == 0) {
        fprintf(stderr, "cjoblib: %s: no entry has the key %s\n", location, show->key);
    }
    else {
        fprintf(stderr,
                "cjoblib: %s: %" PRIu64 " entries have a key that begins with %s\n",
                location, show->n_found, show->key);
    }
    return COMMAND_STORE;
}

static bool
show_is_key(const char *text)
{
    size_t n = strspn(text, "0123456789abcdefABCDEF");

    return text[n] == '\0' && n >= SHOW_LEAST_DIGITS && n <= 2 * CJ_KEY_BYTES;
}

int
command_show(int argc, char **argv)
{
    __attribute__((cleanup(command_close_p))) struct cj_store *store = NULL;
    struct show show = {.n_found = 0};
    const struct option options[] = {{"--json", OPTION_FLAG, &show.as_json}};
    struct arguments left = {argc, argv};
    int code = command_take(&left, options, 1, 2), r;

    if (code != COMMAND_FINE) {
        return code;
    }
    show.key = left.items[0];
    if (!show_is_key(show.key)) {
        return command_misused("'%s' is not a key: 4 to 32 hexadecimal digits",
                               show.key);
    }
    code = command_open(left.items[1], &store);
    if (code != COMMAND_FINE) {
        return code;
    }
    r = cj_store_walk(store, false, show_count, &show);
    if (r == 0 && show.n_found != 1) {
        return show_no_key(left.items[1], &show);
    }
    if (r == 0) {
        r = cj_store_walk(store, false, show_one, &show);
    }
    return r < 0 ? command_fail(left.items[1], r) : COMMAND_FINE;
}
