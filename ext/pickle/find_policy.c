#include "pickle/find_policy.h"

static PyObject *
name_split(PyObject *name)
{
    PyObject *dot = PyUnicode_FromString(".");
    PyObject *parts = dot ? PyUnicode_Split(name, dot, -1) : NULL;

    Py_XDECREF(dot);
    return parts;
}

static int
part_is_star(PyObject *part)
{
    return PyUnicode_GET_LENGTH(part) == 1 && PyUnicode_READ_CHAR(part, 0) == '*';
}

static int
part_is_dunder(PyObject *part)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(part);

    return n >= 4 && PyUnicode_READ_CHAR(part, 0) == '_' &&
           PyUnicode_READ_CHAR(part, 1) == '_' &&
           PyUnicode_READ_CHAR(part, n - 1) == '_' &&
           PyUnicode_READ_CHAR(part, n - 2) == '_';
}

/* A `*` counts only alone; a component is not empty. */
static int
part_is_valid(PyObject *part)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(part);

    return n == 1 || (n > 0 && PyUnicode_FindChar(part, '*', 0, n, 1) == -1);
}

static PyObject *
pattern_parse(PyObject *pattern)
{
    PyObject *parts;

    if (!PyUnicode_Check(pattern)) {
        return PyErr_Format(PyExc_TypeError, "allow: %R is not a str 'module.name'",
                            pattern);
    }
    parts = name_split(pattern);
    if (!parts) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(parts); i++) {
        if (PyList_GET_SIZE(parts) < 2 || !part_is_valid(PyList_GET_ITEM(parts, i))) {
            Py_DECREF(parts);
            return PyErr_Format(PyExc_ValueError,
                                "allow: %R is not 'module.name', with '*' for a whole "
                                "component",
                                pattern);
        }
    }
    return parts;
}

static PyObject *
patterns_parse(PyObject *allow)
{
    PyObject *patterns = PyTuple_New(PyTuple_GET_SIZE(allow));

    for (Py_ssize_t i = 0; patterns && i < PyTuple_GET_SIZE(allow); i++) {
        PyObject *parts = pattern_parse(PyTuple_GET_ITEM(allow, i));

        if (!parts) {
            Py_CLEAR(patterns);
            break;
        }
        PyTuple_SET_ITEM(patterns, i, parts);
    }
    return patterns;
}

int
find_policy_init(struct find_policy *policy, PyObject *allow)
{
    *policy = (struct find_policy){0};
    if (!allow || allow == Py_None) {
        return 0;
    }
    if (PyUnicode_Check(allow) || PyBytes_Check(allow)) {
        PyErr_SetString(PyExc_TypeError,
                        "allow: a collection of patterns is expected, not one str");
        return -1;
    }
    policy->allow = PySequence_Tuple(allow);
    policy->patterns = policy->allow ? patterns_parse(policy->allow) : NULL;
    policy->found = policy->patterns ? PyDict_New() : NULL;
    if (!policy->found) {
        find_policy_done(policy);
        return -1;
    }
    return 0;
}

void
find_policy_done(struct find_policy *policy)
{
    struct find_policy old = *policy;

    *policy = (struct find_policy){0};
    Py_XDECREF(old.patterns);
    Py_XDECREF(old.allow);
    Py_XDECREF(old.found);
}

int
find_policy_traverse(const struct find_policy *policy, visitproc visit, void *arg)
{
    Py_VISIT(policy->patterns);
    Py_VISIT(policy->allow);
    Py_VISIT(policy->found);
    return 0;
}

/* How one component of a pattern takes one of a name: 1 as it is, 2 by `*`, 0 not. */
static int
part_match(PyObject *part, PyObject *name)
{
    if (PyUnicode_GET_LENGTH(name) == 0) {
        return 0;
    }
    if (part_is_star(part)) {
        return part_is_dunder(name) ? 0 : 2;
    }
    return PyUnicode_Compare(part, name) == 0;
}

/* A last `*` stands for one component or more, others for one. */
static int
pattern_match(PyObject *pattern, PyObject *names)
{
    Py_ssize_t n_parts = PyList_GET_SIZE(pattern);
    Py_ssize_t n_names = PyList_GET_SIZE(names);
    int is_open = part_is_star(PyList_GET_ITEM(pattern, n_parts - 1));
    int result = 1;

    if (n_names < n_parts || (n_names > n_parts && !is_open)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < n_names; i++) {
        Py_ssize_t at = i < n_parts ? i : n_parts - 1;
        int r = part_match(PyList_GET_ITEM(pattern, at), PyList_GET_ITEM(names, i));

        if (r == 0) {
            return 0;
        }
        result = r > result ? r : result;
    }
    return result;
}

/* An exact pattern wins over one with `*`. */
static int
patterns_match(PyObject *patterns, PyObject *names)
{
    int result = 0;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(patterns); i++) {
        int r = pattern_match(PyTuple_GET_ITEM(patterns, i), names);

        if (r == 1) {
            return 1;
        }
        result = r ? r : result;
    }
    return result;
}

int
find_policy_match(const struct find_policy *policy, PyObject *module, PyObject *name)
{
    PyObject *full, *names;
    int r;

    if (!policy->patterns) {
        return 1;
    }
    full = PyUnicode_FromFormat("%U.%U", module, name);
    names = full ? name_split(full) : NULL;
    r = names ? patterns_match(policy->patterns, names) : -1;
    Py_XDECREF(names);
    Py_XDECREF(full);
    return r;
}

/* The str attribute `which`, or NULL; no exception when it is not there or not a str.
 */
static PyObject *
object_label(PyObject *object, const char *which)
{
    PyObject *label = PyObject_GetAttrString(object, which);

    if (!label) {
        PyErr_Clear();
    }
    else if (!PyUnicode_Check(label)) {
        Py_CLEAR(label);
    }
    return label;
}

int
find_policy_judge(const struct find_policy *policy, PyObject *object)
{
    PyObject *home, *name;
    int r = 1;

    if (!PyCallable_Check(object)) {
        return 0;
    }
    home = object_label(object, "__module__");
    name = home ? object_label(object, "__qualname__") : NULL;
    if (name) {
        r = find_policy_match(policy, home, name);
    }
    Py_XDECREF(name);
    Py_XDECREF(home);
    return r < 0 ? -1 : r > 0;
}

int
find_policy_admit(struct find_policy *policy, PyObject *object)
{
    PyObject *key;
    int r;

    if (!policy->found) {
        return 0;
    }
    key = PyLong_FromVoidPtr(object);
    r = key ? PyDict_SetItem(policy->found, key, object) : -1;
    Py_XDECREF(key);
    return r;
}

int
find_policy_knows(const struct find_policy *policy, PyObject *object)
{
    PyObject *key;
    int r;

    if (!policy->found) {
        return 1;
    }
    key = PyLong_FromVoidPtr(object);
    r = key ? PyDict_Contains(policy->found, key) : -1;
    Py_XDECREF(key);
    return r;
}
