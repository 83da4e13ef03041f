/* What tables are made of: sizes and times that a person reads at a glance, and paths
 * of entries taken apart. */

#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_TEXT_BYTES 32

/* "0", "999", "1.2K", "34M": units of 1024, at most 5 characters. */
void table_size(uint64_t n_bytes, char ret_text[TABLE_TEXT_BYTES]);

/* Local time, "2026-07-28 12:34"; a time beyond the calendar is a dash. */
void table_time(int64_t wall_ns, char ret_text[TABLE_TEXT_BYTES]);

/* Text for a terminal: control characters are written as \xHH. */
void table_print(FILE *out, const char *text, size_t size);

/* Whether to use colours on standard output: it is a terminal, and NO_COLOR is not set.
 */
bool table_has_colour(void);

/* A path "cjoblib/<function>/<version>/<key>" taken apart. */
struct table_path {
    const char *function;
    size_t function_size;
    const char *version; /* to the end of the path */
    const char *key;
};

/* False: it is not of that form. */
bool table_path(const char *path, struct table_path *ret_parts);

#endif
