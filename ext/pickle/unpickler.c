#include "pickle/unpickler.h"

#include <string.h>

#include "pickle/load_hot.h"
#include "pickle/load_ops.h"

/* One opcode. */
static inline int
unpickler_step(struct unpickler *unpickler, uint8_t op)
{
    switch (op) {
#define STEP_CASE(code, name, function) \
    case code:                          \
        return function(unpickler);
        LOAD_HOT_OPS(STEP_CASE)
        LOAD_COLD_OPS(STEP_CASE)
#undef STEP_CASE
    default:
        return unpickler_refuse(unpickler, "invalid load key, '\\x%02x'", op);
    }
}

static int
unpickler_ended(struct unpickler *unpickler, int r)
{
    unpickler->op = 0;
    if (r < 0) {
        return -1;
    }
    if (unpickler->source.frame_left) {
        return unpickler_refuse(unpickler,
                                "pickle data was truncated: a frame has %llu "
                                "bytes more",
                                (unsigned long long)unpickler->source.frame_left);
    }
    return unpickler_fail(unpickler, PyExc_EOFError, "Ran out of input");
}

static int
unpickler_run(struct unpickler *unpickler)
{
    struct source *source = &unpickler->source;
    int r;

    do {
        unpickler->op_offset = source_offset(source);
        if (source_here(source) == 0) {
            r = load_more(unpickler, 1);
            if (r) {
                return unpickler_ended(unpickler, r);
            }
        }
        unpickler->op = *source->at++;
        r = unpickler_step(unpickler, unpickler->op);
    } while (r == 0);
    return r < 0 ? -1 : 0;
}

PyObject *
unpickler_load(struct unpickler *unpickler)
{
    PyObject *value = NULL;
    int r;

    unpickler_enter_loop(unpickler);
    r = unpickler_run(unpickler);
    unpickler_leave_loop(unpickler);
    if (r == 0) {
        value = load_pop_value(unpickler);
        if (source_settle(&unpickler->source) < 0) {
            Py_CLEAR(value);
        }
    }
    unpickler->op = 0;
    load_stack_clear(&unpickler->stack);
    return value;
}

/* A str option: *ret_object keeps *ret_name alive. Without one the default stays. */
static int
option_text(PyObject *option, PyObject **ret_object, const char **ret_name)
{
    const char *name;

    if (!option) {
        return 0;
    }
    name = PyUnicode_AsUTF8(option);
    if (!name) {
        return -1;
    }
    *ret_object = Py_NewRef(option);
    *ret_name = name;
    return 0;
}

static int
option_buffers(PyObject *option, PyObject **ret_iterator)
{
    if (option && option != Py_None) {
        *ret_iterator = PyObject_GetIter(option);
        return *ret_iterator ? 0 : -1;
    }
    return 0;
}

static int
unpickler_set_options(struct unpickler *unpickler,
                      const struct unpickler_options *options)
{
    if (options->find_class && options->find_class != Py_None) {
        unpickler->find_class = Py_NewRef(options->find_class);
    }
    if (find_policy_init(&unpickler->policy, options->allow) < 0 ||
        option_buffers(options->buffers, &unpickler->buffers) < 0 ||
        option_text(options->encoding, &unpickler->encoding,
                    &unpickler->encoding_name) < 0 ||
        option_text(options->errors, &unpickler->errors, &unpickler->errors_name) < 0) {
        return -1;
    }
    if (strcmp(unpickler->encoding_name, "bytes") == 0) {
        unpickler->encoding_name = NULL;
    }
    unpickler->fix_imports = options->fix_imports;
    return 0;
}

int
unpickler_init(struct unpickler *unpickler, struct core_state *state,
               const struct unpickler_options *options)
{
    *unpickler = (struct unpickler){
        .state = state,
        .encoding_name = "ASCII",
        .errors_name = "strict",
    };
    source_of_stream(&unpickler->source, NULL, NULL);
    if (unpickler_set_options(unpickler, options) < 0) {
        unpickler_done(unpickler);
        return -1;
    }
    return 0;
}

void
unpickler_done(struct unpickler *unpickler)
{
    load_stack_done(&unpickler->stack);
    load_memo_done(&unpickler->memo);
    source_done(&unpickler->source);
    find_policy_done(&unpickler->policy);
    Py_CLEAR(unpickler->find_class);
    Py_CLEAR(unpickler->persistent_load);
    Py_CLEAR(unpickler->buffers);
    Py_CLEAR(unpickler->encoding);
    Py_CLEAR(unpickler->errors);
}

int
unpickler_traverse(struct unpickler *unpickler, visitproc visit, void *arg)
{
    /* While it runs somebody holds it, and what its stack and memo hold is then alive
     * to the collector without being shown; a memo may be long. */
    if (unpickler->op) {
        return 0;
    }
    Py_VISIT(unpickler->find_class);
    Py_VISIT(unpickler->persistent_load);
    Py_VISIT(unpickler->buffers);
    if (find_policy_traverse(&unpickler->policy, visit, arg) ||
        load_memo_traverse(&unpickler->memo, visit, arg)) {
        return 1;
    }
    return source_traverse(&unpickler->source, visit, arg);
}
