#include "trace/event.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Kept free for what closes the event. */
#define EVENT_END_BYTES 8

static bool
event_has_room(const struct event *event, size_t size)
{
    return event->size + size + EVENT_END_BYTES <= EVENT_MAX_BYTES;
}

static void
put(struct event *event, const char *text, size_t size)
{
    memcpy(event->text + event->size, text, size);
    event->size += size;
}

#define PUT(event, text) put(event, text, sizeof(text) - 1)

static void
put_digits(struct event *event, uint64_t number, int least)
{
    char digits[20];
    int n = 0;

    do {
        digits[sizeof(digits) - (size_t)++n] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || n < least);
    put(event, digits + sizeof(digits) - n, (size_t)n);
}

static void
put_number(struct event *event, int64_t number)
{
    if (number < 0) {
        PUT(event, "-");
    }
    put_digits(event, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 1);
}

/* Nanoseconds, in microseconds. */
static void
put_time(struct event *event, int64_t ns)
{
    uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

    if (ns < 0) {
        PUT(event, "-");
    }
    put_digits(event, size / 1000, 1);
    PUT(event, ".");
    put_digits(event, size % 1000, 3);
}

/* What stands between the quotes for the character at `at`: itself, unless JSON wants
 * it escaped or it is none. */
static size_t
put_character(struct event *event, const unsigned char *at, size_t left)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = utf8_length(at, left);

    if (n == 0) {
        PUT(event, "?");
        return 1;
    }
    if (*at == '"' || *at == '\\') {
        PUT(event, "\\");
    }
    if (*at < 0x20 || *at == 0x7f) {
        char escaped[6] = {'\\', 'u', '0', '0', hex[*at >> 4], hex[*at & 15]};

        put(event, escaped, sizeof(escaped));
    }
    else {
        put(event, (const char *)at, n);
    }
    return n;
}

/* With quotes. It takes at most 6 bytes for each one of the text's. */
static void
put_text(struct event *event, const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t done = 0;

    if (size > EVENT_MAX_TEXT) {
        size = EVENT_MAX_TEXT;
    }
    PUT(event, "\"");
    while (done < size) {
        done += put_character(event, at + done, size - done);
    }
    PUT(event, "\"");
}

void
event_begin(struct event *event, const char *name, char phase, int64_t at_ns,
            int64_t process, int64_t thread)
{
    event->size = 0;
    event->has_fields = false;
    PUT(event, "{\"name\":");
    put_text(event, name, strlen(name));
    PUT(event, ",\"ph\":\"");
    put(event, &phase, 1);
    PUT(event, "\",\"ts\":");
    put_time(event, at_ns);
    PUT(event, ",\"pid\":");
    put_number(event, process);
    PUT(event, ",\"tid\":");
    put_number(event, thread);
}

void
event_add_duration(struct event *event, int64_t duration_ns)
{
    PUT(event, ",\"dur\":");
    put_time(event, duration_ns);
}

void
event_add_scope(struct event *event)
{
    PUT(event, ",\"s\":\"t\"");
}

/* The field's name; false: there is no room for it and a value of `size` bytes. */
static bool
event_add_name(struct event *event, const char *name, size_t size)
{
    size_t n = strlen(name);

    if (n > EVENT_MAX_TEXT) {
        n = EVENT_MAX_TEXT;
    }
    if (!event_has_room(event, 6 * n + size + 16)) {
        return false;
    }
    if (event->has_fields) {
        PUT(event, ",");
    }
    else {
        PUT(event, ",\"args\":{");
    }
    event->has_fields = true;
    put_text(event, name, n);
    PUT(event, ":");
    return true;
}

void
event_add_text(struct event *event, const char *name, struct cj_bytes text)
{
    size_t size = text.size < EVENT_MAX_TEXT ? text.size : EVENT_MAX_TEXT;

    if (event_add_name(event, name, 6 * size + 2)) {
        put_text(event, text.data, size);
    }
}

void
event_add_number(struct event *event, const char *name, int64_t number)
{
    if (event_add_name(event, name, 20)) {
        put_number(event, number);
    }
}

void
event_add_real(struct event *event, const char *name, double real)
{
    char digits[32];
    int n;

    /* JSON has no word for what is no number. */
    if (!isfinite(real)) {
        const char *word = isnan(real) ? "nan" : real > 0 ? "inf" : "-inf";

        event_add_text(event, name, (struct cj_bytes){word, strlen(word)});
        return;
    }
    n = snprintf(digits, sizeof(digits), "%.9g", real);
    if (event_add_name(event, name, (size_t)n)) {
        put(event, digits, (size_t)n);
    }
}

void
event_end(struct event *event)
{
    if (event->has_fields) {
        PUT(event, "}");
    }
    PUT(event, "},\n");
}
