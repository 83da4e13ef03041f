#include "json.h"

#include <string.h>

/* How many bytes from `at` on are one character of UTF-8 (RFC 3629); 0: none. */
static size_t
utf8_length(const unsigned char *at, size_t left)
{
    static const unsigned min_second[5] = {0, 0, 0x80, 0x80, 0x80};
    size_t n = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    unsigned low = min_second[n], high = 0xbf;

    if (n == 1) {
        return 1;
    }
    if (at[0] < 0xc2 || at[0] > 0xf4 || n > left) {
        return 0;
    }
    low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : low;
    high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : high;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

static void
json_character(FILE *out, const unsigned char *at, size_t n)
{
    static const char short_names[] = "\bb\tt\nn\ff\rr\"\"\\\\";

    if (n == 0) {
        fputs("\\ufffd", out);
        return;
    }
    for (const char *name = short_names; n == 1 && *name; name += 2) {
        if (*at == (unsigned char)name[0]) {
            fprintf(out, "\\%c", name[1]);
            return;
        }
    }
    if (n == 1 && (*at < 0x20 || *at == 0x7f)) {
        fprintf(out, "\\u%04x", *at);
        return;
    }
    fwrite(at, 1, n, out);
}

void
json_text(FILE *out, const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + size;

    fputc('"', out);
    while (at < end) {
        size_t n = utf8_length(at, (size_t)(end - at));

        json_character(out, at, n);
        at += n > 0 ? n : 1;
    }
    fputc('"', out);
}
