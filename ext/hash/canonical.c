#include "hash/canonical.h"

#include <string.h>

#include "errors.h"
#include "hash/hasher.h"

/* Frames this near to the first are not asked whether the C stack has room for them. */
#define FREE_STACK_BYTES 4096

static int
hasher_init(struct hasher *h, struct core_state *state, enum cj_digest_kind kind,
            const char *root_name)
{
    int r;

    memset(h, 0, offsetof(struct hasher, scratch));
    scratch_init(&h->scratch);
    h->state = state;
    h->width = cj_digest_size(kind);
    h->root_name = root_name;
    h->floor = (uintptr_t)__builtin_frame_address(0) - FREE_STACK_BYTES;
    r = kind == CJ_DIGEST_XXH128 ? 0 : cj_digest_new(kind, &h->sha256);
    if (r < 0) {
        (void)error_raise(r, NULL);
        return -1;
    }
    return 0;
}

static void
hasher_done(struct hasher *h)
{
    cj_digest_free(h->sha256);
    seen_done(&h->seen);
    scratch_done(&h->scratch);
    Py_XDECREF(h->path);
    Py_XDECREF(h->hook_type);
    Py_XDECREF(h->hook);
}

static int
root_hash(struct core_state *state, enum cj_digest_kind kind, PyObject *obj,
          struct value *ret)
{
    struct hasher h;
    int r = hasher_init(&h, state, kind, "obj");

    if (r == 0) {
        Py_INCREF(obj);
        r = hash_child(&h, obj, ret);
        if (r == 0 && h.is_cyclic) {
            r = cycle_digest(&h, obj, ret);
        }
        Py_DECREF(obj);
        path_finish(&h);
    }
    hasher_done(&h);
    return r;
}

int
hash_object(struct core_state *state, PyObject *obj, uint8_t ret_value[CANONICAL_BYTES])
{
    struct value value;

    if (root_hash(state, CJ_DIGEST_XXH128, obj, &value) < 0) {
        return -1;
    }
    memcpy(ret_value, value.bytes, CANONICAL_BYTES);
    return 0;
}

/* A cycle needs its root as an object. */
static int
pairs_cycle_digest(struct hasher *h, PyObject *const *names, PyObject *const *values,
                   size_t n, struct value *ret)
{
    PyObject *dict = PyDict_New();
    int r = dict ? 0 : -1;

    for (size_t i = 0; r == 0 && i < n; i++) {
        r = PyDict_SetItem(dict, names[i], values[i]);
    }
    if (r == 0) {
        r = cycle_digest(h, dict, ret);
    }
    Py_XDECREF(dict);
    return r;
}

int
hash_pairs(struct core_state *state, PyObject *const *names, PyObject *const *values,
           size_t n, uint8_t ret_value[CANONICAL_BYTES])
{
    struct value value;
    struct hasher h;
    int r = hasher_init(&h, state, CJ_DIGEST_XXH128, "args");

    if (r == 0) {
        r = pairs_digest(&h, names, values, n, &value);
        if (r == 0 && h.is_cyclic) {
            r = pairs_cycle_digest(&h, names, values, n, &value);
        }
        path_finish(&h);
    }
    hasher_done(&h);
    if (r == 0) {
        memcpy(ret_value, value.bytes, CANONICAL_BYTES);
    }
    return r;
}

static PyObject *
value_as_hex(const struct value *value, size_t n_bytes)
{
    static const char digits[] = "0123456789abcdef";
    PyObject *text = PyUnicode_New((Py_ssize_t)(2 * n_bytes), 127);
    Py_UCS1 *to = text ? PyUnicode_1BYTE_DATA(text) : NULL;

    for (size_t i = 0; text && i < n_bytes; i++) {
        *to++ = (Py_UCS1)digits[value->bytes[i] >> 4];
        *to++ = (Py_UCS1)digits[value->bytes[i] & 15];
    }
    return text;
}

