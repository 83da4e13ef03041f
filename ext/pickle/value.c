#include "pickle/value.h"

#include <string.h>

#include "pickle/pickler.h"
#include "pickle/region.h"
#include "pickle/unpickler.h"
#include "pickle/unpickler_module.h"

#define VALUE_PROTOCOL 5
#define VALUE_FIXED_BYTES 16
#define VALUE_BUFFER_BYTES 16 /* offset and size */
#define VALUE_ALIGN 64
/* 2^32 buffers would be 64 GB of table; this bounds what a damaged count can claim. */
#define VALUE_MAX_BUFFERS 0xffffff

static const uint8_t value_padding[VALUE_ALIGN];

static uint64_t
get_uint(const uint8_t *from, int n_bytes)
{
    uint64_t value = 0;

    for (int i = n_bytes - 1; i >= 0; i--) {
        value = value << 8 | from[i];
    }
    return value;
}

static size_t
round_up(size_t size)
{
    return (size + VALUE_ALIGN - 1) & ~(size_t)(VALUE_ALIGN - 1);
}

/* --- encoding ------------------------------------------------------------------------
 */

void
value_done(struct value *value)
{
    for (size_t i = 0; i < value->n_views; i++) {
        PyBuffer_Release(&value->views[i]);
    }
    PyMem_Free(value->views);
    PyMem_Free(value->header);
    PyMem_Free(value->parts);
    Py_CLEAR(value->buffers);
    Py_CLEAR(value->pickle);
    *value = (struct value)VALUE_INIT;
}

/* The object as a pickle of protocol 5; what can leave it as a buffer is put into the
 * list instead. */
static int
pickle_object(struct core_state *state, PyObject *object, enum value_mode mode,
              PyObject *reducer, struct value *value)
{
    PyObject *append;
    struct pickler p;

    value->buffers = PyList_New(0);
    append =
        value->buffers ? PyObject_GetAttr(value->buffers, state->str_append) : NULL;
    if (!append) {
        return -1;
    }
    pickler_init(&p, state, VALUE_PROTOCOL);
    sink_init_memory(&p.sink);
    p.by_value = mode == VALUE_SHIPPING;
    p.buffer_callback = append;
    p.reducer_override = reducer;
    if (pickler_dump(&p, object) == 0) {
        value->pickle = sink_take_bytes(&p.sink);
    }
    pickler_done(&p);
    Py_DECREF(append);
    return value->pickle ? 0 : -1;
}

/* Pin the memory of every buffer. */
static int
pin_buffers(struct value *value)
{
    Py_ssize_t n = PyList_GET_SIZE(value->buffers);

    if (n > VALUE_MAX_BUFFERS) {
        PyErr_Format(PyExc_OverflowError, "%zd buffers in one object: at most %d", n,
                     VALUE_MAX_BUFFERS);
        return -1;
    }
    value->views = PyMem_Calloc((size_t)n + 1, sizeof(*value->views));
    if (!value->views) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *buffer = PyList_GET_ITEM(value->buffers, i);

        /* PickleBuffer.raw() refuses what is not contiguous; so does this. */
        if (PyObject_GetBuffer(buffer, &value->views[i], PyBUF_ANY_CONTIGUOUS) < 0) {
            return -1;
        }
        value->n_views++;
    }
    return 0;
}

static void
add_part(struct value *value, const void *data, size_t size)
{
    value->parts[value->n_parts++] = (struct cj_bytes){data, size};
}

/* One buffer: its slot of the header, and its bytes if they travel here. */
static size_t
lay_out_buffer(struct value *value, size_t i, uint64_t word, size_t at)
{
    char *slot = (char *)value->header + VALUE_FIXED_BYTES + i * VALUE_BUFFER_BYTES;
    size_t size = (size_t)value->views[i].len;

    put_u64(slot + 8, size);
    if (word & VALUE_ELSEWHERE) {
        put_u64(slot, word);
        return at;
    }
    add_part(value, value_padding, round_up(at) - at);
    add_part(value, value->views[i].buf, size);
    put_u64(slot, round_up(at));
    return round_up(at) + size;
}

