/* Functions, classes and singletons: by module and name. */

#include "pickle/pickle_module.h"
#include "pickle/pickler.h"

/* How an object is found again: `module`.`name`, and `path` = name.split("."). */
struct global {
    PyObject *module;
    PyObject *name;
    PyObject *path;
};

static void
global_done(struct global *global)
{
    Py_CLEAR(global->module);
    Py_CLEAR(global->name);
    Py_CLEAR(global->path);
}

/* The object that the dotted path leads to from `start`: 1 and a new reference; 0:
 * nothing there; -1. `<locals>` leads nowhere. */
static int
path_follow(struct core_state *state, PyObject *start, PyObject *path,
            PyObject **ret_obj)
{
    PyObject *at = Py_NewRef(start);
    int found = 1;

    for (Py_ssize_t i = 0; found == 1 && i < PyList_GET_SIZE(path); i++) {
        PyObject *name = PyList_GET_ITEM(path, i);
        PyObject *next = NULL;

        found = PyUnicode_Compare(name, state->name_locals) == 0
                    ? 0
                    : compat_find_attr(at, name, &next);
        Py_DECREF(at);
        at = next;
    }
    if (found == 1) {
        *ret_obj = at;
    }
    return found;
}

/* Whether `path` leads from `module` to `obj` itself. 1, 0, -1. */
static int
module_has(struct core_state *state, PyObject *module, PyObject *path, PyObject *obj)
{
    PyObject *there;
    int found = path_follow(state, module, path, &there);

    if (found == 1) {
        Py_DECREF(there);
        found = there == obj;
    }
    return found;
}

/* The name of the loaded module that has `obj`, or "__main__". */
static PyObject *
module_search(struct core_state *state, PyObject *path, PyObject *obj)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *copy = modules ? PyDict_Copy(modules) : NULL;
    PyObject *name, *module, *found = NULL;
    Py_ssize_t at = 0;
    int r = copy ? 0 : -1;

    while (r == 0 && PyDict_Next(copy, &at, &name, &module)) {
        if (module == Py_None ||
            (PyUnicode_Check(name) && PyUnicode_Compare(name, state->name_main) == 0)) {
            continue;
        }
        r = module_has(state, module, path, obj);
        found = r == 1 ? name : NULL;
    }
    found = r < 0 ? NULL : Py_NewRef(found ? found : state->name_main);
    Py_XDECREF(copy);
    return found;
}

static PyObject *
global_module(struct core_state *state, PyObject *path, PyObject *obj)
{
    PyObject *module;
    int found = compat_find_attr(obj, state->name_module, &module);

    if (found == 1 && module != Py_None) {
        return module;
    }
    if (found == 1) {
        Py_DECREF(module);
    }
    return found < 0 ? NULL : module_search(state, path, obj);
}

static PyObject *
global_name(struct core_state *state, PyObject *obj)
{
    PyObject *name;
    int found = compat_find_attr(obj, state->name_qualname, &name);

    if (found == 1 && name == Py_None) {
        Py_CLEAR(name);
        found = 0;
    }
    return found == 0 ? PyObject_GetAttr(obj, state->name_name) : name;
}

static int
global_init(struct global *global, struct core_state *state, PyObject *obj,
            PyObject *name)
{
    global->module = NULL;
    global->path = NULL;
    global->name = name ? Py_NewRef(name) : global_name(state, obj);
    if (global->name && PyUnicode_Check(global->name)) {
        global->path = PyUnicode_Split(global->name, state->name_dot, -1);
    }
    else if (global->name) {
        pickle_error(state, "Can't pickle %R: its name %R is not a string", obj,
                     global->name);
    }
    if (global->path) {
        global->module = global_module(state, global->path, obj);
    }
    if (global->module && !PyUnicode_Check(global->module)) {
        pickle_error(state, "Can't pickle %R: its module %R is not a string", obj,
                     global->module);
        Py_CLEAR(global->module);
    }
    if (!global->module) {
        global_done(global);
        return -1;
    }
    return 0;
}

