/* From the names in a stream to objects:
 *
 *     hooks -> names of Python 2 -> policy -> find_class or import -> attributes ->
 * policy
 */

#include "pickle/unpickler.h"

/* A global as the stream names it, and as it is called here. All references are owned.
 */
struct global_name {
    PyObject *module;
    PyObject *name;
};

static void
global_name_done(struct global_name *global)
{
    Py_CLEAR(global->module);
    Py_CLEAR(global->name);
}

/* The attributes of `_compat_pickle`, once. */
static int
find_mapping(PyObject **slot, const char *attribute)
{
    PyObject *module, *mapping;

    if (compat_slot_get(slot)) {
        return 0;
    }
    module = PyImport_ImportModule("_compat_pickle");
    mapping = module ? PyObject_GetAttrString(module, attribute) : NULL;
    Py_XDECREF(module);
    if (!mapping) {
        return -1;
    }
    if (!PyDict_CheckExact(mapping)) {
        PyErr_Format(PyExc_RuntimeError, "_compat_pickle.%s is not a dict", attribute);
        Py_DECREF(mapping);
        return -1;
    }
    compat_slot_set(slot, mapping);
    return 0;
}

/* Take what NAME_MAPPING has: a tuple (module, name). */
static int
global_take_pair(struct global_name *global, PyObject *pair)
{
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
        !PyUnicode_Check(PyTuple_GET_ITEM(pair, 0)) ||
        !PyUnicode_Check(PyTuple_GET_ITEM(pair, 1))) {
        PyErr_Format(PyExc_RuntimeError, "_compat_pickle.NAME_MAPPING holds %R", pair);
        return -1;
    }
    Py_SETREF(global->module, Py_NewRef(PyTuple_GET_ITEM(pair, 0)));
    Py_SETREF(global->name, Py_NewRef(PyTuple_GET_ITEM(pair, 1)));
    return 0;
}

static int
global_take_module(struct global_name *global, PyObject *module)
{
    if (!PyUnicode_Check(module)) {
        PyErr_Format(PyExc_RuntimeError, "_compat_pickle.IMPORT_MAPPING holds %R",
                     module);
        return -1;
    }
    Py_SETREF(global->module, Py_NewRef(module));
    return 0;
}

