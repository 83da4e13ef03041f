#include "memo/store_type.h"

#include "errors.h"
#include "pickle/value.h"

struct store_object {
    PyObject_HEAD
    PyObject *location; /* str, as given */
    struct cj_store *store;
};

struct shelf_object {
    PyObject_HEAD
    PyObject *store; /* keeps the store open */
    PyObject *path;  /* str: location and folder */
    struct cj_shelf *shelf;
};

static int
key_converter(PyObject *object, void *ret_key)
{
    if (!PyBytes_Check(object) || PyBytes_GET_SIZE(object) != CJ_KEY_BYTES) {
        PyErr_Format(PyExc_ValueError, "a key is %d bytes, not %R", CJ_KEY_BYTES,
                     object);
        return 0;
    }
    *(const uint8_t **)ret_key = (const uint8_t *)PyBytes_AS_STRING(object);
    return 1;
}

/* --- Shelf ---------------------------------------------------------------------------
 */

struct cj_shelf *
shelf_of_object(PyObject *shelf)
{
    return ((struct shelf_object *)shelf)->shelf;
}

static struct core_state *
shelf_state(PyObject *op)
{
    return PyType_GetModuleState(Py_TYPE(op));
}

static void
shelf_dealloc(PyObject *op)
{
    struct shelf_object *self = (struct shelf_object *)op;
    PyTypeObject *type = Py_TYPE(op);

    cj_shelf_close(self->shelf);
    Py_XDECREF(self->path);
    Py_XDECREF(self->store);
    type->tp_free(op);
    Py_DECREF(type);
}

int
shelf_read(PyObject *shelf, const uint8_t key[CJ_KEY_BYTES], struct cj_entry *ret_entry)
{
    struct shelf_object *self = (struct shelf_object *)shelf;
    int r;

    Py_BEGIN_ALLOW_THREADS
    r = cj_shelf_get(self->shelf, key, ret_entry);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        error_raise(r, self->path);
    }
    return r;
}

PyDoc_STRVAR(
    shelf_get_doc,
    "get($self, key, /)\n--\n\n"
    "The entry of a key, as (outcome, metadata, value).\n\n"
    "The outcome is 0, MISS, CORRUPT or FOREIGN; without an entry the other two\n"
    "are None. Raises OSError with the folder's path.");

static PyObject *
shelf_get(PyObject *op, PyObject *key)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    const uint8_t *bytes;
    PyObject *meta, *value;
    int r;

    if (!key_converter(key, &bytes)) {
        return NULL;
    }
    r = shelf_read(op, bytes, &entry);
    if (r != 0) {
        return r < 0 ? NULL : Py_BuildValue("iOO", r, Py_None, Py_None);
    }
    meta = PyBytes_FromStringAndSize(entry.meta.data, (Py_ssize_t)entry.meta.size);
    value = meta ? value_decode(shelf_state(op), &entry.file, entry.payload) : NULL;
    cj_entry_done(&entry);
    if (!value) {
        Py_XDECREF(meta);
        return NULL;
    }
    return Py_BuildValue("iNN", 0, meta, value);
}

PyDoc_STRVAR(
    shelf_put_doc,
    "put($self, key, metadata, value, /)\n--\n\n"
    "Store an object with its metadata (bytes); what stood there is replaced.\n\n"
    "Raises what pickling the object raises, or OSError with the folder's path.\n"
    "The store is then as it was.");

