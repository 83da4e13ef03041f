#include "pickle/joblib_hash.h"

#include "arguments.h"
#include "errors.h"
#include "pickle/pickle_module.h"
#include "pickle/stack.h"

#define JOBLIB_PROTOCOL 3

/* joblib's value depends on what the interpreter's pickle.py does: ask that. */
static int
nests_by_parent(struct pickler *p)
{
    PyObject **kept = &p->state->pickle_nests_by_parent;
    PyObject *module = *kept ? NULL : PyImport_ImportModule("pickle");
    PyObject *type = module ? PyObject_GetAttrString(module, "_Pickler") : NULL;
    PyObject *flat = NULL;

    if (type) {
        flat = PyObject_GetAttrString(type, "_save_toplevel_by_name");
        PyErr_Clear();
        Py_XSETREF(*kept, PyBool_FromLong(!flat));
    }
    Py_XDECREF(module);
    Py_XDECREF(type);
    Py_XDECREF(flat);
    return *kept ? Py_IsTrue(*kept) : -1;
}

static const struct pickler_hooks joblib_hooks = {
    .take = joblib_take,
    .save_items = joblib_save_items,
    .save_set = joblib_save_set,
    .recover = joblib_recover,
    .nests_by_parent = nests_by_parent,
    .takes_iterables = true,
};

/* One pass over the object, from an empty memo. */
static int
hasher_walk(struct joblib_hasher *hasher, struct core_state *state, PyObject *obj,
            bool spares_memo)
{
    struct pickler *p = &hasher->pickler;
    int r;

    pickler_init(p, state, JOBLIB_PROTOCOL);
    sink_init_consumer(&p->sink, joblib_stream_take, &hasher->stream);
    p->memo_policy = MEMO_NO_TEXT;
    p->spares_memo = spares_memo;
    p->hooks = &joblib_hooks;
    p->hook_context = hasher;
    hasher->my_hash_number = -1;
    hasher->consistent_set_number = -1;
    r = pickler_dump(p, obj);
    pickler_done(p);
    return r;
}

/* All passes: with as small a memo as possible, then with a full one if that was not
 * enough; and again if the stream could not be kept. */
static int
hasher_run(struct joblib_hasher *hasher, struct core_state *state, PyObject *obj)
{
    bool spares_memo = true;
    int r;

    do {
        r = hasher_walk(hasher, state, obj, spares_memo);
        if (r < 0 && hasher->pickler.needs_entries) {
            PyErr_Clear();
            spares_memo = false;
            joblib_stream_restart(&hasher->stream);
            r = hasher_walk(hasher, state, obj, false);
        }
    } while (r == 0 && joblib_stream_finish(&hasher->stream));
    return r;
}

static PyObject *
hex_of(const uint8_t *value, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    PyObject *text = PyUnicode_New((Py_ssize_t)(2 * n), 127);
    Py_UCS1 *at = text ? PyUnicode_1BYTE_DATA(text) : NULL;

    for (size_t i = 0; text && i < n; i++) {
        *at++ = (Py_UCS1)digits[value[i] >> 4];
        *at++ = (Py_UCS1)digits[value[i] & 15];
    }
    return text;
}

/* PicklingError: say also what was to be hashed. */
static void
error_name_object(struct core_state *state, PyObject *obj)
{
    PyObject *type, *error, *traceback, *text, *args, *more;

    if (!state->pickle_error_type ||
        !PyErr_ExceptionMatches(state->pickle_error_type)) {
        return;
    }
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    text = PyUnicode_FromFormat("PicklingError while hashing %R: %R", obj, error);
    args = text ? PyObject_GetAttrString(error, "args") : NULL;
    more = args ? Py_BuildValue("(O)", text) : NULL;
    if (more) {
        Py_SETREF(args, PySequence_Concat(args, more));
    }
    if (more && args && PyObject_SetAttrString(error, "args", args) == 0) {
        PyErr_Restore(type, error, traceback);
    }
    else {
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
    }
    Py_XDECREF(text);
    Py_XDECREF(args);
    Py_XDECREF(more);
}

