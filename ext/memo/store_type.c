#include "memo/store_type.h"

#include <errno.h>

#include "errors.h"
#include "memo/lease_type.h"
#include "memo/shelf_type.h"

struct store_object {
    PyObject_HEAD
    PyObject *location; /* str, as given */
    struct cj_store *store;
};

/* For Py_BuildValue("O&"): escaped names are ASCII. */
static PyObject *
path_object(void *path)
{
    return PyUnicode_FromString(path);
}

/* Seconds, or None for 0: no limit. */
static int
ttl_converter(PyObject *object, void *ret_ttl_ns)
{
    double seconds = object == Py_None ? 0 : PyFloat_AsDouble(object);

    if (PyErr_Occurred()) {
        return 0;
    }
    if (object != Py_None && !(seconds > 0)) {
        PyErr_Format(PyExc_ValueError, "ttl is a time above 0 in seconds, not %R",
                     object);
        return 0;
    }
    *(int64_t *)ret_ttl_ns = seconds < 9e9 ? (int64_t)(1e9 * seconds) : 0;
    if (*(int64_t *)ret_ttl_ns == 0 && object != Py_None && seconds < 9e9) {
        *(int64_t *)ret_ttl_ns = 1;
    }
    return 1;
}

/* A number, or None for `*ret_number` as it is. */
static int
number_converter(PyObject *object, void *ret_number)
{
    unsigned long long number;

    if (object == Py_None) {
        return 1;
    }
    if (!PyLong_Check(object)) {
        PyErr_Format(PyExc_TypeError, "a limit is a whole number or None, not %R",
                     object);
        return 0;
    }
    number = PyLong_AsUnsignedLongLong(object);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError,
                     "a limit is a number from 0 to 2**64 - 1, not %R", object);
        return 0;
    }
    *(uint64_t *)ret_number = number;
    return 1;
}

/* A number above 0, or None for no bound. */
static int
bound_converter(PyObject *object, void *ret_bound)
{
    if (!number_converter(object, ret_bound)) {
        return 0;
    }
    if (object != Py_None && *(uint64_t *)ret_bound == 0) {
        PyErr_SetString(PyExc_ValueError, "max_bytes is a number above 0, not 0");
        return 0;
    }
    return 1;
}

static PyObject *
store_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"location", "durable", "max_bytes", "ttl", NULL};
    struct core_state *state = core_state_of_type(type);
    struct cj_store_options options = {0};
    struct store_object *self;
    PyObject *bytes, *location;
    int durable = 0, r;

    if (!state || !PyArg_ParseTupleAndKeywords(args, kwargs, "O&|$pO&O&:Store", names,
                                               PyUnicode_FSConverter, &bytes, &durable,
                                               bound_converter, &options.max_bytes,
                                               ttl_converter, &options.ttl_ns)) {
        return NULL;
    }
    options.durable = durable != 0;
    options.leases = lease_shared(state);
    location = PyUnicode_DecodeFSDefaultAndSize(PyBytes_AS_STRING(bytes),
                                                PyBytes_GET_SIZE(bytes));
    self = location ? (struct store_object *)type->tp_alloc(type, 0) : NULL;
    if (!self) {
        Py_XDECREF(location);
        Py_DECREF(bytes);
        return NULL;
    }
    self->location = location;
    r = cj_store_open(PyBytes_AS_STRING(bytes), &options, &self->store);
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
    const uint8_t *version;
    PyObject *function, *shelf;

    if (!PyArg_ParseTuple(args, "O&O&:shelf", PyUnicode_FSConverter, &function,
                          key_converter, &version)) {
        return NULL;
    }
    shelf = shelf_new(PyType_GetModuleState(Py_TYPE(op)), op, self->store,
                      self->location, PyBytes_AS_STRING(function), version);
    Py_DECREF(function);
    return shelf;
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

/* Seconds, or None for `*ret_ns` as it is. */
static int
age_converter(PyObject *object, void *ret_ns)
{
    double seconds;

    if (object == Py_None) {
        return 1;
    }
    seconds = PyFloat_AsDouble(object);
    if (PyErr_Occurred()) {
        return 0;
    }
    if (!(seconds >= 0)) {
        PyErr_Format(PyExc_ValueError, "an age is a time from 0 on in seconds, not %R",
                     object);
        return 0;
    }
    *(int64_t *)ret_ns = seconds < 9e9 ? (int64_t)(1e9 * seconds) : INT64_MAX - 1;
    return 1;
}

PyDoc_STRVAR(
    store_reduce_doc,
    "reduce($self, /, bytes_limit=None, items_limit=None, age_limit=None)\n--\n\n"
    "Remove what was used least recently until the rest is within the limits.\n\n"
    "The age, in seconds, is since the last use. Returns a dict of counts: removed,\n"
    "removed_bytes, entries and bytes (that are left).");

static PyObject *
store_reduce(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"bytes_limit", "items_limit", "age_limit", NULL};
    struct store_object *self = (struct store_object *)op;
    struct cj_store_limits limits = CJ_STORE_NO_LIMITS;
    struct cj_store_reduction result;
    int r;

    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "|O&O&O&:reduce", names, number_converter, &limits.n_bytes,
            number_converter, &limits.n_entries, age_converter, &limits.age_ns)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = cj_store_reduce(self->store, &limits, &result);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return error_raise(r, self->location);
    }
    return Py_BuildValue("{sKsKsKsK}", "removed", (unsigned long long)result.n_removed,
                         "removed_bytes", (unsigned long long)result.n_removed_bytes,
                         "entries", (unsigned long long)result.n_entries, "bytes",
                         (unsigned long long)result.n_bytes);
}

