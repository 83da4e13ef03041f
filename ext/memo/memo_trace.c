#include "memo/memo_trace.h"

#include <string.h>

#include "memo/shelf_type.h"
#include "trace/tracer.h"

/* Metadata begin with it; python/cjoblib/_memorized.py writes them. */
static const char duration_name[] = "{\"duration\": ";

static struct cj_field
text_field(const char *name, const char *text, size_t size)
{
    return (struct cj_field){.name = name, .kind = CJ_FIELD_TEXT, .text = {text, size}};
}

/* The function's name out of its folder, "cjoblib/<function>/<version>". */
static struct cj_field
function_field(PyObject *shelf)
{
    const char *path = cj_shelf_path(shelf_of_object(shelf));
    const char *begin = strchr(path, '/'), *end = strrchr(path, '/');

    begin = begin ? begin + 1 : path;
    return text_field("function", begin, end > begin ? (size_t)(end - begin) : 0);
}

void
memo_trace_step(struct core_state *state, PyObject *shelf, const char *step,
                int64_t begin_ns, size_t n_bytes)
{
    struct cj_field fields[] = {
        function_field(shelf),
        {.name = "bytes", .kind = CJ_FIELD_NUMBER, .number = (int64_t)n_bytes},
    };

    tracer_span(state, step, begin_ns, fields, n_bytes > 0 ? 2 : 1);
}

static void
key_text(const uint8_t key[CJ_KEY_BYTES], char ret_text[2 * CJ_KEY_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < CJ_KEY_BYTES; i++) {
        ret_text[2 * i] = digits[key[i] >> 4];
        ret_text[2 * i + 1] = digits[key[i] & 15];
    }
}

void
memo_trace_call(struct core_state *state, PyObject *shelf,
                const uint8_t key[CJ_KEY_BYTES], int64_t begin_ns, double saved_s)
{
    const char *outcome = saved_s < 0 ? "miss" : "hit";
    char text[2 * CJ_KEY_BYTES];
    struct cj_field fields[] = {
        function_field(shelf),
        text_field("key", text, sizeof(text)),
        text_field("outcome", outcome, strlen(outcome)),
        {.name = "saved", .kind = CJ_FIELD_REAL, .real = saved_s},
    };

    key_text(key, text);
    tracer_span(state, "call", begin_ns, fields, saved_s < 0 ? 3 : 4);
}

double
memo_trace_duration(const struct cj_entry *entry)
{
    size_t skip = sizeof(duration_name) - 1, n;
    char digits[32], *end;
    double seconds;

    if (entry->meta.size <= skip ||
        memcmp(entry->meta.data, duration_name, skip) != 0) {
        return 0;
    }
    n = entry->meta.size - skip;
    n = n < sizeof(digits) - 1 ? n : sizeof(digits) - 1;
    memcpy(digits, (const char *)entry->meta.data + skip, n);
    digits[n] = '\0';
    seconds = PyOS_string_to_double(digits, &end, NULL);
    if (end == digits) {
        PyErr_Clear();
        return 0;
    }
    return seconds;
}
