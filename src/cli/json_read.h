/* Reading JSON (RFC 8259) in place, without making a tree of it:
 *
 *      struct json json = {text, text + size};
 *      if (json_enter(&json, '{')) {
 *          while (json_member(&json, &name)) {
 *              if (json_name_is(&name, "ts")) { json_number(&json, &ts); }
 *              else { json_skip(&json); }
 *          }
 *      }
 *
 * After an error `at` is NULL, and every further call says no. */

#ifndef CLI_JSON_READ_H
#define CLI_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>

struct json {
    const char *at, *end;
};

/* What stands between the quotes, as it stands there: with its escapes. */
struct json_raw {
    const char *data;
    size_t size;
};

/* Step into an object ('{') or an array ('['); false: something else stands here. */
bool json_enter(struct json *json, char bracket);

/* In an object: to the next member's value. False: the object has ended, and was
 * left. */
bool json_member(struct json *json, struct json_raw *ret_name);

/* In an array: to the next item. False: the array has ended, and was left. */
bool json_item(struct json *json);

/* Values; false, and an error: the value is of another kind. */
bool json_string(struct json *json, struct json_raw *ret_text);
bool json_number(struct json *json, double *ret_number);

/* Step over any value. */
void json_skip(struct json *json);

bool json_is_broken(const struct json *json);

/* Only blanks are left. */
bool json_is_over(struct json *json);

bool json_name_is(const struct json_raw *name, const char *text);

#endif