/* What is there under the global's name: 1 and a new reference, 0 nothing, -1. */
static int
global_find(struct core_state *state, const struct global *global, PyObject **ret_obj)
{
    PyObject *module = PyImport_GetModule(global->module);
    int found;

    if (!module && !PyErr_Occurred()) {
        module = PyImport_Import(global->module);
    }
    if (!module) {
        if (!PyErr_ExceptionMatches(PyExc_ImportError) &&
            !PyErr_ExceptionMatches(PyExc_ValueError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    found = path_follow(state, module, global->path, ret_obj);
    Py_DECREF(module);
    return found;
}

/* 1: the name leads to `obj`; 0: it does not, and *ret_why says so; -1. */
static int
global_check(struct core_state *state, const struct global *global, PyObject *obj,
             const char **ret_why)
{
    PyObject *there;
    int found = global_find(state, global, &there);

    *ret_why = "it's not found as";
    if (found == 1) {
        Py_DECREF(there);
        found = there == obj;
        *ret_why = "it's not the same object as";
    }
    return found;
}

/* --- writing -------------------------------------------------------------------------
 */

static int
extension_put(struct pickler *p, long code)
{
    char bytes[5];

    if (code <= 0 || code > INT32_MAX) {
        PyErr_Format(PyExc_RuntimeError, "extension code %ld is out of range", code);
        return -1;
    }
    put_u32(bytes + 1, (uint32_t)code);
    bytes[0] = (char)(code < 256 ? OP_EXT1 : code < 65536 ? OP_EXT2 : OP_EXT4);
    return sink_put(&p->sink, bytes, code < 256 ? 2 : code < 65536 ? 3 : 5);
}

/* 1: the global has a code in copyreg's registry, which is written; 0: it has none; -1.
 */
static int
global_put_extension(struct pickler *p, const struct global *global)
{
    PyObject *key, *code;
    long number;
    int found;

    if (p->protocol < 2 || PyDict_GET_SIZE(p->state->extension_registry) == 0) {
        return 0;
    }
    key = PyTuple_Pack(2, global->module, global->name);
    found = key ? compat_dict_find(p->state->extension_registry, key, &code) : -1;
    Py_XDECREF(key);
    if (found != 1) {
        return found;
    }
    number = PyLong_AsLong(code);
    Py_DECREF(code);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    return extension_put(p, number) < 0 ? -1 : 1;
}

/* The names that Python 2 has for them. New references in place of the given ones. */
static int
global_rename(struct core_state *state, PyObject **module, PyObject **name)
{
    PyObject *names = pickle_import(&state->reverse_name_mapping, "_compat_pickle",
                                    "REVERSE_NAME_MAPPING");
    PyObject *modules = pickle_import(&state->reverse_import_mapping, "_compat_pickle",
                                      "REVERSE_IMPORT_MAPPING");
    PyObject *key = names && modules ? PyTuple_Pack(2, *module, *name) : NULL;
    PyObject *renamed = NULL;
    int found = key ? compat_dict_find(names, key, &renamed) : -1;

    Py_XDECREF(key);
    if (found == 1 && PyTuple_Check(renamed) && PyTuple_GET_SIZE(renamed) == 2) {
        Py_SETREF(*module, Py_NewRef(PyTuple_GET_ITEM(renamed, 0)));
        Py_SETREF(*name, Py_NewRef(PyTuple_GET_ITEM(renamed, 1)));
        Py_DECREF(renamed);
        return 0;
    }
    Py_XDECREF(renamed);
    found = found < 0 ? -1 : compat_dict_find(modules, *module, &renamed);
    if (found == 1) {
        Py_SETREF(*module, renamed);
    }
    return found < 0 ? -1 : 0;
}

static int
lines_put(struct pickler *p, PyObject *module, PyObject *name)
{
    PyObject *text = PyUnicode_FromFormat("c%U\n%U\n", module, name);
    PyObject *bytes = NULL;
    int r = -1;

    if (text && p->protocol < 3 && !PyUnicode_IS_ASCII(text)) {
        pickle_error(p->state,
                     "can't pickle global identifier '%S.%S' using pickle protocol %i",
                     module, name, p->protocol);
    }
    else if (text) {
        bytes = PyUnicode_AsUTF8String(text);
    }
    if (bytes) {
        r = sink_put(&p->sink, PyBytes_AS_STRING(bytes),
                     (size_t)PyBytes_GET_SIZE(bytes));
    }
    Py_XDECREF(text);
    Py_XDECREF(bytes);
    return r;
}

int
save_global_lines(struct pickler *p, PyObject *module, PyObject *name)
{
    int r = 0;

    Py_INCREF(module);
    Py_INCREF(name);
    if (p->protocol < 3 && p->fix_imports) {
        r = global_rename(p->state, &module, &name);
    }
    if (r == 0) {
        r = lines_put(p, module, name);
    }
    Py_DECREF(module);
    Py_DECREF(name);
    return r;
}

static int
lines_step(struct pickler *p, struct work *w)
{
    PyObject *module = w->obj;
    PyObject *name = w->next;
    int r;

    p->n_work--;
    r = save_global_lines(p, module, name);
    Py_DECREF(module);
    Py_DECREF(name);
    return r;
}

/* Push getattr(getattr(module.a, "b"), "c"): the calls first, their arguments after. */
static int
global_push_nested(struct pickler *p, const struct global *global, PyObject *obj)
{
    PyObject *path = global->path;
    Py_ssize_t n = PyList_GET_SIZE(path);
    int r = work_push_memo(p, obj);

    for (Py_ssize_t i = n - 1; r == 0 && i > 0; i--) {
        r = work_push_op(p, OP_REDUCE);
        r = r < 0 ? r : work_push_op(p, p->protocol < 2 ? OP_TUPLE : OP_TUPLE2);
        r = r < 0 ? r : work_push_save(p, PyList_GET_ITEM(path, i));
    }
    if (r == 0 && !work_push(p, lines_step, global->module, PyList_GET_ITEM(path, 0))) {
        r = -1;
    }
    for (Py_ssize_t i = n - 1; r == 0 && i > 0; i--) {
        r = p->protocol < 2 ? work_push_op(p, OP_MARK) : 0;
        r = r < 0 ? r : work_push_save(p, p->state->getattr_function);
    }
    return r;
}

/* getattr(parent, name), as pickle did it up to CPython 3.12. */
static int
global_push_parent(struct pickler *p, const struct global *global, PyObject *obj)
{
    Py_ssize_t n = PyList_GET_SIZE(global->path);
    struct global parent = {global->module, global->name, NULL};
    PyObject *there;
    int found;

    parent.path = PyList_GetSlice(global->path, 0, n - 1);
    found = parent.path ? global_find(p->state, &parent, &there) : -1;
    Py_XDECREF(parent.path);
    if (found != 1) {
        return found < 0 ? -1
                         : pickle_error(p->state, "Can't pickle %R: it has moved", obj);
    }
    found =
        save_call(p, p->state->getattr_function,
                  PyTuple_Pack(2, there, PyList_GET_ITEM(global->path, n - 1)), obj);
    Py_DECREF(there);
    return found;
}

/* Protocol 4: both names as strings, which the memo then knows. */
static int
global_push_names(struct pickler *p, const struct global *global, PyObject *obj)
{
    if (work_push_memo(p, obj) < 0 || work_push_op(p, OP_STACK_GLOBAL) < 0 ||
        work_push_save(p, global->name) < 0) {
        return -1;
    }
    return save(p, global->module);
}

static int
global_put(struct pickler *p, const struct global *global, PyObject *obj)
{
    int r = global_put_extension(p, global);

    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    if (p->protocol >= 4) {
        return global_push_names(p, global, obj);
    }
    if (PyList_GET_SIZE(global->path) > 1) {
        r = p->hooks && p->hooks->nests_by_parent ? p->hooks->nests_by_parent(p) : 0;
        return r < 0 ? -1
               : r   ? global_push_parent(p, global, obj)
                     : global_push_nested(p, global, obj);
    }
    if (save_global_lines(p, global->module, global->name) < 0) {
        return -1;
    }
    return save_memoize(p, obj);
}

/* 1: cloudpickle has said how to save `obj` by value; 0: it has nothing to say; -1. */
static int
global_by_value(struct pickler *p, PyObject *obj)
{
    PyObject *value = cloud_reduce(p, obj);
    int r = -1;

    if (value && PyTuple_Check(value)) {
        r = save_reduce_tuple(p, value, obj) < 0 ? -1 : 1;
    }
    else if (value) {
        r = 0;
    }
    Py_XDECREF(value);
    return r;
}

int
save_global(struct pickler *p, PyObject *obj, PyObject *name)
{
    struct global global;
    const char *why = NULL;
    int r, found;

    if (global_init(&global, p->state, obj, name) < 0) {
        return -1;
    }
    found = r = global_check(p->state, &global, obj, &why);
    if (r >= 0 && p->by_value && (PyType_Check(obj) || PyFunction_Check(obj))) {
        r = found ? cloud_wants_module(p, global.module) : 1;
        r = r == 1 ? global_by_value(p, obj) : r;
        if (r != 0) {
            global_done(&global);
            return r < 0 ? -1 : 0;
        }
    }
    if (r >= 0) {
        r = found ? global_put(p, &global, obj)
                  : pickle_error(p->state, "Can't pickle %R: %s %S.%S", obj, why,
                                 global.module, global.name);
    }
    global_done(&global);
    return r;
}

int
save_type(struct pickler *p, PyObject *obj)
{
    PyObject *singleton = obj == (PyObject *)Py_TYPE(Py_None)       ? Py_None
                          : obj == (PyObject *)Py_TYPE(Py_Ellipsis) ? Py_Ellipsis
                          : obj == (PyObject *)Py_TYPE(Py_NotImplemented)
                              ? Py_NotImplemented
                              : NULL;

    if (singleton) {
        return save_call(p, (PyObject *)&PyType_Type, PyTuple_Pack(1, singleton), obj);
    }
    return save_global(p, obj, NULL);
}