static int
kind_of(PyObject *name, enum cj_digest_kind *ret_kind)
{
    if (PyUnicode_Check(name)) {
        *ret_kind = CJ_DIGEST_XXH128;
        if (PyUnicode_CompareWithASCIIString(name, "xxh128") == 0) {
            return 0;
        }
        *ret_kind = CJ_DIGEST_SHA256;
        if (PyUnicode_CompareWithASCIIString(name, "sha256") == 0) {
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "no canonical hash is called %R: use 'xxh128' or 'sha256'", name);
    return -1;
}

PyDoc_STRVAR(
    canonical_hash_doc,
    "canonical_hash($module, obj, hash_name='xxh128', /)\n--\n\n"
    "The digest of the object's value in hexadecimal digits: the same in every\n"
    "process. 'xxh128' or 'sha256'.");

static PyObject *
canonical_hash(PyObject *module, PyObject *const *args, Py_ssize_t n_args)
{
    enum cj_digest_kind kind = CJ_DIGEST_XXH128;
    struct value value;

    if (n_args < 1 || n_args > 2) {
        return PyErr_Format(PyExc_TypeError,
                            "canonical_hash() takes 1 or 2 arguments (%zd given)",
                            n_args);
    }
    if (n_args == 2 && kind_of(args[1], &kind) < 0) {
        return NULL;
    }
    if (root_hash(core_state(module), kind, args[0], &value) < 0) {
        return NULL;
    }
    return value_as_hex(&value, cj_digest_size(kind));
}

PyDoc_STRVAR(canonical_hash_pairs_doc,
             "canonical_hash_pairs($module, names, values, /)\n--\n\n"
             "The xxh128 hash of dict(zip(names, values)) without making the dict.");

static PyObject *
canonical_hash_pairs(PyObject *module, PyObject *const *args, Py_ssize_t n_args)
{
    struct value value;

    if (n_args != 2 || !PyTuple_Check(args[0]) || !PyTuple_Check(args[1]) ||
        PyTuple_GET_SIZE(args[0]) != PyTuple_GET_SIZE(args[1])) {
        PyErr_SetString(PyExc_TypeError, "two tuples of the same length are needed");
        return NULL;
    }
    if (hash_pairs(core_state(module), &PyTuple_GET_ITEM(args[0], 0),
                   &PyTuple_GET_ITEM(args[1], 0), (size_t)PyTuple_GET_SIZE(args[0]),
                   value.bytes) < 0) {
        return NULL;
    }
    return value_as_hex(&value, CANONICAL_BYTES);
}

PyDoc_STRVAR(
    register_hasher_doc,
    "register_hasher($module, key, function, /)\n--\n\n"
    "Hash function(obj) in place of objects of a class, or of a (module, name); None\n"
    "says that they have no hash.");

static PyObject *
register_hasher(PyObject *module, PyObject *const *args, Py_ssize_t n_args)
{
    if (n_args != 2 || (args[1] != Py_None && !PyCallable_Check(args[1]))) {
        PyErr_SetString(PyExc_TypeError, "a class and a function are needed");
        return NULL;
    }
    if (hasher_register(core_state(module), args[0], args[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef canonical_methods[] = {
    {"canonical_hash", (PyCFunction)(void (*)(void))canonical_hash, METH_FASTCALL,
     canonical_hash_doc},
    {"canonical_hash_pairs", (PyCFunction)(void (*)(void))canonical_hash_pairs,
     METH_FASTCALL, canonical_hash_pairs_doc},
    {"register_hasher", (PyCFunction)(void (*)(void))register_hasher, METH_FASTCALL,
     register_hasher_doc},
    {NULL, NULL, 0, NULL},
};

/* Attributes of another module, one after another; missing ones are an error. */
static int
import_into(const char *module_name, const char *const *names, PyObject **const *ret,
            size_t n)
{
    PyObject *module = PyImport_ImportModule(module_name);
    int r = module ? 0 : -1;

    for (size_t i = 0; r == 0 && i < n; i++) {
        *ret[i] = PyObject_GetAttrString(module, names[i]);
        r = *ret[i] ? 0 : -1;
    }
    Py_XDECREF(module);
    return r;
}

static int
state_import(struct core_state *state)
{
    static const char *const copyreg_names[] = {"dispatch_table", "__newobj__",
                                                "__newobj_ex__"};
    PyObject **const copyreg_objects[] = {&state->dispatch_table, &state->newobj,
                                          &state->newobj_ex};

    return import_into("copyreg", copyreg_names, copyreg_objects, 3);
}

static int
state_make(struct core_state *state)
{
    state->hashers = PyDict_New();
    state->hasher_names = PyDict_New();
    state->reduce_name = PyUnicode_InternFromString("__reduce_ex__");
    state->reduce_old_name = PyUnicode_InternFromString("__reduce__");
    state->hook_name = PyUnicode_InternFromString("__cjoblib_hash__");
    state->numpy_name = PyUnicode_InternFromString("numpy");
    state->four = PyLong_FromLong(4);
    state->signed_keyword = Py_BuildValue("{sO}", "signed", Py_True);
    return state->hashers && state->hasher_names && state->reduce_name &&
                   state->reduce_old_name && state->hook_name && state->numpy_name &&
                   state->four && state->signed_keyword
               ? 0
               : -1;
}

static int
error_make(PyObject *module, struct core_state *state)
{
    PyObject *bases = PyTuple_Pack(2, state->pickling_error, PyExc_TypeError);

    if (!bases) {
        return -1;
    }
    state->unhashable_error = PyErr_NewExceptionWithDoc(
        "cjoblib.hashing.UnhashableError",
        "A part of the object has no value that is the same next time.", bases, NULL);
    Py_DECREF(bases);
    if (!state->unhashable_error) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "UnhashableError", state->unhashable_error);
}

int
canonical_exec(PyObject *module, struct core_state *state)
{
    if (state_import(state) < 0 || state_make(state) < 0 ||
        error_make(module, state) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, canonical_methods);
}
