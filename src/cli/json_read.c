#include "json_read.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Deeper nesting is an error: steps over a value go down as deep as it is nested. */
#define JSON_MAX_DEPTH 100

static void
json_break(struct json *json)
{
    json->at = NULL;
}

bool
json_is_broken(const struct json *json)
{
    return !json->at;
}

/* The next character that is no blank; '\0' at the end and after an error. */
static char
json_peek(struct json *json)
{
    if (!json->at) {
        return '\0';
    }
    while (json->at < json->end && strchr(" \t\r\n", *json->at) && *json->at) {
        json->at++;
    }
    return json->at < json->end ? *json->at : '\0';
}

static bool
json_take(struct json *json, char c)
{
    if (json_peek(json) != c) {
        return false;
    }
    json->at++;
    return true;
}

bool
json_is_over(struct json *json)
{
    return json_peek(json) == '\0' && json->at == json->end;
}

bool
json_enter(struct json *json, char bracket)
{
    return json_take(json, bracket);
}

/* Between two members or items: true, at the next one; false: `closing` was taken. The
 * first one has no comma before it, and is told by the bracket that is there instead.
 */
static bool
json_next(struct json *json, char opening, char closing)
{
    char before = json->at ? json->at[-1] : '\0';

    if (json_take(json, closing) || !json->at) {
        return false;
    }
    if (before != opening && !json_take(json, ',')) {
        json_break(json);
        return false;
    }
    return true;
}

bool
json_member(struct json *json, struct json_raw *ret_name)
{
    if (!json_next(json, '{', '}') || !json_string(json, ret_name)) {
        return false;
    }
    if (!json_take(json, ':')) {
        json_break(json);
        return false;
    }
    return true;
}

bool
json_item(struct json *json)
{
    return json_next(json, '[', ']');
}

bool
json_string(struct json *json, struct json_raw *ret_text)
{
    const char *start;

    if (!json_take(json, '"')) {
        json_break(json);
        return false;
    }
    for (start = json->at; json->at < json->end; json->at++) {
        if (*json->at == '"') {
            *ret_text = (struct json_raw){start, (size_t)(json->at - start)};
            json->at++;
            return true;
        }
        if ((unsigned char)*json->at < 0x20) {
            break;
        }
        if (*json->at == '\\' && ++json->at == json->end) {
            break;
        }
    }
    json_break(json);
    return false;
}

bool
json_number(struct json *json, double *ret_number)
{
    char text[64], *end;
    size_t n = 0;

    (void)json_peek(json);
    while (json->at && json->at + n < json->end && n < sizeof(text) - 1 &&
           strchr("+-.0123456789eE", json->at[n]) && json->at[n]) {
        text[n] = json->at[n];
        n++;
    }
    text[n] = '\0';
    *ret_number = strtod(text, &end);
    if (n == 0 || *end != '\0') {
        json_break(json);
        return false;
    }
    json->at += n;
    return true;
}

static void json_skip_deep(struct json *json, int depth);

static void
json_skip_inside(struct json *json, char bracket, int depth)
{
    struct json_raw name;

    if (depth == JSON_MAX_DEPTH) {
        json_break(json);
    }
    else if (bracket == '{') {
        while (json_member(json, &name)) {
            json_skip_deep(json, depth + 1);
        }
    }
    else {
        while (json_item(json)) {
            json_skip_deep(json, depth + 1);
        }
    }
}

static bool
json_word(struct json *json, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(json->end - json->at) < n || memcmp(json->at, word, n) != 0) {
        return false;
    }
    json->at += n;
    return true;
}

static void
json_skip_deep(struct json *json, int depth)
{
    struct json_raw text;
    double number;
    char c = json_peek(json);

    if (c == '{' || c == '[') {
        json->at++;
        json_skip_inside(json, c, depth);
    }
    else if (c == '"') {
        (void)json_string(json, &text);
    }
    else if (c == '-' || isdigit((unsigned char)c)) {
        (void)json_number(json, &number);
    }
    else if (c == '\0' || !(json_word(json, "true") || json_word(json, "false") ||
                            json_word(json, "null"))) {
        json_break(json);
    }
}

void
json_skip(struct json *json)
{
    json_skip_deep(json, 0);
}

bool
json_name_is(const struct json_raw *name, const char *text)
{
    return name->size == strlen(text) && memcmp(name->data, text, name->size) == 0;
}
