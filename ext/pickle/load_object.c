/* Opcodes that name globals and make objects with them. */

#include "pickle/load_args.h"
#include "pickle/load_ops.h"

/* A line as str; UnpicklingError when it is empty, UnicodeDecodeError. */
static PyObject *
load_name(struct unpickler *unpickler)
{
    const uint8_t *line;
    size_t n;

    if (load_line(unpickler, &line, &n) < 0) {
        return NULL;
    }
    if (n == 0) {
        unpickler_refuse(unpickler, "a global without a name");
        return NULL;
    }
    return PyUnicode_DecodeUTF8((const char *)line, (Py_ssize_t)n, "strict");
}

/* The global that two lines name. */
static PyObject *
load_named(struct unpickler *unpickler)
{
    PyObject *module = load_name(unpickler);
    PyObject *name = module ? load_name(unpickler) : NULL;
    PyObject *object = name ? unpickler_find_global(unpickler, module, name) : NULL;

    Py_XDECREF(name);
    Py_XDECREF(module);
    return object;
}

int
load_global(struct unpickler *unpickler)
{
    return load_push(unpickler, load_named(unpickler));
}

int
load_stack_global(struct unpickler *unpickler)
{
    PyObject *module, *name, *object;

    if (load_need(unpickler, 2) < 0) {
        return -1;
    }
    name = load_pop_value(unpickler);
    module = load_pop_value(unpickler);
    if (PyUnicode_CheckExact(module) && PyUnicode_CheckExact(name)) {
        object = unpickler_find_global(unpickler, module, name);
    }
    else {
        unpickler_refuse(unpickler, "STACK_GLOBAL requires str");
        object = NULL;
    }
    Py_DECREF(module);
    Py_DECREF(name);
    return load_push(unpickler, object);
}

/* copyreg's registry of extension codes: a new reference of the entry or NULL. */
static PyObject *
extension_entry(struct unpickler *unpickler, uint32_t code)
{
    PyObject *copyreg = PyImport_ImportModule("copyreg");
    PyObject *registry =
        copyreg ? PyObject_GetAttrString(copyreg, "_inverted_registry") : NULL;
    PyObject *key = registry ? PyLong_FromUnsignedLong(code) : NULL;
    PyObject *entry = key ? PyObject_GetItem(registry, key) : NULL;

    if (key && !entry && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();
        unpickler_fail(unpickler, PyExc_ValueError, "unregistered extension code %lu",
                       (unsigned long)code);
    }
    Py_XDECREF(key);
    Py_XDECREF(registry);
    Py_XDECREF(copyreg);
    return entry;
}

/* The codes' own cache of objects is not asked: a code is no way around the policy. */
static int
load_extension(struct unpickler *unpickler, uint32_t code)
{
    PyObject *entry, *object = NULL;

    if (code == 0 || code > INT32_MAX) {
        return unpickler_refuse(unpickler, "EXT specifies code <= 0");
    }
    unpickler_leave_loop(unpickler);
    entry = extension_entry(unpickler, code);
    unpickler_enter_loop(unpickler);
    if (!entry) {
        return -1;
    }
    if (PyTuple_Check(entry) && PyTuple_GET_SIZE(entry) == 2 &&
        PyUnicode_Check(PyTuple_GET_ITEM(entry, 0)) &&
        PyUnicode_Check(PyTuple_GET_ITEM(entry, 1))) {
        object = unpickler_find_global(unpickler, PyTuple_GET_ITEM(entry, 0),
                                       PyTuple_GET_ITEM(entry, 1));
    }
    else {
        unpickler_fail(unpickler, PyExc_ValueError,
                       "_inverted_registry[%lu] is no pair", (unsigned long)code);
    }
    Py_DECREF(entry);
    return load_push(unpickler, object);
}

int
load_ext1(struct unpickler *unpickler)
{
    const uint8_t *p;

    return load_bytes(unpickler, 1, &p) < 0 ? -1 : load_extension(unpickler, p[0]);
}

int
load_ext2(struct unpickler *unpickler)
{
    const uint8_t *p;

    return load_bytes(unpickler, 2, &p) < 0 ? -1
                                            : load_extension(unpickler, load_le16(p));
}

int
load_ext4(struct unpickler *unpickler)
{
    const uint8_t *p;

    return load_bytes(unpickler, 4, &p) < 0 ? -1
                                            : load_extension(unpickler, load_le32(p));
}

/* Call what the stream named. */
static PyObject *
call_found(struct unpickler *unpickler, PyObject *callable, PyObject *args)
{
    PyObject *object;

    unpickler_leave_loop(unpickler);
    object = PyObject_Call(callable, args, NULL);
    unpickler_enter_loop(unpickler);
    return object;
}

static PyObject *
call_reduced(struct unpickler *unpickler, PyObject *callable, PyObject *args)
{
    if (unpickler_check_call(unpickler, callable) < 0) {
        return NULL;
    }
    if (!PyTuple_Check(args)) {
        unpickler_fail(unpickler, PyExc_TypeError, "REDUCE needs a tuple, not %.100s",
                       Py_TYPE(args)->tp_name);
        return NULL;
    }
    return call_found(unpickler, callable, args);
}

