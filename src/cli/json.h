/* Writing JSON (RFC 8259). */

#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stddef.h>
#include <stdio.h>

/* A string with its quotes. Bytes that are not UTF-8 are written as U+FFFD. */
void json_text(FILE *out, const char *text, size_t size);

#endif
