#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command.h"

struct unit {
    const char *name;
    double factor;
};

static const struct unit option_sizes[] = {
    {"", 1},         {"B", 1},       {"K", 1024.0},   {"KB", 1024.0},  {"KiB", 1024.0},
    {"M", 0x1p20},   {"MB", 0x1p20}, {"MiB", 0x1p20}, {"G", 0x1p30},   {"GB", 0x1p30},
    {"GiB", 0x1p30}, {"T", 0x1p40},  {"TB", 0x1p40},  {"TiB", 0x1p40}, {NULL, 0},
};

static const struct unit option_ages[] = {
    {"s", 1e9},     {"m", 60e9},        {"h", 3600e9},
    {"d", 86400e9}, {"w", 7 * 86400e9}, {NULL, 0},
};

/* A number of 0 or more and one of the units; false: it is not that. */
static bool
option_amount(const char *text, const struct unit *units, double *ret_amount)
{
    char *end;
    double number;

    if (!isdigit((unsigned char)text[0]) && text[0] != '.') {
        return false;
    }
    number = strtod(text, &end);
    if (end == text || !isfinite(number)) {
        return false;
    }
    for (; units->name; units++) {
        if (strcasecmp(end, units->name) == 0) {
            *ret_amount = number * units->factor;
            return *ret_amount < 0x1p62;
        }
    }
    return false;
}

static int
option_refuse(const struct option *option, const char *value, const char *wanted)
{
    return command_misused("%s: '%s' is not %s", option->name, value, wanted);
}

static int
option_set_count(const struct option *option, const char *value)
{
    char *end;

    if (!isdigit((unsigned char)value[0])) {
        return option_refuse(option, value, "a whole number");
    }
    errno = 0;
    *(uint64_t *)option->ret_value = strtoull(value, &end, 10);
    if (*end != '\0' || errno != 0) {
        return option_refuse(option, value, "a whole number");
    }
    return COMMAND_FINE;
}

static int
option_set(const struct option *option, char *value)
{
    struct arguments *list;
    double amount;

    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->ret_value = true;
        return COMMAND_FINE;
    case OPTION_TEXT:
        *(const char **)option->ret_value = value;
        return COMMAND_FINE;
    case OPTION_LIST:
        list = option->ret_value;
        list->items[list->n++] = value;
        return COMMAND_FINE;
    case OPTION_COUNT:
        return option_set_count(option, value);
    case OPTION_SIZE:
        if (!option_amount(value, option_sizes, &amount)) {
            return option_refuse(option, value, "a size, such as 500M or 10G");
        }
        *(uint64_t *)option->ret_value = (uint64_t)amount;
        return COMMAND_FINE;
    case OPTION_AGE:
        if (!option_amount(value, option_ages, &amount)) {
            return option_refuse(option, value, "an age, such as 12h or 30d");
        }
        *(int64_t *)option->ret_value = (int64_t)amount;
        return COMMAND_FINE;
    }
    return COMMAND_USAGE;
}

static const struct option *
option_find(const char *name, size_t length, const struct option *options, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(options[i].name) == length &&
            strncmp(options[i].name, name, length) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static char *
arguments_next(struct arguments *arguments)
{
    arguments->n--;
    return *arguments->items++;
}

/* The first argument is an option. */
static int
option_take(struct arguments *arguments, const struct option *options, size_t n)
{
    char *name = arguments_next(arguments), *value;
    size_t length = strcspn(name, "=");
    const struct option *option = option_find(name, length, options, n);

    if (!option) {
        return command_misused("unknown option '%.*s'", (int)length, name);
    }
    value = name[length] == '=' ? name + length + 1 : NULL;
    if (option->kind == OPTION_FLAG && value) {
        return command_misused("%s takes no value", option->name);
    }
    if (option->kind != OPTION_FLAG && !value) {
        if (arguments->n == 0) {
            return command_misused("%s needs a value", option->name);
        }
        value = arguments_next(arguments);
    }
    return option_set(option, value);
}

int
options_take(struct arguments *arguments, const struct option *options,
             size_t n_options)
{
    while (arguments->n > 0 && arguments->items[0][0] == '-' &&
           arguments->items[0][1] != '\0') {
        int code;

        if (strcmp(arguments->items[0], "--") == 0) {
            (void)arguments_next(arguments);
            return COMMAND_FINE;
        }
        code = option_take(arguments, options, n_options);
        if (code != COMMAND_FINE) {
            return code;
        }
    }
    return COMMAND_FINE;
}
