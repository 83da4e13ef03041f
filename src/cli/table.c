#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void
table_size(uint64_t n_bytes, char ret_text[TABLE_TEXT_BYTES])
{
    static const char units[] = "BKMGTPE";
    double number = (double)n_bytes;
    size_t unit = 0;

    while (number >= 999.5 && unit < sizeof(units) - 2) {
        number /= 1024;
        unit++;
    }
    if (unit == 0) {
        snprintf(ret_text, TABLE_TEXT_BYTES, "%.0f", number);
    }
    else {
        snprintf(ret_text, TABLE_TEXT_BYTES, "%.*f%c", number < 9.95 ? 1 : 0, number,
                 units[unit]);
    }
}

void
table_time(int64_t wall_ns, char ret_text[TABLE_TEXT_BYTES])
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm parts;

    if (!localtime_r(&seconds, &parts) ||
        strftime(ret_text, TABLE_TEXT_BYTES, "%Y-%m-%d %H:%M", &parts) == 0) {
        snprintf(ret_text, TABLE_TEXT_BYTES, "-");
    }
}

void
table_print(FILE *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\x%02x", c);
        }
        else {
            fputc(c, out);
        }
    }
}

bool
table_has_colour(void)
{
    const char *refused = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && (!refused || refused[0] == '\0');
}

bool
table_path(const char *path, struct table_path *ret_parts)
{
    static const char root[] = "cjoblib/";
    const char *key = strrchr(path, '/'), *version = key;

    if (strncmp(path, root, sizeof(root) - 1) != 0) {
        return false;
    }
    path += sizeof(root) - 1;
    if (!key || key <= path) {
        return false;
    }
    do {
        version--;
    } while (version > path && *version != '/');
    if (version <= path) {
        return false;
    }
    *ret_parts =
        (struct table_path){path, (size_t)(version - path), version + 1, key + 1};
    return true;
}
