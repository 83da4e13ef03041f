#include "parallel/blocks.h"

#include <string.h>

#include "errors.h"
#include "pickle/region.h"

/* What all blocks that are kept warm may take together. */
#define WARM_MAX_BYTES ((size_t)512 << 20)

#define BLOCK_ALIGN 64

/* A word of a value: which block, and where in it. */
#define WORD_BLOCK_SHIFT 56
#define WORD_BLOCK_MASK 0x7f
#define WORD_OFFSET_MASK (((uint64_t)1 << WORD_BLOCK_SHIFT) - 1)
#define WORD_SPARE 0x7f

static uint64_t
word_of(unsigned block, size_t offset)
{
    return VALUE_ELSEWHERE | (uint64_t)block << WORD_BLOCK_SHIFT | offset;
}

/* --- the type: keeps a block mapped while buffers stand on it
 * -------------------------
 */

struct block_object {
    PyObject_HEAD
    struct cj_block *block;
};

static void
block_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    cj_block_unref(((struct block_object *)op)->block);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot block_slots[] = {
    {Py_tp_doc, "Memory that came from another process."},
    {Py_tp_dealloc, block_dealloc},
    {0, NULL},
};

PyType_Spec block_type_spec = {
    .name = "cjoblib._core.Block",
    .basicsize = sizeof(struct block_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = block_slots,
};

/* Takes the reference over, also on failure. */
static PyObject *
block_object_new(struct core_state *state, struct cj_block *block)
{
    PyTypeObject *type = (PyTypeObject *)state->block_type;
    struct block_object *self = (struct block_object *)type->tp_alloc(type, 0);

    if (!self) {
        cj_block_unref(block);
        return NULL;
    }
    self->block = block;
    return (PyObject *)self;
}

/* --- warm blocks --------------------------------------------------------------------
 */

void
warm_done(struct warm_blocks *warm)
{
    for (size_t i = 0; i < warm->n_blocks; i++) {
        cj_block_unref(warm->blocks[i]);
    }
    warm->n_blocks = 0;
}

/* The smallest free one that is big enough and not far too big. Borrowed. */
static struct cj_block *
warm_find(const struct warm_blocks *warm, size_t size)
{
    struct cj_block *best = NULL;

    for (size_t i = 0; i < warm->n_blocks; i++) {
        struct cj_block *block = warm->blocks[i];
        size_t n = cj_block_size(block);

        if (n >= size && n / 4 <= size && (!best || n < cj_block_size(best)) &&
            cj_block_is_free(block)) {
            best = block;
        }
    }
    return best;
}

static void
warm_drop(struct warm_blocks *warm, size_t at)
{
    cj_block_unref(warm->blocks[at]);
    warm->n_blocks--;
    memmove(warm->blocks + at, warm->blocks + at + 1,
            (warm->n_blocks - at) * sizeof(warm->blocks[0]));
}

/* Keep a reference of our own; the oldest make room. Those that are in use stay alive
 * without us. */
static void
warm_keep(struct warm_blocks *warm, struct cj_block *block)
{
    size_t total = cj_block_size(block);

    for (size_t i = 0; i < warm->n_blocks; i++) {
        total += cj_block_size(warm->blocks[i]);
    }
    while (warm->n_blocks > 0 &&
           (warm->n_blocks == WARM_MAX || total > WARM_MAX_BYTES)) {
        total -= cj_block_size(warm->blocks[0]);
        warm_drop(warm, 0);
    }
    warm->blocks[warm->n_blocks++] = cj_block_ref(block);
}

/* A block of at least `size` bytes, a new reference; NULL: there is no room. */
static struct cj_block *
warm_take(struct warm_blocks *warm, size_t size, const char *spill_folder)
{
    struct cj_block *block = warm_find(warm, size);

    if (block) {
        return cj_block_ref(block);
    }
    if (cj_block_new(size, spill_folder, &block) < 0) {
        return NULL;
    }
    warm_keep(warm, block);
    return block;
}

/* --- the owner's tasks --------------------------------------------------------------
 */

void
seen_purge(struct seen_buffer *seen, size_t *n_seen, int all)
{
    size_t n = 0;

    for (size_t i = 0; i < *n_seen; i++) {
        /* Ours, the warm list's, and a task's. */
        if (!all && cj_block_n_refs(seen[i].block) > 2) {
            seen[n++] = seen[i];
            continue;
        }
        cj_block_unref(seen[i].block);
        Py_DECREF(seen[i].owner);
    }
    *n_seen = n;
}

static int
shipment_number(struct shipment *shipment, struct cj_block *block)
{
    for (size_t i = 0; i < shipment->n_blocks; i++) {
        if (shipment->blocks[i] == block) {
            return (int)i;
        }
    }
    shipment->blocks[shipment->n_blocks] = cj_block_ref(block);
    return (int)shipment->n_blocks++;
}

static struct cj_block *
shipment_find_seen(const struct shipment *shipment, const Py_buffer *view)
{
    for (size_t i = 0; i < *shipment->n_seen; i++) {
        const struct seen_buffer *seen = &shipment->seen[i];

        if (seen->data == view->buf && seen->size == (size_t)view->len) {
            return cj_block_ref(seen->block);
        }
    }
    return NULL;
}

/* A block with a copy of the buffer, a new reference; NULL: there is no room. */
static struct cj_block *
shipment_copy(struct shipment *shipment, const Py_buffer *view)
{
    struct cj_block *block =
        warm_take(shipment->warm, (size_t)view->len, shipment->spill_folder);
    void *data;

    if (!block) {
        return NULL;
    }
    if (cj_block_map(block, CJ_BLOCK_WRITE, &data) < 0) {
        cj_block_unref(block);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    memcpy(data, view->buf, (size_t)view->len);
    Py_END_ALLOW_THREADS
    if (*shipment->n_seen < SEEN_MAX) {
        shipment->seen[(*shipment->n_seen)++] = (struct seen_buffer){
            view->buf, (size_t)view->len, Py_NewRef(view->obj), cj_block_ref(block)};
    }
    return block;
}

int
shipment_put(void *context, const Py_buffer *views, size_t n_views, uint64_t *ret_words)
{
    struct shipment *shipment = context;
    int is_purged = 0;

    for (size_t i = 0; i < n_views; i++) {
        struct cj_block *block;

        /* The last place is for the spare. */
        if ((size_t)views[i].len < shipment->min_bytes || views[i].len == 0 ||
            shipment->n_blocks + 1 >= CJ_MAX_BLOCKS) {
            continue;
        }
        if (!is_purged) {
            seen_purge(shipment->seen, shipment->n_seen, 0);
            is_purged = 1;
        }
        block = shipment_find_seen(shipment, &views[i]);
        block = block ? block : shipment_copy(shipment, &views[i]);
        if (block) {
            ret_words[i] = word_of((unsigned)shipment_number(shipment, block), 0);
            cj_block_unref(block);
        }
    }
    return 0;
}

unsigned
shipment_add_spare(struct shipment *shipment)
{
    struct cj_block *spare;

    if (shipment->warm->answer_bytes == 0 || shipment->n_blocks >= CJ_MAX_BLOCKS) {
        return BLOCKS_NO_SPARE;
    }
    spare = warm_find(shipment->warm, shipment->warm->answer_bytes);
    return spare ? (unsigned)shipment_number(shipment, spare) : BLOCKS_NO_SPARE;
}

void
shipment_done(struct shipment *shipment)
{
    for (size_t i = 0; i < shipment->n_blocks; i++) {
        cj_block_unref(shipment->blocks[i]);
    }
    shipment->n_blocks = 0;
}

/* --- blocks that came ---------------------------------------------------------------
 */

static PyObject *
arrivals_open(struct arrivals *arrivals, unsigned number)
{
    struct cj_block *block;
    int r = cj_block_take(&arrivals->fds[number], &block);

    if (r < 0) {
        return error_raise(r, NULL);
    }
    if (arrivals->warm) {
        warm_keep(arrivals->warm, block);
        arrivals->warm->answer_bytes = cj_block_size(block);
    }
    return block_object_new(arrivals->state, block);
}

/* The Block that a word means; borrowed. */
static PyObject *
arrivals_block(struct arrivals *arrivals, unsigned number)
{
    PyObject **place;

    if (number == WORD_SPARE && arrivals->spare) {
        place = &arrivals->spare_object;
        if (!*place) {
            *place = block_object_new(arrivals->state, cj_block_ref(arrivals->spare));
        }
        return *place;
    }
    if (number >= arrivals->n_fds) {
        PyErr_SetString(arrivals->state->unpickling_error,
                        "an encoded value means a block that did not come with it");
        return NULL;
    }
    place = &arrivals->objects[number];
    if (!*place) {
        *place = arrivals_open(arrivals, number);
    }
    return *place;
}

PyObject *
arrivals_find(void *context, uint64_t word, size_t size)
{
    struct arrivals *arrivals = context;
    unsigned number = (unsigned)(word >> WORD_BLOCK_SHIFT) & WORD_BLOCK_MASK;
    uint64_t offset = word & WORD_OFFSET_MASK;
    PyObject *object = arrivals_block(arrivals, number);
    struct cj_block *block = object ? ((struct block_object *)object)->block : NULL;
    void *data;
    int r;

    if (!block) {
        return NULL;
    }
    if (offset > cj_block_size(block) || size > cj_block_size(block) - offset) {
        PyErr_SetString(arrivals->state->unpickling_error,
                        "an encoded value means memory past the end of its block");
        return NULL;
    }
    r = cj_block_map(block, arrivals->access, &data);
    if (r < 0) {
        return error_raise(r, NULL);
    }
    return region_within(arrivals->state, object, (char *)data + offset, size,
                         arrivals->access == CJ_BLOCK_READ);
}

uint32_t
arrivals_kept(const struct arrivals *arrivals)
{
    uint32_t kept = 0;

    for (unsigned i = 0; i < CJ_MAX_BLOCKS; i++) {
        if (arrivals->objects[i] && Py_REFCNT(arrivals->objects[i]) > 1) {
            kept |= (uint32_t)1 << i;
        }
    }
    return kept;
}

void
arrivals_done(struct arrivals *arrivals)
{
    for (size_t i = 0; i < CJ_MAX_BLOCKS; i++) {
        Py_CLEAR(arrivals->objects[i]);
    }
    Py_CLEAR(arrivals->spare_object);
}

/* --- the worker's answer ------------------------------------------------------------
 */

static size_t
align_up(size_t size)
{
    return (size + BLOCK_ALIGN - 1) & ~(size_t)(BLOCK_ALIGN - 1);
}

static int
is_big(const Py_buffer *view)
{
    return view->len >= BLOCK_MIN_BYTES;
}

/* The block for so many bytes, borrowed; NULL: there is no room. */
static struct cj_block *
answer_open(struct answer_block *answer, size_t size)
{
    if (answer->spare && cj_block_size(answer->spare) >= size) {
        return answer->spare;
    }
    cj_block_unref(answer->block);
    answer->block = NULL;
    return cj_block_new(size, NULL, &answer->block) < 0 ? NULL : answer->block;
}

int
answer_put(void *context, const Py_buffer *views, size_t n_views, uint64_t *ret_words)
{
    struct answer_block *answer = context;
    struct cj_block *block;
    size_t size = 0, at = 0;
    void *data;

    for (size_t i = 0; i < n_views; i++) {
        size += is_big(&views[i]) ? align_up((size_t)views[i].len) : 0;
    }
    block = size > 0 ? answer_open(answer, size) : NULL;
    if (!block || cj_block_map(block, CJ_BLOCK_WRITE, &data) < 0) {
        return 0; /* then they travel among the bytes */
    }
    for (size_t i = 0; i < n_views; i++) {
        if (is_big(&views[i])) {
            memcpy((char *)data + at, views[i].buf, (size_t)views[i].len);
            ret_words[i] = word_of(block == answer->spare ? WORD_SPARE : 0, at);
            at += align_up((size_t)views[i].len);
        }
    }
    return 0;
}

void
answer_done(struct answer_block *answer)
{
    cj_block_unref(answer->spare);
    cj_block_unref(answer->block);
    *answer = (struct answer_block){NULL, NULL};
}