PyDoc_STRVAR(
    store_info_doc,
    "info($self, /)\n--\n\n"
    "Totals of the store, as a dict: entries, bytes; and hits, misses, evicted,\n"
    "hits and misses of handles that were closed.");

static PyObject *
store_info(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct store_object *self = (struct store_object *)op;
    struct cj_store_info info;
    int r;

    Py_BEGIN_ALLOW_THREADS
    r = cj_store_info(self->store, &info);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return error_raise(r, self->location);
    }
    return Py_BuildValue("{sKsKsKsKsK}", "entries", (unsigned long long)info.n_entries,
                         "bytes", (unsigned long long)info.n_bytes, "hits",
                         (unsigned long long)info.n_hits, "misses",
                         (unsigned long long)info.n_misses, "evicted",
                         (unsigned long long)info.n_evicted);
}

PyDoc_STRVAR(
    store_statistics_doc,
    "statistics($self, /)\n--\n\n"
    "What this handle has seen, as a dict: hits, misses, expired (misses, too),\n"
    "corrupt, foreign, stored, evicted, waits.");

static PyObject *
store_statistics(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct cj_store_statistics seen;

    cj_store_statistics(((struct store_object *)op)->store, &seen);
    return Py_BuildValue("{sKsKsKsKsKsKsKsK}", "hits", (unsigned long long)seen.n_hits,
                         "misses", (unsigned long long)seen.n_misses, "expired",
                         (unsigned long long)seen.n_expired, "corrupt",
                         (unsigned long long)seen.n_corrupt, "foreign",
                         (unsigned long long)seen.n_foreign, "stored",
                         (unsigned long long)seen.n_stored, "evicted",
                         (unsigned long long)seen.n_evicted, "waits",
                         (unsigned long long)seen.n_waits);
}

PyDoc_STRVAR(
    store_versions_doc,
    "versions($self, /)\n--\n\n"
    "The versions of all functions that stand in the store, as (path relative\n"
    "to the location, version), in no order.");

static int
store_versions_add(void *list, const struct cj_version *version)
{
    return list_add(list,
                    Py_BuildValue("O&y#", path_object, version->path, version->version,
                                  (Py_ssize_t)sizeof(version->version)));
}

static PyObject *
store_versions(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct store_object *self = (struct store_object *)op;
    PyObject *list = PyList_New(0);
    int r = list ? cj_store_versions(self->store, store_versions_add, list) : -ENOMEM;

    return list_done(list, r, self->location);
}

PyDoc_STRVAR(
    store_entries_doc,
    "entries($self, path, verify=False, /)\n--\n\n"
    "The entries of a path that versions() told, in no order: tuples (path, bytes,\n"
    "created, used, metadata, is_sound), times in seconds since 1970. With verify\n"
    "each is read whole and checked; without, the metadata are unchecked.");

static int
store_entries_add(void *list, const struct cj_store_item *item)
{
    const char *meta = item->meta.size > 0 ? item->meta.data : "";

    return list_add(list, Py_BuildValue("O&Kddy#N", path_object, item->path,
                                        (unsigned long long)item->n_bytes,
                                        1e-9 * (double)item->created_ns,
                                        1e-9 * (double)item->used_ns, meta,
                                        (Py_ssize_t)item->meta.size,
                                        PyBool_FromLong(item->is_sound)));
}

static PyObject *
store_entries(PyObject *op, PyObject *args)
{
    struct store_object *self = (struct store_object *)op;
    PyObject *path, *list;
    int verify = 0, r;

    if (!PyArg_ParseTuple(args, "O&|p:entries", PyUnicode_FSConverter, &path,
                          &verify)) {
        return NULL;
    }
    list = PyList_New(0);
    r = list ? cj_store_walk_version(self->store, PyBytes_AS_STRING(path), verify != 0,
                                     store_entries_add, list)
             : -ENOMEM;
    Py_DECREF(path);
    return list_done(list, r, self->location);
}

static PyObject *
store_location(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((struct store_object *)op)->location);
}

static PyMethodDef store_methods[] = {
    {"shelf", store_shelf, METH_VARARGS, store_shelf_doc},
    {"clear", store_clear, METH_NOARGS, store_clear_doc},
    {"entries", store_entries, METH_VARARGS, store_entries_doc},
    {"versions", store_versions, METH_NOARGS, store_versions_doc},
    {"info", store_info, METH_NOARGS, store_info_doc},
    {"reduce", (PyCFunction)(void (*)(void))store_reduce, METH_VARARGS | METH_KEYWORDS,
     store_reduce_doc},
    {"statistics", store_statistics, METH_NOARGS, store_statistics_doc},
    {"check", store_check, METH_VARARGS, store_check_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef store_getset[] = {
    {"location", store_location, NULL, "The folder, as given.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(store_type_doc,
             "Store(location, *, durable=False, max_bytes=None, ttl=None)\n--\n\n"
             "A folder of cached results. Durable: what is put survives a power cut.\n"
             "Puts keep the entries below max_bytes together.\n"
             "Entries that were made more than ttl seconds ago are a miss.\n"
             "Raises OSError with its path.");

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