/* Replace a name of Python 2 by that of Python 3. */
static int
global_map(struct unpickler *unpickler, struct global_name *global)
{
    struct core_state *state = unpickler->state;
    PyObject *key, *found;

    if (unpickler->protocol >= 3 || !unpickler->fix_imports) {
        return 0;
    }
    if (find_mapping(&state->name_mapping, "NAME_MAPPING") < 0 ||
        find_mapping(&state->import_mapping, "IMPORT_MAPPING") < 0) {
        return -1;
    }
    key = PyTuple_Pack(2, global->module, global->name);
    found = key ? PyDict_GetItemWithError(state->name_mapping, key) : NULL;
    Py_XDECREF(key);
    if (found) {
        return global_take_pair(global, found);
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    found = PyDict_GetItemWithError(state->import_mapping, global->module);
    if (found) {
        return global_take_module(global, found);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* What is decided before any import: 1, or 2 when a `*` led there; -1 when refused. */
static int
global_allow(struct unpickler *unpickler, const struct global_name *global)
{
    int r = find_policy_match(&unpickler->policy, global->module, global->name);

    if (r == 0) {
        return unpickler_refuse(unpickler, "global '%U.%U' is not allowed",
                                global->module, global->name);
    }
    return r;
}

/* Both names as they are called here, allowed: as global_allow(). */
static int
global_init(struct unpickler *unpickler, PyObject *module, PyObject *name,
            struct global_name *ret_global)
{
    struct global_name global = {Py_NewRef(module), Py_NewRef(name)};
    int r = global_map(unpickler, &global);

    if (r == 0) {
        r = global_allow(unpickler, &global);
    }
    if (r < 0) {
        global_name_done(&global);
        return -1;
    }
    *ret_global = global;
    return r;
}

/* One step along a dotted name. Under a policy the way leads through classes only. */
static PyObject *
global_step(struct unpickler *unpickler, PyObject *from, PyObject *part,
            const struct global_name *global, int is_first)
{
    if (!is_first && unpickler->policy.patterns && !PyType_Check(from)) {
        unpickler_refuse(unpickler,
                         "global '%U.%U' is not allowed: it leads through a %s",
                         global->module, global->name, Py_TYPE(from)->tp_name);
        return NULL;
    }
    if (PyUnicode_CompareWithASCIIString(part, "<locals>") == 0) {
        return PyErr_Format(PyExc_AttributeError, "Can't get local attribute %R on %R",
                            global->name, from);
    }
    return PyObject_GetAttr(from, part);
}

/* The attribute `a.b.c` of the module. */
static PyObject *
global_walk(struct unpickler *unpickler, PyObject *module,
            const struct global_name *global)
{
    PyObject *dot = PyUnicode_FromString(".");
    PyObject *parts = dot ? PyUnicode_Split(global->name, dot, -1) : NULL;
    PyObject *object = parts ? Py_NewRef(module) : NULL;

    for (Py_ssize_t i = 0; object && i < PyList_GET_SIZE(parts); i++) {
        PyObject *next =
            global_step(unpickler, object, PyList_GET_ITEM(parts, i), global, i == 0);

        Py_SETREF(object, next);
    }
    Py_XDECREF(parts);
    Py_XDECREF(dot);
    return object;
}

static PyObject *
global_import(struct unpickler *unpickler, const struct global_name *global)
{
    PyObject *module = PyImport_Import(global->module);
    PyObject *object;

    if (!module) {
        return NULL;
    }
    if (unpickler->protocol >= 4) {
        object = global_walk(unpickler, module, global);
    }
    else {
        object = PyObject_GetAttr(module, global->name);
    }
    Py_DECREF(module);
    return object;
}

/* Whether the object that was found may be used; `match` is what global_allow() said.
 */
static int
global_judge(struct unpickler *unpickler, const struct global_name *global,
             PyObject *object, int match)
{
    int r = 1;

    if (!unpickler->policy.patterns) {
        return 0;
    }
    if (PyModule_Check(object)) {
        r = 0;
    }
    else if (match == 2) {
        r = find_policy_judge(&unpickler->policy, object);
    }
    if (r == 0) {
        return unpickler_refuse(unpickler, "global '%U.%U' is not allowed: it is %R",
                                global->module, global->name, object);
    }
    return r < 0 ? -1 : 0;
}

PyObject *
unpickler_find_class(struct unpickler *unpickler, PyObject *module, PyObject *name)
{
    struct global_name global;
    PyObject *object;
    int match;

    if (PySys_Audit("pickle.find_class", "OO", module, name) < 0) {
        return NULL;
    }
    match = global_init(unpickler, module, name, &global);
    if (match < 0) {
        return NULL;
    }
    object = global_import(unpickler, &global);
    if (object && global_judge(unpickler, &global, object, match) < 0) {
        Py_CLEAR(object);
    }
    global_name_done(&global);
    return object;
}

/* The policy decides also about what somebody else's find_class will be asked for. */
static PyObject *
find_by_caller(struct unpickler *unpickler, PyObject *module, PyObject *name)
{
    struct global_name global;

    if (unpickler->policy.patterns) {
        if (global_init(unpickler, module, name, &global) < 0) {
            return NULL;
        }
        global_name_done(&global);
    }
    return PyObject_CallFunctionObjArgs(unpickler->find_class, module, name, NULL);
}

static PyObject *
find_unrecorded(struct unpickler *unpickler, PyObject *module, PyObject *name)
{
    if (unpickler->hooks && unpickler->hooks->find_global) {
        PyObject *object = NULL;
        int r = unpickler->hooks->find_global(unpickler, module, name, &object);

        if (r) {
            return r < 0 ? NULL : object;
        }
    }
    if (unpickler->find_class) {
        return find_by_caller(unpickler, module, name);
    }
    return unpickler_find_class(unpickler, module, name);
}

PyObject *
unpickler_find_global(struct unpickler *unpickler, PyObject *module, PyObject *name)
{
    PyObject *object;

    unpickler_leave_loop(unpickler);
    object = find_unrecorded(unpickler, module, name);
    unpickler_enter_loop(unpickler);
    if (object && find_policy_admit(&unpickler->policy, object) < 0) {
        Py_CLEAR(object);
    }
    return object;
}

int
unpickler_check_call(struct unpickler *unpickler, PyObject *object)
{
    int r = find_policy_knows(&unpickler->policy, object);

    if (r == 0) {
        return unpickler_refuse(unpickler, "calling a %.100s is not allowed",
                                Py_TYPE(object)->tp_name);
    }
    return r < 0 ? -1 : 0;
}