static PyObject *
hash_with(struct core_state *state, PyObject *obj, struct cj_digest *digest,
          bool coerce_mmap)
{
    struct joblib_hasher hasher;
    uint8_t value[CJ_DIGEST_MAX_BYTES];
    size_t n_bytes;
    int r;

    joblib_stream_init(&hasher.stream, digest);
    hasher.coerce_mmap = coerce_mmap;
    hasher.numpy = NUMPY_UNKNOWN;
    r = hasher_run(&hasher, state, obj);
    joblib_stream_done(&hasher.stream);
    cj_digest_final(digest, value, &n_bytes);
    if (r < 0) {
        error_name_object(state, obj);
        return NULL;
    }
    return hex_of(value, n_bytes);
}

/* OpenSSL takes longer to make a digest than to use it for a small object: each kind
 * has a spare one in the module state, which a call takes out and puts back. */
static void
spare_free(PyObject *capsule)
{
    cj_digest_free(PyCapsule_GetPointer(capsule, NULL));
}

static PyObject *
spare_take(PyObject **spare, enum cj_digest_kind kind)
{
    PyObject *capsule = compat_exchange(spare, NULL);
    struct cj_digest *digest;
    int r;

    if (capsule) {
        return capsule;
    }
    r = cj_digest_new(kind, &digest);
    if (r < 0) {
        return error_raise(r, NULL);
    }
    capsule = PyCapsule_New(digest, NULL, spare_free);
    if (!capsule) {
        cj_digest_free(digest);
    }
    return capsule;
}

PyObject *
joblib_hash_value(struct core_state *state, PyObject *obj, enum cj_digest_kind kind,
                  bool coerce_mmap)
{
    PyObject **spare = kind == CJ_DIGEST_MD5 ? &state->spare_md5 : &state->spare_sha1;
    PyObject *capsule = spare_take(spare, kind);
    PyObject *value = NULL;

    if (capsule) {
        value = hash_with(state, obj, PyCapsule_GetPointer(capsule, NULL), coerce_mmap);
        capsule = compat_exchange(spare, capsule);
    }
    Py_XDECREF(capsule);
    return value;
}

PyObject *
joblib_hash_part(struct core_state *state, PyObject *obj)
{
    PyObject *value;

    if (stack_enter(" while hashing an object") < 0) {
        return NULL;
    }
    value = joblib_hash_value(state, obj, CJ_DIGEST_MD5, false);
    stack_leave();
    return value;
}

const char joblib_hash_doc[] =
    PyDoc_STR("joblib_hash($module, /, obj, hash_name='md5', coerce_mmap=False)\n--\n\n"
              "joblib's hash of an object, by md5 or sha1.");

enum { HASH_OBJ, HASH_NAME, HASH_COERCE, N_HASH };

static const char *const hash_names[] = {"obj", "hash_name", "coerce_mmap", NULL};

static const struct arguments_spec hash_spec = {"joblib_hash", hash_names, 3, 1};

static int
hash_kind(PyObject *name, enum cj_digest_kind *ret_kind)
{
    if (!name ||
        (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "md5") == 0)) {
        *ret_kind = CJ_DIGEST_MD5;
        return 0;
    }
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "sha1") == 0) {
        *ret_kind = CJ_DIGEST_SHA1;
        return 0;
    }
    PyErr_Format(PyExc_ValueError,
                 "Valid options for 'hash_name' are ('md5', 'sha1'). Got hash_name=%R "
                 "instead.",
                 name);
    return -1;
}

PyObject *
joblib_hash(PyObject *module, PyObject *const *args, Py_ssize_t n_args, PyObject *names)
{
    PyObject *slots[N_HASH];
    enum cj_digest_kind kind;
    int coerce_mmap;

    if (arguments_sort(&hash_spec, args, n_args, names, slots) < 0 ||
        hash_kind(slots[HASH_NAME], &kind) < 0) {
        return NULL;
    }
    coerce_mmap = slots[HASH_COERCE] ? PyObject_IsTrue(slots[HASH_COERCE]) : 0;
    if (coerce_mmap < 0) {
        return NULL;
    }
    return joblib_hash_value(core_state(module), slots[HASH_OBJ], kind, coerce_mmap);
}