/* Lay out header, pickle, and buffers with the padding before each. */
static int
lay_out(struct value *value, const uint64_t *words)
{
    size_t n_pickle = (size_t)PyBytes_GET_SIZE(value->pickle);
    size_t n_header = VALUE_FIXED_BYTES + value->n_views * VALUE_BUFFER_BYTES;
    size_t at = n_header + n_pickle;

    value->header = PyMem_Calloc(1, n_header);
    value->parts = PyMem_Calloc(2 + 2 * value->n_views, sizeof(*value->parts));
    if (!value->header || !value->parts) {
        PyErr_NoMemory();
        return -1;
    }
    put_u32((char *)value->header, (uint32_t)value->n_views);
    put_u64((char *)value->header + 8, n_pickle);
    add_part(value, value->header, n_header);
    add_part(value, PyBytes_AS_STRING(value->pickle), n_pickle);
    for (size_t i = 0; i < value->n_views; i++) {
        at = lay_out_buffer(value, i, words ? words[i] : 0, at);
    }
    return 0;
}

static int
put_apart(struct value *value, const struct value_places *places)
{
    uint64_t *words;
    int r;

    if (!places || !places->put || value->n_views == 0) {
        return lay_out(value, NULL);
    }
    words = PyMem_Calloc(value->n_views, sizeof(*words));
    if (!words) {
        PyErr_NoMemory();
        return -1;
    }
    r = places->put(places->context, value->views, value->n_views, words);
    if (r == 0) {
        r = lay_out(value, words);
    }
    PyMem_Free(words);
    return r;
}

int
value_encode_apart(struct core_state *state, PyObject *object, enum value_mode mode,
                   const struct value_places *places, struct value *ret_value)
{
    struct value value = VALUE_INIT;

    if (pickle_object(state, object, mode, places ? places->reducer : NULL, &value) <
            0 ||
        pin_buffers(&value) < 0 || put_apart(&value, places) < 0) {
        value_done(&value);
        return -1;
    }
    *ret_value = value;
    return 0;
}

void
value_set_note(struct value *value, uint32_t note)
{
    put_u32((char *)value->header + 4, note);
}

int
value_encode(struct core_state *state, PyObject *object, enum value_mode mode,
             struct value *ret_value)
{
    return value_encode_apart(state, object, mode, NULL, ret_value);
}

size_t
value_size(const struct value *value)
{
    size_t size = 0;

    for (size_t i = 0; i < value->n_parts; i++) {
        size += value->parts[i].size;
    }
    return size;
}

void
value_place(const struct value *value, void *room)
{
    char *to = room;

    for (size_t i = 0; i < value->n_parts; i++) {
        if (value->parts[i].size > 0) {
            memcpy(to, value->parts[i].data, value->parts[i].size);
            to += value->parts[i].size;
        }
    }
}

PyObject *
value_join(const struct value *value)
{
    PyObject *joined = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)value_size(value));

    if (joined) {
        value_place(value, PyBytes_AS_STRING(joined));
    }
    return joined;
}

/* --- decoding ------------------------------------------------------------------------
 */

static PyObject *
raise_damaged(struct core_state *state, const char *what, size_t size)
{
    return PyErr_Format(state->unpickling_error,
                        "not an encoded value (%zu bytes): %s out of bounds", size,
                        what);
}

/* What a buffer stands on: a place in `bytes`, or elsewhere. */
static PyObject *
region_of_buffer(struct core_state *state, PyObject *owner, struct cj_bytes bytes,
                 const uint8_t *slot, const struct value_places *places, int readonly)
{
    const uint8_t *start = bytes.data;
    uint64_t offset = get_uint(slot, 8), size = get_uint(slot + 8, 8);

    if (offset & VALUE_ELSEWHERE && places) {
        return places->find(places->context, offset, size);
    }
    if (offset > bytes.size || size > bytes.size - offset) {
        return raise_damaged(state, "a buffer", bytes.size);
    }
    return region_within(state, owner, (void *)(uintptr_t)(start + offset), size,
                         readonly);
}

