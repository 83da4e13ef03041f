#include "memo/shelf_type.h"

#include <errno.h>

#include "errors.h"
#include "memo/lease_type.h"
#include "pickle/value.h"

struct shelf_object {
    PyObject_HEAD
    PyObject *store; /* keeps the store open */
    PyObject *path;  /* str: location and folder */
    struct cj_shelf *shelf;
};

int
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

struct cj_shelf *
shelf_of_object(PyObject *shelf)
{
    return ((struct shelf_object *)shelf)->shelf;
}

/* Lists that are filled by visits. A visit that failed says so with a number that is no
 * error's; the exception is set. */
#define LIST_FAILED 1

int
list_add(PyObject *list, PyObject *item)
{
    int r = item ? PyList_Append(list, item) : -1;

    Py_XDECREF(item);
    return r < 0 ? LIST_FAILED : 0;
}

PyObject *
list_done(PyObject *list, int r, PyObject *what)
{
    if (r == 0) {
        return list;
    }
    Py_XDECREF(list);
    return r == LIST_FAILED ? NULL : error_raise(r, what);
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

int
shelf_claim(PyObject *shelf, const uint8_t key[CJ_KEY_BYTES], enum cj_claim_mode mode,
            struct cj_entry *ret_entry, struct cj_lease **ret_lease)
{
    struct shelf_object *self = (struct shelf_object *)shelf;
    int r;

    do {
        Py_BEGIN_ALLOW_THREADS
        r = cj_shelf_claim(self->shelf, key, mode, ret_entry, ret_lease);
        Py_END_ALLOW_THREADS
    } while (r == -EINTR && PyErr_CheckSignals() == 0);
    if (r < 0 && r != -EINTR) {
        error_raise(r, self->path);
    }
    return r;
}

/* What an entry, which is taken, gives: new references. 0, or -1 with an exception. */
static int
shelf_decode(PyObject *op, struct cj_entry *entry, PyObject **ret_meta,
             PyObject **ret_value)
{
    PyObject *meta =
        PyBytes_FromStringAndSize(entry->meta.data, (Py_ssize_t)entry->meta.size);
    PyObject *value =
        meta ? value_decode(shelf_state(op), &entry->file, entry->payload) : NULL;

    cj_entry_done(entry);
    if (!value) {
        Py_XDECREF(meta);
        return -1;
    }
    *ret_meta = meta;
    *ret_value = value;
    return 0;
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
    if (shelf_decode(op, &entry, &meta, &value) < 0) {
        return NULL;
    }
    return Py_BuildValue("iNN", 0, meta, value);
}

PyDoc_STRVAR(
    shelf_about_doc,
    "about($self, key, /)\n--\n\n"
    "The metadata of a key's entry, as (outcome, bytes): the entry is checked\n"
    "as a whole, its value is not decoded. None without an entry.");

static PyObject *
shelf_about(PyObject *op, PyObject *key)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    const uint8_t *bytes;
    PyObject *meta;
    int r;

    if (!key_converter(key, &bytes)) {
        return NULL;
    }
    r = shelf_read(op, bytes, &entry);
    if (r != 0) {
        return r < 0 ? NULL : Py_BuildValue("iO", r, Py_None);
    }
    meta = PyBytes_FromStringAndSize(entry.meta.data, (Py_ssize_t)entry.meta.size);
    cj_entry_done(&entry);
    return meta ? Py_BuildValue("iN", 0, meta) : NULL;
}

PyDoc_STRVAR(
    shelf_claim_doc,
    "claim($self, key, wait=True, /)\n--\n\n"
    "After get() found nothing: the entry, or the right to compute it.\n\n"
    "Returns (outcome, metadata, value, lease). Outcome 0: another thread or process\n"
    "stored it meanwhile. MISS, CORRUPT, FOREIGN: compute; the Lease, or None when\n"
    "there is none to be had (recursion, waiting that would never end, no locks on\n"
    "this file system, or wait is false and somebody computes), is yours to release.\n"
    "Raises OSError with the folder's path, and what signal handlers raise.");

static PyObject *
shelf_claim_method(PyObject *op, PyObject *args)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    struct cj_lease *lease = NULL;
    const uint8_t *key;
    PyObject *meta, *value, *lease_op;
    int wait = 1, r;

    if (!PyArg_ParseTuple(args, "O&|p:claim", key_converter, &key, &wait)) {
        return NULL;
    }
    r = shelf_claim(op, key, wait ? CJ_CLAIM_WAIT : CJ_CLAIM_TRY, &entry, &lease);
    if (r < 0 || (r == 0 && shelf_decode(op, &entry, &meta, &value) < 0)) {
        return NULL;
    }
    if (r == 0) {
        return Py_BuildValue("iNNO", 0, meta, value, Py_None);
    }
    lease_op = lease_object(shelf_state(op), lease);
    return lease_op ? Py_BuildValue("iOON", r, Py_None, Py_None, lease_op) : NULL;
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
             "clear($self, versions='all', /)\n--\n\n"
             "Remove every entry and note of the shelf's function: of 'all' versions,\n"
             "of 'this' one, or of the 'others'.");

