#include "string_set.h"

#include <cjoblib/digest.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The slot where the text is or would go. */
static size_t
string_set_slot(const struct string_set *strings, const char *text, size_t size)
{
    uint8_t digest[16];
    size_t at;

    cj_xxh128(text, size, digest);
    memcpy(&at, digest, sizeof(at));
    for (at &= strings->n_slots - 1; strings->slots[at];
         at = (at + 1) & (strings->n_slots - 1)) {
        const char *item = strings->items[strings->slots[at] - 1];

        if (strlen(item) == size && memcmp(item, text, size) == 0) {
            break;
        }
    }
    return at;
}

static int
string_set_grow(struct string_set *strings)
{
    size_t n_room = strings->n_room > 0 ? 2 * strings->n_room : 64;
    char **items = realloc(strings->items, n_room * sizeof(*items));
    size_t *slots;

    if (!items) {
        return -ENOMEM;
    }
    strings->items = items;
    slots = calloc(4 * n_room, sizeof(*slots));
    if (!slots) {
        return -ENOMEM;
    }
    free(strings->slots);
    strings->slots = slots;
    strings->n_slots = 4 * n_room;
    strings->n_room = n_room;
    for (size_t i = 0; i < strings->n; i++) {
        slots[string_set_slot(strings, items[i], strlen(items[i]))] = i + 1;
    }
    return 0;
}

static int
string_set_put(struct string_set *strings, const char *text, size_t size,
               size_t *ret_number)
{
    size_t slot;
    char *copy;

    if (strings->n == strings->n_room && string_set_grow(strings) < 0) {
        return -ENOMEM;
    }
    slot = string_set_slot(strings, text, size);
    if (!strings->slots[slot]) {
        copy = strndup(text, size);
        if (!copy) {
            return -ENOMEM;
        }
        strings->items[strings->n++] = copy;
        strings->slots[slot] = strings->n;
    }
    *ret_number = strings->slots[slot] - 1;
    return 0;
}

int
string_set_add(struct string_set *strings, const char *text, size_t size,
               size_t *ret_number)
{
    size_t empty;
    int r = strings->n == 0 ? string_set_put(strings, "", 0, &empty) : 0;

    /* A zero byte would end the copy early. */
    size = strnlen(text, size);
    return r < 0 ? r : string_set_put(strings, text, size, ret_number);
}

void
string_set_done(struct string_set *strings)
{
    for (size_t i = 0; i < strings->n; i++) {
        free(strings->items[i]);
    }
    free(strings->items);
    free(strings->slots);
}
