/* Objects taken apart: what Python itself is made of (classes, functions, modules), and
 * objects that say by a hook what stands for them. The rest is reduce.c's. */

#include <string.h>

#include "hash/hasher.h"

/* What looking up a name or a hook costs, in visits: enough to be remembered. */
#define EXPAND_VISITS 16

static int
parts_set(struct parts *parts, enum tag tag, PyObject *items)
{
    parts->tag = tag;
    parts->items = items;
    return items ? 0 : -1;
}

/* The same thing under the name that another version of Python or NumPy gives it. */
static const struct alias {
    const char *name, *stands_for;
} module_aliases[] = {
    {"pathlib._local", "pathlib"},
    {"numpy._core", "numpy.core"},
    {"numpy.rec", "numpy"},
    {"numpy.ma.core", "numpy.ma"},
};

/* Its alias with what follows it, such as "numpy.core" and ".multiarray". New
 * reference. */
static PyObject *
module_alias(PyObject *module)
{
    const char *name = PyUnicode_AsUTF8(module);

    if (!name) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(module_aliases) / sizeof(module_aliases[0]); i++) {
        const struct alias *alias = &module_aliases[i];
        size_t n = strlen(alias->name);

        if (strncmp(name, alias->name, n) == 0 && (name[n] == 0 || name[n] == '.')) {
            return PyUnicode_FromFormat("%s%s", alias->stands_for, name + n);
        }
    }
    return Py_NewRef(module);
}

PyObject *
global_name(PyObject *module, PyObject *qualname)
{
    bool is_bool = PyUnicode_Check(qualname) &&
                   PyUnicode_CompareWithASCIIString(qualname, "bool") == 0;
    PyObject *home = PyUnicode_Check(module) ? module_alias(module) : Py_NewRef(module);
    PyObject *name;

    if (!home) {
        return NULL;
    }
    if (is_bool && PyUnicode_Check(home) &&
        PyUnicode_CompareWithASCIIString(home, "numpy") == 0) {
        name = Py_BuildValue("(Os)", home, "bool_");
    }
    else {
        name = PyTuple_Pack(2, home, qualname);
    }
    Py_DECREF(home);
    return name;
}

static int
name_of(PyObject *obj, const char *attribute, PyObject **ret_name)
{
    if (compat_optional_attribute(obj, attribute, ret_name) < 0) {
        return -1;
    }
    if (!*ret_name) {
        *ret_name = Py_NewRef(Py_None);
    }
    return 0;
}

/* Both names of a class or function; one that is missing is None. 0 or -1. */
static int
names_of(PyObject *obj, PyObject **ret_module, PyObject **ret_qualname)
{
    if (name_of(obj, "__module__", ret_module) < 0) {
        return -1;
    }
    if (name_of(obj, "__qualname__", ret_qualname) < 0) {
        Py_CLEAR(*ret_module);
        return -1;
    }
    return 0;
}

PyObject *
object_name(PyObject *obj)
{
    PyObject *module, *qualname, *name;

    if (names_of(obj, &module, &qualname) < 0) {
        return NULL;
    }
    name = global_name(module, qualname);
    Py_DECREF(module);
    Py_DECREF(qualname);
    return name;
}

bool
name_is_local(PyObject *name)
{
    return !PyUnicode_Check(name) ||
           PyUnicode_FindChar(name, '<', 0, PyUnicode_GET_LENGTH(name), 1) != -1;
}

/* Follow "A.B.C" from a module: 0 and where it leads, NULL for nowhere; or -1. */
static int
global_follow(PyObject *module, PyObject *names, PyObject **ret_found)
{
    PyObject *found = Py_NewRef(module), *next = NULL;
    int r = 0;

    for (Py_ssize_t i = 0; r == 0 && found && i < PyList_GET_SIZE(names); i++) {
        r = compat_optional_attribute_of(found, PyList_GET_ITEM(names, i), &next);
        Py_SETREF(found, r == 0 ? next : NULL);
    }
    *ret_found = found;
    return r;
}

static int
global_find(PyObject *module, PyObject *qualname, PyObject **ret_found)
{
    PyObject *dot = PyUnicode_FromString(".");
    PyObject *names = dot ? PyUnicode_Split(qualname, dot, -1) : NULL;
    int r = names ? global_follow(module, names, ret_found) : -1;

    Py_XDECREF(dot);
    Py_XDECREF(names);
    return r;
}