static int
versions_converter(PyObject *object, void *ret_versions)
{
    static const char *const names[] = {
        [CJ_VERSIONS_ALL] = "all",
        [CJ_VERSIONS_THIS] = "this",
        [CJ_VERSIONS_OTHERS] = "others",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (PyUnicode_Check(object) &&
            PyUnicode_CompareWithASCIIString(object, names[i]) == 0) {
            *(enum cj_versions *)ret_versions = (enum cj_versions)i;
            return 1;
        }
    }
    PyErr_Format(PyExc_ValueError, "versions are 'all', 'this' or 'others', not %R",
                 object);
    return 0;
}

static PyObject *
shelf_clear(PyObject *op, PyObject *args)
{
    struct shelf_object *self = (struct shelf_object *)op;
    enum cj_versions versions = CJ_VERSIONS_ALL;
    int r;

    if (!PyArg_ParseTuple(args, "|O&:clear", versions_converter, &versions)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = cj_shelf_clear(self->shelf, versions);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return error_raise(r, self->path);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(shelf_note_doc,
             "note($self, /)\n--\n\n"
             "What set_note() kept, or None: nothing, or it is damaged or foreign.");

static PyObject *
shelf_note(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct shelf_object *self = (struct shelf_object *)op;
    struct cj_entry note = CJ_ENTRY_INIT;
    PyObject *bytes;
    int r;

    Py_BEGIN_ALLOW_THREADS
    r = cj_shelf_note_get(self->shelf, &note);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return error_raise(r, self->path);
    }
    if (r > 0) {
        Py_RETURN_NONE;
    }
    bytes = PyBytes_FromStringAndSize(note.payload.data, (Py_ssize_t)note.payload.size);
    cj_entry_done(&note);
    return bytes;
}

PyDoc_STRVAR(shelf_set_note_doc,
             "set_note($self, note, /)\n--\n\n"
             "Keep bytes that say what the function is, until the shelf is cleared.");

static PyObject *
shelf_set_note(PyObject *op, PyObject *args)
{
    struct shelf_object *self = (struct shelf_object *)op;
    const char *data;
    Py_ssize_t size;
    int r;

    if (!PyArg_ParseTuple(args, "y#:set_note", &data, &size)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = cj_shelf_note_put(self->shelf, (struct cj_bytes){data, (size_t)size});
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return error_raise(r, self->path);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(shelf_versions_doc,
             "versions($self, /)\n--\n\n"
             "The versions of the shelf's function that stand in the store, 16 bytes\n"
             "each, in no order.");

static int
shelf_versions_add(void *list, const struct cj_version *version)
{
    return list_add(list, PyBytes_FromStringAndSize((const char *)version->version,
                                                    sizeof(version->version)));
}

static PyObject *
shelf_versions(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct shelf_object *self = (struct shelf_object *)op;
    PyObject *list = PyList_New(0);
    int r = list ? cj_shelf_versions(self->shelf, shelf_versions_add, list) : -ENOMEM;

    return list_done(list, r, self->path);
}

static PyObject *
shelf_path(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((struct shelf_object *)op)->path);
}

static PyMethodDef shelf_methods[] = {
    {"get", shelf_get, METH_O, shelf_get_doc},
    {"about", shelf_about, METH_O, shelf_about_doc},
    {"claim", shelf_claim_method, METH_VARARGS, shelf_claim_doc},
    {"put", shelf_put, METH_VARARGS, shelf_put_doc},
    {"has", shelf_has, METH_O, shelf_has_doc},
    {"remove", shelf_remove, METH_O, shelf_remove_doc},
    {"clear", shelf_clear, METH_VARARGS, shelf_clear_doc},
    {"note", shelf_note, METH_NOARGS, shelf_note_doc},
    {"set_note", shelf_set_note, METH_VARARGS, shelf_set_note_doc},
    {"versions", shelf_versions, METH_NOARGS, shelf_versions_doc},
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

PyObject *
shelf_new(struct core_state *state, PyObject *store, struct cj_store *handle,
          PyObject *location, const char *function, const uint8_t version[CJ_KEY_BYTES])
{
    PyTypeObject *type = (PyTypeObject *)state->shelf_type;
    struct shelf_object *self = (struct shelf_object *)type->tp_alloc(type, 0);
    int r;

    if (!self) {
        return NULL;
    }
    self->store = Py_NewRef(store);
    r = cj_shelf_open(handle, function, version, &self->shelf);
    if (r < 0) {
        PyObject *name = PyUnicode_DecodeFSDefault(function);

        if (name) {
            error_raise(r, name);
            Py_DECREF(name);
        }
    }
    else {
        self->path =
            PyUnicode_FromFormat("%U/%s", location, cj_shelf_path(self->shelf));
    }
    if (!self->path) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}
