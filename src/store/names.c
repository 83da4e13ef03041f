#include "store/names.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "cjoblib/digest.h"

/* "%~" and a digest. */
#define NAME_TAIL_BYTES (2 + 2 * CJ_KEY_BYTES)

static const char name_digits[] = "0123456789abcdef";

static bool
name_digit_value(char digit, uint8_t *ret_value)
{
    const char *found = digit ? strchr(name_digits, digit) : NULL;

    if (found) {
        *ret_value = (uint8_t)(found - name_digits);
    }
    return found != NULL;
}

void
name_of_key(const uint8_t key[CJ_KEY_BYTES], char ret_name[NAME_KEY_BYTES])
{
    for (size_t i = 0; i < CJ_KEY_BYTES; i++) {
        ret_name[2 * i] = name_digits[key[i] >> 4];
        ret_name[2 * i + 1] = name_digits[key[i] & 15];
    }
    ret_name[NAME_KEY_BYTES - 1] = '\0';
}

bool
name_to_key(const char *name, uint8_t ret_key[CJ_KEY_BYTES])
{
    uint8_t key[CJ_KEY_BYTES], high, low;

    if (strlen(name) != NAME_KEY_BYTES - 1) {
        return false;
    }
    for (size_t i = 0; i < CJ_KEY_BYTES; i++) {
        if (!name_digit_value(name[2 * i], &high) ||
            !name_digit_value(name[2 * i + 1], &low)) {
            return false;
        }
        key[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(ret_key, key, sizeof(key));
    return true;
}

static bool
name_byte_is_plain(char byte)
{
    return byte >= ' ' && byte <= '~' && byte != '%' && byte != '/';
}

static bool
name_is_hex(const char *text, size_t size)
{
    uint8_t value;

    for (size_t i = 0; i < size; i++) {
        if (!name_digit_value(text[i], &value)) {
            return false;
        }
    }
    return true;
}

/* Whether the first byte must not stay although it is plain. */
static bool
name_start_is_taken(const char *component, size_t size)
{
    return component[0] == '.' ||
           (size == NAME_KEY_BYTES - 1 && name_is_hex(component, size));
}

static char *
name_put_byte(char *to, char byte, bool plain)
{
    if (plain) {
        *to++ = byte;
        return to;
    }
    *to++ = '%';
    *to++ = name_digits[(uint8_t)byte >> 4];
    *to++ = name_digits[(uint8_t)byte & 15];
    return to;
}

/* Write one component, at most 3 * `size` bytes; where it ends. */
static char *
name_put_component(char *to, const char *component, size_t size)
{
    bool start_is_taken = name_start_is_taken(component, size);
    uint8_t digest[CJ_KEY_BYTES];
    char hex[NAME_KEY_BYTES];
    char *end = to;

    for (size_t i = 0; i < size; i++) {
        end = name_put_byte(end, component[i],
                            name_byte_is_plain(component[i]) &&
                                !(i == 0 && start_is_taken));
    }
    if (end - to <= NAME_MAX_BYTES) {
        return end;
    }
    cj_xxh128(component, size, digest);
    name_of_key(digest, hex);
    end = to + NAME_MAX_BYTES - NAME_TAIL_BYTES;
    memcpy(end, "%~", 2);
    memcpy(end + 2, hex, sizeof(hex) - 1);
    return to + NAME_MAX_BYTES;
}

int
name_escape(const char *function, char **ret_path)
{
    AUTO(mem_free_p) char *path = mem_alloc(3 * strlen(function) + 1);
    char *end = path;
    size_t n;

    if (!path) {
        return -ENOMEM;
    }
    for (int depth = 1;; depth++) {
        n = depth < NAME_MAX_DEPTH ? strcspn(function, "/") : strlen(function);
        if (n == 0) {
            return -EINVAL;
        }
        end = name_put_component(end, function, n);
        function += n;
        if (!*function) {
            break;
        }
        *end++ = '/';
        function++;
    }
    *end = '\0';
    *ret_path = TAKE_PTR(path);
    return 0;
}

bool
name_is_escaped(const char *component)
{
    size_t size = strlen(component);

    if (size == 0 || size > NAME_MAX_BYTES || name_start_is_taken(component, size)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (component[i] != '%' && !name_byte_is_plain(component[i])) {
            return false;
        }
    }
    return true;
}