int
load_reduce(struct unpickler *unpickler)
{
    PyObject *callable, *args, *object;

    if (load_need(unpickler, 2) < 0) {
        return -1;
    }
    args = load_pop_value(unpickler);
    callable = load_pop_value(unpickler);
    object = call_reduced(unpickler, callable, args);
    Py_DECREF(args);
    Py_DECREF(callable);
    return load_push(unpickler, object);
}

static PyObject *
type_new(struct unpickler *unpickler, PyTypeObject *type, PyObject *args,
         PyObject *kwargs)
{
    PyObject *object;

    /* object.__new__ runs nothing of the class. */
    if (type->tp_new == PyBaseObject_Type.tp_new) {
        return type->tp_new(type, args, kwargs);
    }
    unpickler_leave_loop(unpickler);
    object = type->tp_new(type, args, kwargs);
    unpickler_enter_loop(unpickler);
    return object;
}

/* class.__new__(class, *args, **kwargs) */
static PyObject *
class_new(struct unpickler *unpickler, PyObject *class, PyObject *args,
          PyObject *kwargs)
{
    PyTypeObject *type = (PyTypeObject *)class;

    if (!PyType_Check(class) || !type->tp_new) {
        unpickler_refuse(unpickler, "NEWOBJ class argument must be a type, not %.100s",
                         Py_TYPE(class)->tp_name);
        return NULL;
    }
    if (!PyTuple_Check(args) || (kwargs && !PyDict_Check(kwargs))) {
        unpickler_refuse(unpickler, "NEWOBJ needs a tuple (and a dict) of arguments");
        return NULL;
    }
    if (unpickler_check_call(unpickler, class) < 0) {
        return NULL;
    }
    return type_new(unpickler, type, args, kwargs);
}

int
load_newobj(struct unpickler *unpickler)
{
    PyObject *class, *args, *object;

    if (load_need(unpickler, 2) < 0) {
        return -1;
    }
    args = load_pop_value(unpickler);
    class = load_pop_value(unpickler);
    object = class_new(unpickler, class, args, NULL);
    Py_DECREF(args);
    Py_DECREF(class);
    return load_push(unpickler, object);
}

int
load_newobj_ex(struct unpickler *unpickler)
{
    PyObject *class, *args, *kwargs, *object;

    if (load_need(unpickler, 3) < 0) {
        return -1;
    }
    kwargs = load_pop_value(unpickler);
    args = load_pop_value(unpickler);
    class = load_pop_value(unpickler);
    object = class_new(unpickler, class, args, kwargs);
    Py_DECREF(kwargs);
    Py_DECREF(args);
    Py_DECREF(class);
    return load_push(unpickler, object);
}

/* Python 2's old classes: without arguments and __getinitargs__, no __init__ is called.
 */
static int
wants_init(PyObject *class, PyObject *args)
{
    PyObject *method;
    PyObject *name;
    int r;

    if (PyTuple_GET_SIZE(args) > 0 || !PyType_Check(class)) {
        return 1;
    }
    name = PyUnicode_FromString("__getinitargs__");
    r = name ? compat_find_attr(class, name, &method) : -1;
    Py_XDECREF(name);
    if (r > 0) {
        Py_DECREF(method);
    }
    return r;
}

static PyObject *
instantiate_found(PyObject *class, PyObject *args)
{
    int r = wants_init(class, args);

    if (r < 0) {
        return NULL;
    }
    if (r > 0) {
        return PyObject_Call(class, args, NULL);
    }
    return PyObject_CallMethod(class, "__new__", "O", class);
}

static PyObject *
instantiate(struct unpickler *unpickler, PyObject *class, PyObject *args)
{
    PyObject *object;

    if (unpickler_check_call(unpickler, class) < 0) {
        return NULL;
    }
    unpickler_leave_loop(unpickler);
    object = instantiate_found(class, args);
    unpickler_enter_loop(unpickler);
    return object;
}

int
load_inst(struct unpickler *unpickler)
{
    PyObject *args = load_marked_tuple(unpickler);
    PyObject *class = args ? load_named(unpickler) : NULL;
    PyObject *object = class ? instantiate(unpickler, class, args) : NULL;

    Py_XDECREF(class);
    Py_XDECREF(args);
    return load_push(unpickler, object);
}

int
load_obj(struct unpickler *unpickler)
{
    PyObject *args, *class, *object;

    if (unpickler->stack.n_marks > 0 && load_stack_n(&unpickler->stack) == 0) {
        return unpickler_underflow(unpickler);
    }
    args = load_marked_tuple(unpickler);
    if (!args) {
        return -1;
    }
    class = PyTuple_GET_ITEM(args, 0);
    Py_INCREF(class);
    Py_SETREF(args, PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args)));
    object = args ? instantiate(unpickler, class, args) : NULL;
    Py_XDECREF(args);
    Py_DECREF(class);
    return load_push(unpickler, object);
}
