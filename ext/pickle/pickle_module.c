#include "pickle/pickle_module.h"

#include <stdarg.h>

#include "arguments.h"
#include "pickle/joblib_hash.h"
#include "pickle/pickler.h"
#include "pickle/pickler_type.h"

PyObject *
pickle_import(PyObject **kept, const char *module, const char *name)
{
    PyObject *from;
    PyObject *value;

    if (*kept) {
        return *kept;
    }
    from = PyImport_ImportModule(module);
    value = from ? PyObject_GetAttrString(from, name) : NULL;
    Py_XDECREF(from);
    /* The import may have come here by another way. */
    if (value) {
        Py_XSETREF(*kept, value);
    }
    return value;
}

int
pickle_error(struct core_state *state, const char *format, ...)
{
    PyObject *type =
        pickle_import(&state->pickle_error_type, "_pickle", "PicklingError");
    va_list values;

    if (type) {
        va_start(values, format);
        PyErr_FormatV(type, format, values);
        va_end(values);
    }
    return -1;
}

PyDoc_STRVAR(pickle_dumps_doc,
             "pickle_dumps($module, /, obj, protocol=None, *, fix_imports=True,\n"
             "             buffer_callback=None, by_value=False)\n--\n\n"
             "The pickle of an object as bytes. `by_value`: functions and classes that "
             "cannot be\n"
             "imported by name, or are of __main__, are pickled whole, with "
             "cloudpickle's help.");

enum { DUMPS_OBJ, DUMPS_PROTOCOL, DUMPS_FIX, DUMPS_CALLBACK, DUMPS_BY_VALUE, N_DUMPS };

static const char *const dumps_names[] = {
    "obj", "protocol", "fix_imports", "buffer_callback", "by_value", NULL};

static const struct arguments_spec dumps_spec = {"pickle_dumps", dumps_names, 2, 1};

/* A truth value that may not be given. */
static int
flag_of(PyObject *value, int otherwise)
{
    return value ? PyObject_IsTrue(value) : otherwise;
}

static PyObject *
dumps_with(struct core_state *state, int protocol, PyObject *const *slots,
           int fix_imports, int by_value)
{
    PyObject *callback = slots[DUMPS_CALLBACK];
    PyObject *bytes = NULL;
    struct pickler p;

    pickler_init(&p, state, protocol);
    sink_init_memory(&p.sink);
    p.fix_imports = fix_imports;
    p.by_value = by_value;
    p.buffer_callback = callback != Py_None ? callback : NULL;
    if (pickler_dump(&p, slots[DUMPS_OBJ]) == 0) {
        bytes = sink_take_bytes(&p.sink);
    }
    pickler_done(&p);
    return bytes;
}

static PyObject *
pickle_dumps(PyObject *module, PyObject *const *args, Py_ssize_t n_args,
             PyObject *names)
{
    PyObject *slots[N_DUMPS];
    int protocol, fix_imports, by_value;

    if (arguments_sort(&dumps_spec, args, n_args, names, slots) < 0) {
        return NULL;
    }
    protocol = pickler_protocol(slots[DUMPS_PROTOCOL]);
    if (protocol < 0 || pickler_check_callback(protocol, slots[DUMPS_CALLBACK]) < 0) {
        return NULL;
    }
    fix_imports = flag_of(slots[DUMPS_FIX], 1);
    by_value = flag_of(slots[DUMPS_BY_VALUE], 0);
    if (fix_imports < 0 || by_value < 0) {
        return NULL;
    }
    return dumps_with(core_state(module), protocol, slots, fix_imports, by_value);
}

static PyMethodDef pickle_functions[] = {
    {"pickle_dumps", (PyCFunction)(void (*)(void))pickle_dumps,
     METH_FASTCALL | METH_KEYWORDS, pickle_dumps_doc},
    {"joblib_hash", (PyCFunction)(void (*)(void))joblib_hash,
     METH_FASTCALL | METH_KEYWORDS, joblib_hash_doc},
    {NULL, NULL, 0, NULL},
};

static int
names_make(struct core_state *state)
{
#define NAME_MAKE(X, field, text)                    \
    state->field = PyUnicode_InternFromString(text); \
    if (!state->field) {                             \
        return -1;                                   \
    }
    PICKLE_NAMES(NAME_MAKE, )
#undef NAME_MAKE
    return 0;
}

int
pickle_exec(PyObject *module)
{
    struct core_state *state = core_state(module);

    if (names_make(state) < 0 ||
        !pickle_import(&state->getattr_function, "builtins", "getattr") ||
        !pickle_import(&state->pickle_dispatch_table, "copyreg", "dispatch_table") ||
        !pickle_import(&state->extension_registry, "copyreg", "_extension_registry") ||
        core_add_type(module, &pickler_type_spec, &state->pickler_type) < 0 ||
        core_add_type(module, &pickler_memo_spec, &state->pickler_memo_type) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, pickle_functions);
}