/* The regions of the buffers, as a tuple; they keep `owner` alive. */
static PyObject *
regions_of_buffers(struct core_state *state, PyObject *owner, struct cj_bytes bytes,
                   size_t n_buffers, const struct value_places *places, int readonly)
{
    PyObject *regions = PyTuple_New((Py_ssize_t)n_buffers);

    for (size_t i = 0; regions && i < n_buffers; i++) {
        const uint8_t *slot =
            (const uint8_t *)bytes.data + VALUE_FIXED_BYTES + i * VALUE_BUFFER_BYTES;
        PyObject *region =
            region_of_buffer(state, owner, bytes, slot, places, readonly);

        if (!region) {
            Py_CLEAR(regions);
            break;
        }
        PyTuple_SET_ITEM(regions, (Py_ssize_t)i, region);
    }
    return regions;
}

/* The object of a pickle, which is not referred to afterwards; `regions` may be NULL.
 */
static PyObject *
loads_from(struct core_state *state, const uint8_t *pickle, size_t size,
           PyObject *regions)
{
    struct unpickler_options options = UNPICKLER_OPTIONS_INIT;
    PyObject *view, *object = NULL;
    struct unpickler u;

    options.buffers = regions;
    if (unpickler_state_ready(state) < 0 || unpickler_init(&u, state, &options) < 0) {
        return NULL;
    }
    view = PyMemoryView_FromMemory((char *)(uintptr_t)pickle, (Py_ssize_t)size,
                                   PyBUF_READ);
    if (view && source_of_buffer(&u.source, view) == 0) {
        object = unpickler_load(&u);
    }
    unpickler_done(&u);
    Py_XDECREF(view);
    return object;
}

/* What the fixed part of a value says, checked against its size. */
struct value_sizes {
    size_t n_buffers;
    size_t n_header;
    size_t n_pickle;
};

static int
value_measure(struct core_state *state, struct cj_bytes bytes,
              struct value_sizes *ret_sizes)
{
    const uint8_t *start = bytes.data;
    uint64_t n_buffers, n_pickle;
    size_t room;

    if (bytes.size < VALUE_FIXED_BYTES) {
        raise_damaged(state, "its header", bytes.size);
        return -1;
    }
    n_buffers = get_uint(start, 4);
    n_pickle = get_uint(start + 8, 8);
    room = bytes.size - VALUE_FIXED_BYTES;
    if (n_buffers > room / VALUE_BUFFER_BYTES ||
        n_pickle > room - n_buffers * VALUE_BUFFER_BYTES) {
        raise_damaged(state, "its header", bytes.size);
        return -1;
    }
    ret_sizes->n_buffers = (size_t)n_buffers;
    ret_sizes->n_header = VALUE_FIXED_BYTES + (size_t)n_buffers * VALUE_BUFFER_BYTES;
    ret_sizes->n_pickle = (size_t)n_pickle;
    return 0;
}

/* The object of measured bytes, whose buffers stand on `owner`. */
static PyObject *
decode_over(struct core_state *state, PyObject *owner, struct cj_bytes bytes,
            const struct value_sizes *sizes, const struct value_places *places,
            int readonly)
{
    const uint8_t *pickle = (const uint8_t *)bytes.data + sizes->n_header;
    PyObject *regions =
        regions_of_buffers(state, owner, bytes, sizes->n_buffers, places, readonly);
    PyObject *object =
        regions ? loads_from(state, pickle, sizes->n_pickle, regions) : NULL;

    Py_XDECREF(regions);
    return object;
}

uint32_t
value_note(struct cj_bytes bytes)
{
    return bytes.size < VALUE_FIXED_BYTES
               ? 0
               : (uint32_t)get_uint((const uint8_t *)bytes.data + 4, 4);
}

PyObject *
value_decode(struct core_state *state, struct cj_blob *blob, struct cj_bytes bytes)
{
    return value_decode_apart(state, blob, bytes, NULL);
}

