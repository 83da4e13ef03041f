/* Array memory that travels in blocks (cjoblib/pool.h), not among a message's bytes.
 *
 * The owner puts each big buffer into a block of its own, because other tasks may come
 * with the same one; blocks that are free again are kept warm for what comes next. A
 * task takes along one of them for the worker to put results into. A worker puts all
 * big buffers of an answer into one block: that one, or a new one. */

#ifndef EXT_PARALLEL_BLOCKS_H
#define EXT_PARALLEL_BLOCKS_H

#include "compat.h"

#include <cjoblib/pool.h>

#include "pickle/value.h"
#include "state.h"

extern PyType_Spec block_type_spec;

/* Smaller buffers of answers travel among the bytes: a block has its price. */
#define BLOCK_MIN_BYTES 262144

/* The note of a task: which of its blocks is for results, and how arguments are seen.
 */
#define BLOCKS_NOTE(spare, access) ((uint32_t)(spare) | (uint32_t)(access) << 8)
#define BLOCKS_NO_SPARE 0xffu

/* --- the owner's blocks --- */

#define WARM_MAX 32
#define SEEN_MAX 32

/* A buffer that lies in a block already, as long as a task that has it is under way. */
struct seen_buffer {
    const void *data;
    size_t size;
    PyObject *owner; /* keeps the memory where it is */
    struct cj_block *block;
};

struct warm_blocks {
    struct cj_block *blocks[WARM_MAX];
    size_t n_blocks;
    size_t answer_bytes; /* of the last answer that had a block */
};

void warm_done(struct warm_blocks *warm);

/* One encoding of a task. */
struct shipment {
    struct warm_blocks *warm;
    struct seen_buffer *seen; /* SEEN_MAX of them, the run's */
    size_t *n_seen;
    size_t min_bytes;
    const char *spill_folder;
    struct cj_block *blocks[CJ_MAX_BLOCKS]; /* references */
    size_t n_blocks;
};

/* For value_places: `context` is the shipment. */
int shipment_put(void *context, const Py_buffer *views, size_t n_views,
                 uint64_t *ret_words);

/* Add a free block for the results, if there is one as big as the last ones were: its
 * number, or BLOCKS_NO_SPARE. */
unsigned shipment_add_spare(struct shipment *shipment);

void shipment_done(struct shipment *shipment);

/* Forget the buffers whose tasks are over; all of them if `all`. */
void seen_purge(struct seen_buffer *seen, size_t *n_seen, int all);

/* --- blocks that came --- */

struct arrivals {
    struct core_state *state;
    int *fds;
    size_t n_fds;
    struct cj_block *spare;   /* of the task, or NULL; not owned */
    struct warm_blocks *warm; /* where those that came are kept; or NULL */
    enum cj_block_access access;
    PyObject *objects[CJ_MAX_BLOCKS]; /* Block, once one is needed; the spare's last */
    PyObject *spare_object;
};

/* For value_places: `context` is the arrivals. */
PyObject *arrivals_find(void *context, uint64_t word, size_t size);

/* Which of them are used by others: bit i for block i. */
uint32_t arrivals_kept(const struct arrivals *arrivals);

void arrivals_done(struct arrivals *arrivals);

/* --- the worker's answer --- */

struct answer_block {
    struct cj_block *spare; /* or NULL; a reference */
    struct cj_block *block; /* a new one, or NULL; a reference */
};

/* For value_places: `context` is the answer's block. */
int answer_put(void *context, const Py_buffer *views, size_t n_views,
               uint64_t *ret_words);

void answer_done(struct answer_block *answer);

#endif