/* Does this name lead back to this object? 1, 0, or -1. Only modules that are already
 * imported are asked. */
static int
global_leads_to(PyObject *module, PyObject *qualname, PyObject *obj)
{
    PyObject *home, *found = NULL;
    int r;

    if (!PyUnicode_Check(module) || !PyUnicode_Check(qualname)) {
        return 0;
    }
    home = PyImport_GetModule(module);
    if (!home) {
        return PyErr_Occurred() ? -1 : 0;
    }
    r = global_find(home, qualname, &found);
    Py_DECREF(home);
    Py_XDECREF(found);
    return r < 0 ? -1 : found == obj;
}

/* In `__main__` the name is enough: a worker that rebuilt the class has it under that
 * name, and not in its own `__main__`. */
static int
class_has_name(PyTypeObject *type, PyObject *module, PyObject *qualname)
{
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        return 1;
    }
    if (name_is_local(qualname)) {
        return 0;
    }
    if (PyUnicode_Check(module) &&
        PyUnicode_CompareWithASCIIString(module, "__main__") == 0) {
        return 1;
    }
    return global_leads_to(module, qualname, (PyObject *)type);
}

/* What a class statement or the interpreter adds by itself, differently in each
 * version. */
static bool
class_key_is_noise(PyObject *key)
{
    static const char *const noise[] = {
        "__dict__",
        "__weakref__",
        "__module__",
        "__qualname__",
        "__doc__",
        "__abstractmethods__",
        "_abc_impl",
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__static_attributes__",
        "__firstlineno__",
        "__classdictcell__",
    };

    for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
        if (PyUnicode_CompareWithASCIIString(key, noise[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Members made by C, which the class's name and slots stand for. */
static bool
class_member_is_c(PyObject *member)
{
    PyTypeObject *type = Py_TYPE(member);

    return type == &PyMemberDescr_Type || type == &PyGetSetDescr_Type ||
           type == &PyMethodDescr_Type || type == &PyWrapperDescr_Type ||
           type == &PyClassMethodDescr_Type || type == &PyCFunction_Type;
}

static PyObject *
class_members(PyTypeObject *type)
{
    PyObject *all = compat_type_dict(type), *members = PyDict_New(), *key, *item;
    Py_ssize_t at = 0;

    while (all && members && PyDict_Next(all, &at, &key, &item)) {
        if (PyUnicode_Check(key) && !class_key_is_noise(key) &&
            !class_member_is_c(item) && PyDict_SetItem(members, key, item) < 0) {
            Py_CLEAR(members);
        }
    }
    if (!all) {
        Py_CLEAR(members);
    }
    Py_XDECREF(all);
    return members;
}

static PyObject *
class_content(PyTypeObject *type, PyObject *module, PyObject *qualname)
{
    PyObject *members = class_members(type), *items;

    if (!members) {
        return NULL;
    }
    items = PyTuple_Pack(5, module, qualname, type->tp_bases, members, Py_TYPE(type));
    Py_DECREF(members);
    return items;
}

static int
class_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    PyTypeObject *type = (PyTypeObject *)obj;
    PyObject *module, *qualname;
    int r;

    h->n_visits += EXPAND_VISITS;
    if (names_of(obj, &module, &qualname) < 0) {
        return -1;
    }
    r = class_has_name(type, module, qualname);
    if (r == 1) {
        r = parts_set(ret_parts, TAG_GLOBAL, global_name(module, qualname));
    }
    else if (r == 0) {
        r = parts_set(ret_parts, TAG_CLASS, class_content(type, module, qualname));
    }
    Py_DECREF(module);
    Py_DECREF(qualname);
    return r;
}

/* A tuple of attributes; one that is not there in this version of Python is None. */
static PyObject *
attributes_of(PyObject *obj, const char *const *names, size_t n)
{
    PyObject *items = PyTuple_New((Py_ssize_t)n), *item;

    for (size_t i = 0; items && i < n; i++) {
        if (compat_optional_attribute(obj, names[i], &item) < 0) {
            Py_CLEAR(items);
            break;
        }
        PyTuple_SET_ITEM(items, (Py_ssize_t)i, item ? item : Py_NewRef(Py_None));
    }
    return items;
}

static int
function_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    static const char *const names[] = {"__module__",     "__qualname__",
                                        "__code__",       "__defaults__",
                                        "__kwdefaults__", "__closure__"};

    h->n_visits += EXPAND_VISITS;
    return parts_set(ret_parts, TAG_FUNCTION, attributes_of(obj, names, 6));
}

static int
code_expand(PyObject *obj, struct parts *ret_parts)
{
    static const char *const names[] = {
        "co_code",           "co_consts",   "co_names",          "co_varnames",
        "co_freevars",       "co_cellvars", "co_argcount",       "co_posonlyargcount",
        "co_kwonlyargcount", "co_flags",    "co_exceptiontable",
    };

    return parts_set(ret_parts, TAG_CODE, attributes_of(obj, names, 11));
}

static int
method_expand(PyObject *obj, struct parts *ret_parts)
{
    return parts_set(
        ret_parts, TAG_METHOD,
        PyTuple_Pack(2, PyMethod_GET_FUNCTION(obj), PyMethod_GET_SELF(obj)));
}

/* A variable that has no value yet is a cell without parts. */
static int
cell_expand(PyObject *obj, struct parts *ret_parts)
{
    PyObject *content = PyCell_Get(obj);
    PyObject *items = content ? PyTuple_Pack(1, content) : PyTuple_New(0);

    Py_XDECREF(content);
    return parts_set(ret_parts, TAG_CELL, items);
}

static int
module_expand(PyObject *obj, struct parts *ret_parts)
{
    PyObject *name = PyModule_GetNameObject(obj);
    PyObject *items = name ? PyTuple_Pack(1, name) : NULL;

    Py_XDECREF(name);
    return parts_set(ret_parts, TAG_MODULE, items);
}

static int
wrapper_expand(PyObject *obj, struct parts *ret_parts)
{
    static const char *const names[] = {"fget", "fset", "fdel", "__func__"};
    PyObject *wrapped, *items;

    wrapped = Py_IS_TYPE(obj, &PyDictProxy_Type)
                  ? PyObject_CallMethod(obj, "copy", NULL)
                  : attributes_of(obj, names, 4);
    items = wrapped ? PyTuple_Pack(2, Py_TYPE(obj), wrapped) : NULL;
    Py_XDECREF(wrapped);
    return parts_set(ret_parts, TAG_WRAPPER, items);
}

static bool
is_wrapper(PyTypeObject *type)
{
    return type == &PyProperty_Type || type == &PyStaticMethod_Type ||
           type == &PyClassMethod_Type || type == &PyDictProxy_Type;
}

/* What Python is made of: 1 and the parts, 0: something else, or -1. */
static int
language_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    PyTypeObject *type = Py_TYPE(obj);
    int r;

    if (PyType_Check(obj)) {
        r = class_expand(h, obj, ret_parts);
    }
    else if (type == &PyFunction_Type) {
        r = function_expand(h, obj, ret_parts);
    }
    else if (type == &PyMethod_Type) {
        r = method_expand(obj, ret_parts);
    }
    else if (type == &PyCode_Type) {
        r = code_expand(obj, ret_parts);
    }
    else if (type == &PyCell_Type) {
        r = cell_expand(obj, ret_parts);
    }
    else if (PyModule_Check(obj)) {
        r = module_expand(obj, ret_parts);
    }
    else if (is_wrapper(type)) {
        r = wrapper_expand(obj, ret_parts);
    }
    else {
        return 0;
    }
    return r < 0 ? -1 : 1;
}

int
expand_object(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    int r;

    ret_parts->items = NULL;
    r = language_expand(h, obj, ret_parts);
    if (r == 0) {
        r = array_expand(h, obj, ret_parts);
    }
    if (r == 0) {
        r = hook_expand(h, obj, ret_parts);
    }
    if (r == 0) {
        r = array_subclass_expand(h, obj, ret_parts);
    }
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    if (Py_IS_TYPE(obj, &PyBaseObject_Type)) {
        return unhashable(h, obj, "it has no state, only an identity");
    }
    if (Py_IS_TYPE(obj, &PySetIter_Type)) {
        return unhashable(h, obj, "it is in the order of this process");
    }
    return reduce_object(h, obj, ret_parts);
}