PyObject *
value_decode_apart(struct core_state *state, struct cj_blob *blob,
                   struct cj_bytes bytes, const struct value_places *places)
{
    struct value_sizes sizes;
    PyObject *owner, *object = NULL;

    if (value_measure(state, bytes, &sizes) == 0) {
        if (sizes.n_buffers > 0) {
            owner = region_take(state, blob);
            object = owner ? decode_over(state, owner, bytes, &sizes, places, 0) : NULL;
            Py_XDECREF(owner);
            return object;
        }
        object = loads_from(state, (const uint8_t *)bytes.data + sizes.n_header,
                            sizes.n_pickle, NULL);
    }
    cj_blob_done(blob);
    return object;
}

PyObject *
value_decode_within(struct core_state *state, PyObject *owner, struct cj_bytes bytes,
                    int readonly)
{
    struct value_sizes sizes;

    if (value_measure(state, bytes, &sizes) < 0) {
        return NULL;
    }
    return decode_over(state, owner, bytes, &sizes, NULL, readonly);
}

/* --- for Python ----------------------------------------------------------------------
 */

/* Copy an encoded value into what allocate(size) gives; returns that. */
static PyObject *
place_in_room(const struct value *value, PyObject *allocate)
{
    size_t size = value_size(value);
    PyObject *room = PyObject_CallFunction(allocate, "n", (Py_ssize_t)size);
    Py_buffer view;

    if (!room || PyObject_GetBuffer(room, &view, PyBUF_WRITABLE) < 0) {
        Py_XDECREF(room);
        return NULL;
    }
    if ((size_t)view.len < size) {
        PyErr_Format(PyExc_ValueError, "allocate(%zu) gave a buffer of %zd bytes", size,
                     view.len);
        Py_CLEAR(room);
    }
    else {
        Py_BEGIN_ALLOW_THREADS
        value_place(value, view.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    return room;
}

PyDoc_STRVAR(
    encode_value_doc,
    "encode_value($module, obj, allocate, by_value=False, /)\n--\n\n"
    "Put an object into the writable buffer that allocate(n_bytes) gives.\n\n"
    "Arrays and other owners of memory are copied once, to a multiple of 64\n"
    "bytes from the start. Returns what allocate() returned. With `by_value`,\n"
    "what another process can't import travels by value.");

static PyObject *
encode_value(PyObject *module, PyObject *args)
{
    struct value value = VALUE_INIT;
    PyObject *object, *allocate, *room;
    int by_value = 0;

    if (!PyArg_ParseTuple(args, "OO|p:encode_value", &object, &allocate, &by_value) ||
        value_encode(core_state(module), object,
                     by_value ? VALUE_SHIPPING : VALUE_BY_NAME, &value) < 0) {
        return NULL;
    }
    room = place_in_room(&value, allocate);
    value_done(&value);
    return room;
}

PyDoc_STRVAR(
    decode_value_doc,
    "decode_value($module, buffer, /)\n--\n\n"
    "The object that encode_value() put into a buffer. Its arrays stand on the\n"
    "buffer's memory and keep it alive; they are writable if the buffer is.");

static PyObject *
decode_value(PyObject *module, PyObject *buffer)
{
    PyObject *view = PyMemoryView_FromObject(buffer);
    PyObject *object = NULL;
    const Py_buffer *raw;

    if (!view) {
        return NULL;
    }
    raw = PyMemoryView_GET_BUFFER(view);
    if (PyBuffer_IsContiguous(raw, 'C')) {
        object = value_decode_within(core_state(module), view,
                                     (struct cj_bytes){raw->buf, (size_t)raw->len},
                                     raw->readonly);
    }
    else {
        PyErr_SetString(PyExc_BufferError, "decode_value() needs contiguous memory");
    }
    Py_DECREF(view);
    return object;
}

PyMethodDef value_methods[] = {
    {"encode_value", encode_value, METH_VARARGS, encode_value_doc},
    {"decode_value", decode_value, METH_O, decode_value_doc},
    {NULL, NULL, 0, NULL},
};
