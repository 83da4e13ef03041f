/* The options of a subcommand, from a table:
 *
 *      struct option options[] = {
 *          {"--json", OPTION_FLAG, &json},
 *          {"--max-bytes", OPTION_SIZE, &max_bytes},
 *      };
 *      code = options_take(&arguments, options, 2);
 *
 * An option that takes a value has it as the next argument, or after '='. They end at
 * "--", which is taken too, or at the first argument that is none. */

#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stddef.h>

/* What is left of the command line. */
struct arguments {
    int n;
    char **items;
};

enum option_kind {
    OPTION_FLAG,  /* bool *: becomes true */
    OPTION_TEXT,  /* const char ** */
    OPTION_LIST,  /* struct arguments *: the value is added; `items` has room */
    OPTION_COUNT, /* uint64_t * */
    OPTION_SIZE,  /* uint64_t *, bytes: "500", "64K", "1.5G"; units of 1024 */
    OPTION_AGE,   /* int64_t *, nanoseconds: "90s", "15m", "12h", "30d", "2w" */
};

struct option {
    const char *name;
    enum option_kind kind;
    void *ret_value;
};

/* COMMAND_FINE; or, said on stderr, COMMAND_USAGE. */
int options_take(struct arguments *arguments, const struct option *options,
                 size_t n_options);

#endif
