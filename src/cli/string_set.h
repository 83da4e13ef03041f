/* A set of texts, each with a number: 0 is "", the others follow in order of arrival.
 */

#ifndef CLI_STRING_SET_H
#define CLI_STRING_SET_H

#include <stddef.h>

struct string_set {
    char **items;
    size_t n, n_room;
    size_t
        *slots; /* a number + 1, or 0; open addressing, `n_slots` is a power of two */
    size_t n_slots;
};

/* The number of a text, which is copied if it is new. 0 or -ENOMEM. */
int string_set_add(struct string_set *strings, const char *text, size_t size,
                   size_t *ret_number);

void string_set_done(struct string_set *strings);

#endif
