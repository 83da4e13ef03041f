#include "pickle/unpickler_module.h"

#include "pickle/unpickler.h"
#include "pickle/unpickler_type.h"

int
unpickler_state_ready(struct core_state *state)
{
    PyObject *pickle, *error;

    if (compat_slot_get(&state->unpickling_error)) {
        return 0;
    }
    pickle = PyImport_ImportModule("pickle");
    error = pickle ? PyObject_GetAttrString(pickle, "UnpicklingError") : NULL;
    Py_XDECREF(pickle);
    if (!error) {
        return -1;
    }
    compat_slot_set(&state->unpickling_error, error);
    return 0;
}

static int
loads_fix_imports(struct unpickler_options *options, PyObject *value)
{
    options->fix_imports = PyObject_IsTrue(value);
    return options->fix_imports < 0 ? -1 : 0;
}

/* The str option `value`. */
static int
loads_text(PyObject **option, PyObject *name, PyObject *value)
{
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "pickle_loads(): %U must be str, not %.100s",
                     name, Py_TYPE(value)->tp_name);
        return -1;
    }
    *option = value;
    return 0;
}

static int
loads_keyword(struct unpickler_options *options, PyObject *name, PyObject *value)
{
    if (PyUnicode_CompareWithASCIIString(name, "fix_imports") == 0) {
        return loads_fix_imports(options, value);
    }
    if (PyUnicode_CompareWithASCIIString(name, "encoding") == 0) {
        return loads_text(&options->encoding, name, value);
    }
    if (PyUnicode_CompareWithASCIIString(name, "errors") == 0) {
        return loads_text(&options->errors, name, value);
    }
    if (PyUnicode_CompareWithASCIIString(name, "buffers") == 0) {
        options->buffers = value;
        return 0;
    }
    if (PyUnicode_CompareWithASCIIString(name, "allow") == 0) {
        options->allow = value;
        return 0;
    }
    if (PyUnicode_CompareWithASCIIString(name, "find_class") == 0) {
        options->find_class = value;
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "pickle_loads() got an unexpected keyword argument '%U'", name);
    return -1;
}

/* All keywords of a vectorcall; *ret_data is the one positional argument. */
static int
loads_parse(PyObject *const *args, Py_ssize_t n_args, PyObject *keywords,
            struct unpickler_options *options)
{
    Py_ssize_t n = keywords ? PyTuple_GET_SIZE(keywords) : 0;

    if (n_args != 1) {
        PyErr_Format(PyExc_TypeError,
                     "pickle_loads() takes 1 positional argument but %zd were given",
                     n_args);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (loads_keyword(options, PyTuple_GET_ITEM(keywords, i), args[n_args + i]) <
            0) {
            return -1;
        }
    }
    return 0;
}

PyDoc_STRVAR(
    pickle_loads_doc,
    "pickle_loads($module, data, /, *, fix_imports=True, encoding='ASCII', "
    "errors='strict', buffers=None, allow=None, find_class=None)\n--\n\n"
    "The object in a bytes-like object, as pickle.loads() has it.\n\n"
    "`allow` is as of Unpickler; find_class(module, name) is called for the names\n"
    "that it passes.");

static PyObject *
pickle_loads(PyObject *module, PyObject *const *args, Py_ssize_t n_args,
             PyObject *keywords)
{
    struct unpickler_options options = UNPICKLER_OPTIONS_INIT;
    struct core_state *state = core_state(module);
    struct unpickler unpickler;
    PyObject *value = NULL;

    if (loads_parse(args, n_args, keywords, &options) < 0 ||
        unpickler_state_ready(state) < 0 ||
        unpickler_init(&unpickler, state, &options) < 0) {
        return NULL;
    }
    if (source_of_buffer(&unpickler.source, args[0]) == 0) {
        value = unpickler_load(&unpickler);
    }
    unpickler_done(&unpickler);
    return value;
}

static PyMethodDef unpickler_functions[] = {
    {"pickle_loads", (PyCFunction)(void (*)(void))pickle_loads,
     METH_FASTCALL | METH_KEYWORDS, pickle_loads_doc},
    {NULL, NULL, 0, NULL},
};

/* Names that are looked up for every object, interned. */
static int
unpickler_intern(struct core_state *state)
{
    const struct {
        PyObject **slot;
        const char *name;
    } names[] = {
        {&state->str_setstate, "__setstate__"},
        {&state->str_dict, "__dict__"},
        {&state->str_extend, "extend"},
        {&state->str_append, "append"},
        {&state->str_add, "add"},
        {&state->str_find_class, "find_class"},
        {&state->str_persistent_load, "persistent_load"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        *names[i].slot = PyUnicode_InternFromString(names[i].name);
        if (!*names[i].slot) {
            return -1;
        }
    }
    return 0;
}

int
unpickler_module_exec(PyObject *module)
{
    struct core_state *state = core_state(module);

    state->unpickler_type =
        PyType_FromModuleAndSpec(module, &unpickler_type_spec, NULL);
    state->unpickler_memo_type =
        PyType_FromModuleAndSpec(module, &unpickler_memo_type_spec, NULL);
    if (!state->unpickler_type || !state->unpickler_memo_type ||
        PyModule_AddType(module, (PyTypeObject *)state->unpickler_type) < 0 ||
        unpickler_intern(state) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, unpickler_functions);
}
