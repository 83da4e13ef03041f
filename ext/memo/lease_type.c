#include "memo/lease_type.h"

struct lease_object {
    PyObject_HEAD
    struct cj_lease *lease; /* NULL: released; exchanged by whoever releases it */
};

/* Whoever comes first gives it back. */
static void
lease_give_back(struct lease_object *self, bool is_stored)
{
    struct cj_lease *lease = __atomic_exchange_n(&self->lease, NULL, __ATOMIC_ACQ_REL);

    cj_lease_release(lease, is_stored);
}

static void
lease_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    lease_give_back((struct lease_object *)op, false);
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(
    lease_release_doc,
    "release($self, is_stored=False, /)\n--\n\n"
    "Give the lease back; a second time does nothing.\n\n"
    "With is_stored those who wait find the entry; without they compute, all at\n"
    "once. So does a lease that is dropped.");

static PyObject *
lease_release(PyObject *op, PyObject *args)
{
    int is_stored = 0;

    if (!PyArg_ParseTuple(args, "|p:release", &is_stored)) {
        return NULL;
    }
    lease_give_back((struct lease_object *)op, is_stored != 0);
    Py_RETURN_NONE;
}

static PyMethodDef lease_methods[] = {
    {"release", lease_release, METH_VARARGS, lease_release_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lease_slots[] = {
    {Py_tp_doc, "The right to compute an entry; nobody else does so meanwhile."},
    {Py_tp_dealloc, lease_dealloc},
    {Py_tp_methods, lease_methods},
    {0, NULL},
};

PyType_Spec lease_type_spec = {
    .name = "cjoblib._core.Lease",
    .basicsize = sizeof(struct lease_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = lease_slots,
};

PyObject *
lease_object(struct core_state *state, struct cj_lease *lease)
{
    PyTypeObject *type = (PyTypeObject *)state->lease_type;
    struct lease_object *self;

    if (!lease) {
        Py_RETURN_NONE;
    }
    self = (struct lease_object *)type->tp_alloc(type, 0);
    if (!self) {
        cj_lease_release(lease, false);
        return NULL;
    }
    self->lease = lease;
    return (PyObject *)self;
}

/* --- what stores share --------------------------------------------------------------
 */

static const char lease_capsule_name[] = "cjoblib._core.leases";

static void
lease_capsule_free(PyObject *capsule)
{
    cj_leases_free(PyCapsule_GetPointer(capsule, lease_capsule_name));
}

static PyObject *
lease_after_fork(PyObject *capsule, PyObject *Py_UNUSED(ignored))
{
    cj_leases_forked(PyCapsule_GetPointer(capsule, lease_capsule_name));
    Py_RETURN_NONE;
}

static PyMethodDef lease_after_fork_def = {"leases_after_fork", lease_after_fork,
                                           METH_NOARGS, NULL};

/* os.register_at_fork(after_in_child=...) */
static int
lease_register(PyObject *capsule)
{
    PyObject *function = PyCFunction_New(&lease_after_fork_def, capsule);
    PyObject *os = function ? PyImport_ImportModule("os") : NULL;
    PyObject *call = os ? PyObject_GetAttrString(os, "register_at_fork") : NULL;
    PyObject *none = PyTuple_New(0);
    PyObject *keywords =
        function ? Py_BuildValue("{sO}", "after_in_child", function) : NULL;
    PyObject *done =
        call && none && keywords ? PyObject_Call(call, none, keywords) : NULL;
    int r = done ? 0 : -1;

    Py_XDECREF(done);
    Py_XDECREF(keywords);
    Py_XDECREF(none);
    Py_XDECREF(call);
    Py_XDECREF(os);
    Py_XDECREF(function);
    return r;
}

int
lease_exec(struct core_state *state)
{
    struct cj_leases *leases;

    if (cj_leases_new(&leases) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    state->leases = PyCapsule_New(leases, lease_capsule_name, lease_capsule_free);
    if (!state->leases) {
        cj_leases_free(leases);
        return -1;
    }
    return lease_register(state->leases);
}

struct cj_leases *
lease_shared(struct core_state *state)
{
    return PyCapsule_GetPointer(state->leases, lease_capsule_name);
}