static PyObject *
shelf_put(PyObject *op, PyObject *args)
{
    struct shelf_object *self = (struct shelf_object *)op;
    struct value value = VALUE_INIT;
    struct cj_bytes meta;
    const uint8_t *key;
    const char *meta_data;
    Py_ssize_t n_meta;
    PyObject *object;
    int r;

    if (!PyArg_ParseTuple(args, "O&y#O:put", key_converter, &key, &meta_data, &n_meta,
                          &object) ||
        value_encode(shelf_state(op), object, VALUE_BY_NAME, &value) < 0) {
        return NULL;
    }
    meta = (struct cj_bytes){meta_data, (size_t)n_meta};
    Py_BEGIN_ALLOW_THREADS
    r = cj_shelf_put(self->shelf, key, meta, value.parts, value.n_parts);
    Py_END_ALLOW_THREADS
    value_done(&value);
    if (r < 0) {
        return error_raise(r, self->path);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(shelf_has_doc,
             "has($self, key, /)\n--\n\n"
             "Whether an entry stands there; its content is not looked at.");

static PyObject *
shelf_has(PyObject *op, PyObject *key)
{
    struct shelf_object *self = (struct shelf_object *)op;
    const uint8_t *bytes;
    int r;

    if (!key_converter(key, &bytes)) {
        return NULL;
    }
    r = cj_shelf_has(self->shelf, bytes);
    return r < 0 ? error_raise(r, self->path) : PyBool_FromLong(r == 0);
}

PyDoc_STRVAR(shelf_remove_doc, "remove($self, key, /)\n--\n\n"
                               "Remove the entry of a key, if there is one.");

static PyObject *
shelf_remove(PyObject *op, PyObject *key)
{
    struct shelf_object *self = (struct shelf_object *)op;
    const uint8_t *bytes;
    int r;

    if (!key_converter(key, &bytes)) {
        return NULL;
    }
    r = cj_shelf_remove(self->shelf, bytes);
    if (r < 0) {
        return error_raise(r, self->path);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(shelf_clear_doc,
             "clear($self, /)\n--\n\n"
             "Remove every entry of every version of the shelf's function.");

static PyObject *
shelf_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct shelf_object *self = (struct shelf_object *)op;
    int r;

    Py_BEGIN_ALLOW_THREADS
    r = cj_shelf_clear(self->shelf);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return error_raise(r, self->path);
    }
    Py_RETURN_NONE;
}

static PyObject *
shelf_path(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((struct shelf_object *)op)->path);
}

static PyMethodDef shelf_methods[] = {
    {"get", shelf_get, METH_O, shelf_get_doc},
    {"put", shelf_put, METH_VARARGS, shelf_put_doc},
    {"has", shelf_has, METH_O, shelf_has_doc},
    {"remove", shelf_remove, METH_O, shelf_remove_doc},
    {"clear", shelf_clear, METH_NOARGS, shelf_clear_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef shelf_getset[] = {
    {"path", shelf_path, NULL, "The folder of the entries.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot shelf_slots[] = {
    {Py_tp_doc, "One function's place in a store, at one version of its code."},
    {Py_tp_dealloc, shelf_dealloc},
    {Py_tp_methods, shelf_methods},
    {Py_tp_getset, shelf_getset},
    {0, NULL},
};

PyType_Spec shelf_type_spec = {
    .name = "cjoblib._core.Shelf",
    .basicsize = sizeof(struct shelf_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = shelf_slots,
};

/* --- Store ---------------------------------------------------------------------------
 */

static PyObject *
store_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"location", NULL};
    struct store_object *self;
    PyObject *bytes, *location;
    int r;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&:Store", names,
                                     PyUnicode_FSConverter, &bytes)) {
        return NULL;
    }
    location = PyUnicode_DecodeFSDefaultAndSize(PyBytes_AS_STRING(bytes),
                                                PyBytes_GET_SIZE(bytes));
    self = location ? (struct store_object *)type->tp_alloc(type, 0) : NULL;
    if (!self) {
        Py_XDECREF(location);
        Py_DECREF(bytes);
        return NULL;
    }
    self->location = location;
    r = cj_store_open(PyBytes_AS_STRING(bytes), NULL, &self->store);
    Py_DECREF(bytes);
    if (r < 0) {
        error_raise(r, location);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
store_dealloc(PyObject *op)
{
    struct store_object *self = (struct store_object *)op;
    PyTypeObject *type = Py_TYPE(op);

    cj_store_close(self->store);
    Py_XDECREF(self->location);
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(store_shelf_doc,
             "shelf($self, function, version, /)\n--\n\n"
             "The place of a function ('module/path/name') at a version (16 bytes).");

static PyObject *
store_shelf(PyObject *op, PyObject *args)
{
    struct store_object *self = (struct store_object *)op;
    struct core_state *state = PyType_GetModuleState(Py_TYPE(op));
    PyTypeObject *type = (PyTypeObject *)state->shelf_type;
    struct shelf_object *shelf;
    const uint8_t *version;
    PyObject *function;
    int r;

    if (!PyArg_ParseTuple(args, "O&O&:shelf", PyUnicode_FSConverter, &function,
                          key_converter, &version)) {
        return NULL;
    }
    shelf = (struct shelf_object *)type->tp_alloc(type, 0);
    if (!shelf) {
        Py_DECREF(function);
        return NULL;
    }
    shelf->store = Py_NewRef(op);
    r = cj_shelf_open(self->store, PyBytes_AS_STRING(function), version, &shelf->shelf);
    if (r < 0) {
        error_raise(r, PyTuple_GET_ITEM(args, 0));
    }
    else {
        shelf->path =
            PyUnicode_FromFormat("%U/%s", self->location, cj_shelf_path(shelf->shelf));
    }
    Py_DECREF(function);
    if (!shelf->path) {
        Py_CLEAR(shelf);
    }
    return (PyObject *)shelf;
}

PyDoc_STRVAR(store_clear_doc, "clear($self, /)\n--\n\n"
                              "Remove every entry.");

static PyObject *
store_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct store_object *self = (struct store_object *)op;
    int r;

    Py_BEGIN_ALLOW_THREADS
    r = cj_store_clear(self->store);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return error_raise(r, self->location);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    store_check_doc,
    "check($self, fix=False, /)\n--\n\n"
    "Read and check everything: a dict of counts (entries, bytes, corrupt,\n"
    "orphans, foreign). With `fix` what is damaged or left behind is removed.");

static PyObject *
store_check(PyObject *op, PyObject *args)
{
    struct store_object *self = (struct store_object *)op;
    struct cj_store_report report;
    int fix = 0, r;

    if (!PyArg_ParseTuple(args, "|p:check", &fix)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = cj_store_check(self->store, fix != 0, &report);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return error_raise(r, self->location);
    }
    return Py_BuildValue("{sKsKsKsKsK}", "entries",
                         (unsigned long long)report.n_entries, "bytes",
                         (unsigned long long)report.n_bytes, "corrupt",
                         (unsigned long long)report.n_corrupt, "orphans",
                         (unsigned long long)report.n_orphans, "foreign",
                         (unsigned long long)report.n_foreign);
}

static PyObject *
store_location(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((struct store_object *)op)->location);
}

static PyMethodDef store_methods[] = {
    {"shelf", store_shelf, METH_VARARGS, store_shelf_doc},
    {"clear", store_clear, METH_NOARGS, store_clear_doc},
    {"check", store_check, METH_VARARGS, store_check_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef store_getset[] = {
    {"location", store_location, NULL, "The folder, as given.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(store_type_doc,
             "Store(location)\n--\n\n"
             "A folder of cached results. Raises OSError with its path.");

static PyType_Slot store_slots[] = {
    {Py_tp_doc, (void *)store_type_doc}, {Py_tp_new, store_new},
    {Py_tp_dealloc, store_dealloc},      {Py_tp_methods, store_methods},
    {Py_tp_getset, store_getset},        {0, NULL},
};

PyType_Spec store_type_spec = {
    .name = "cjoblib._core.Store",
    .basicsize = sizeof(struct store_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = store_slots,
};
