/* Inside the canonical hash: one struct hasher lives for one call.
 *
 *      canonical.c   the calls from outside
 *      walk.c        object -> digest: dispatch, containers, recursion     (calls all
 * below) cycle.c       the same for objects that contain themselves expand.c object ->
 * tuple of parts: functions, classes, hooks hook.c        ... that say themselves what
 * stands for them reduce.c      ... that are asked what pickle would ask array.c NumPy
 * arrays, scalars and dtypes; buffers leaf.c        numbers, text, bytes seen.c which
 * shared objects are known, which are being hashed fold.c        digests of digests:
 * sequences and unordered collections path.c        where in the object an error is
 *
 * Results are 0, or -1 with an exception set. */

#ifndef EXT_HASH_HASHER_H
#define EXT_HASH_HASHER_H

#include <stdbool.h>

#include "compat.h"
#include "state.h"

#include <cjoblib/digest.h>

/* The first byte of every message that is digested. */
enum tag {
    TAG_SINGLETON = 'N',
    TAG_INT = 'i',
    TAG_FLOAT = 'f',
    TAG_COMPLEX = 'c',
    TAG_STR = 's',
    TAG_BYTES = 'b',
    TAG_BYTEARRAY = 'a',
    TAG_LONG = 'L', /* text or bytes by the digest of their content */
    TAG_TUPLE = '(',
    TAG_LIST = '[',
    TAG_DICT = '{',
    TAG_PAIR = ':',
    TAG_SET = '<',
    TAG_FROZENSET = '>',
    TAG_BLOCK = '+',  /* a sequence goes on */
    TAG_GLOBAL = 'G', /* module, qualified name */
    TAG_CLASS = 'C',  /* a class that cannot be imported */
    TAG_FUNCTION = 'F',
    TAG_CODE = 'K',
    TAG_CELL = 'E',
    TAG_METHOD = 'M',
    TAG_WRAPPER = 'P', /* property, staticmethod, classmethod, mappingproxy */
    TAG_MODULE = 'd',
    TAG_NEW = 'O',    /* cls.__new__(cls, *args), state, items, pairs */
    TAG_NEW_EX = 'o', /* cls.__new__(cls, *args[0], **args[1]), the same */
    TAG_REDUCE = 'Q', /* callable(*args), the same */
    TAG_STANDIN = 'S',
    TAG_BUFFER = 'm',
    TAG_ARRAY = 'A',
    TAG_SCALAR = 'X',
    TAG_DTYPE = 'D',
    TAG_FIELDS = 'V',
    TAG_ROUND = '%', /* inside cycle.c */
    TAG_CYCLE = '@',
};

struct value {
    uint8_t bytes[CJ_DIGEST_MAX_BYTES];
};

struct seen_entry;

/* Objects with more than one reference, by identity. */
struct seen {
    struct seen_entry *entries; /* NULL until the first */
    size_t n_slots, n_used;     /* n_slots: a power of two */
};

#define HASHER_INLINE_BYTES 1024

/* Where sequences and sorted collections collect digests: a stack on the heap, so that
 * the C stack holds little for each level. */
struct scratch {
    uint8_t *data;
    size_t used, room;
    uint8_t inline_data[HASHER_INLINE_BYTES];
};

struct graph;

struct hasher {
    struct core_state *state;
    struct cj_digest *sha256; /* NULL: xxh128 */
    size_t width;             /* of a digest, in bytes */
    uintptr_t floor;          /* of the C stack: hasher_check_stack() */
    bool is_floor_known;
    bool is_cyclic;    /* some part was found inside itself */
    uint64_t n_visits; /* a measure of work */
    struct seen seen;
    struct graph *graph;     /* while cycle.c works */
    PyObject *path;          /* list of steps, innermost first; NULL: none */
    const char *root_name;   /* what the path starts with */
    PyTypeObject *hook_type; /* the type that `hook` was looked up for */
    PyObject *hook;          /* its hook, or NULL: none */
    struct scratch scratch;
};

/* The digest of an object. The caller holds one reference to it besides the one that it
 * found the object by. */
int hash_child(struct hasher *h, PyObject *obj, struct value *ret);

/* Where reduce.c puts an object's items and pairs among its parts. */
enum { REDUCE_STATE = 2, REDUCE_ITEMS = 3, REDUCE_PAIRS = 4 };

/* An object taken apart into objects that are hashed in its place. */
struct parts {
    enum tag tag;
    PyObject *items; /* a tuple; NULL: the object is walked as it is */
};

/* The digest of one object from its children's. `parts` as node_expand() gave it. */
int node_walk(struct hasher *h, PyObject *obj, const struct parts *parts,
              struct value *ret);

/* Take the object apart, if it is not one of the containers and buffers that are
 * walked. */
int node_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts);

/* The digest of the n pairs: what a dict of them has. */
int pairs_digest(struct hasher *h, PyObject *const *names, PyObject *const *values,
                 size_t n, struct value *ret);

/* RecursionError when the C stack comes near its end. The first levels are let through
 * unseen, since asking for the bounds takes as long as hashing a small object. */
int hasher_check_stack(struct hasher *h);

/* The same at any level: before Python code runs, which may hash in its turn. */
int hasher_check_stack_now(struct hasher *h);

int cycle_digest(struct hasher *h, PyObject *root, struct value *ret);

int graph_child(struct hasher *h, PyObject *obj, struct value *ret);

/* From here on text and bytes are worth remembering when they are shared. */
#define LEAF_BIG_BYTES 4096

enum leaf_result { LEAF_DONE = 1, LEAF_NOT = 2 };

/* LEAF_DONE, LEAF_NOT (a container, or big), or -1. */
int leaf_digest(struct hasher *h, PyObject *obj, struct value *ret);

/* Is this str, bytes or bytearray, the types that can be big? */
bool leaf_is_text(PyObject *obj);

/* The digest of a str, bytes or bytearray of any size. */
int leaf_text_digest(struct hasher *h, PyObject *obj, struct value *ret);

int expand_object(struct hasher *h, PyObject *obj, struct parts *ret_parts);

int reduce_object(struct hasher *h, PyObject *obj, struct parts *ret_parts);

/* What the object's class or its registered hasher says: 1 and the parts, 0: nothing.
 */
int hook_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts);

/* Let `function` say what stands for the objects of a class, and of those derived from
 * it. The key is the class, or its (module, bare name) for a module that need not be
 * there. */
int hasher_register(struct core_state *state, PyObject *key, PyObject *function);

/* Is the class's method one of C, not of a class statement? 1, 0, or -1. */
int method_is_c(PyTypeObject *type, PyObject *name);

/* What stands for an importable thing: (module, qualified name), aliases resolved. */
PyObject *global_name(PyObject *module, PyObject *qualname);

/* The same, of a class or function. */
PyObject *object_name(PyObject *obj);

/* Does the name lead through a function's inside ("f.<locals>.g", "<lambda>")? */
bool name_is_local(PyObject *name);

/* The digest of an array or memoryview that array_expand() left whole. */
int array_digest(struct hasher *h, PyObject *obj, struct value *ret);

/* NumPy's own arrays, scalars and dtypes, and memoryviews: 1 with the parts, or with
 * none for array_digest(); 0: something else; or -1. */
int array_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts);

/* The same for classes derived from NumPy's array, unless they reduce themselves. */
int array_subclass_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts);

enum seen_result { SEEN_NEW = 0, SEEN_DONE = 1, SEEN_OPEN = 2 };

/* SEEN_NEW: entered as being hashed, until seen_leave(); SEEN_DONE: with its digest;
 * SEEN_OPEN: being hashed further up. */
int seen_enter(struct seen *seen, PyObject *obj, struct value *ret);

/* Remember the digest of an object that was entered, or, with NULL, forget the object.
 */
void seen_leave(struct seen *seen, PyObject *obj, const struct value *value);

void seen_done(struct seen *seen);

/* The digest of a message. */
void message_digest(struct hasher *h, const void *data, size_t size, struct value *ret);

/* Digests in an order that matters; exactly `n` are added between begin and end. */
struct sequence {
    size_t start, used;
    unsigned n_in_block;
};

int sequence_begin(struct hasher *h, struct sequence *sequence, enum tag tag,
                   uint64_t n);

void sequence_add(struct hasher *h, struct sequence *sequence,
                  const struct value *value);

void sequence_end(struct hasher *h, struct sequence *sequence, struct value *ret);

/* Digests in no order; equal ones count. */
struct unordered {
    size_t start;
    uint64_t n, low, high;
};

void unordered_begin(struct hasher *h, struct unordered *all);

int unordered_add(struct hasher *h, struct unordered *all, const struct value *value);

int unordered_end(struct hasher *h, struct unordered *all, enum tag tag,
                  struct value *ret);

/* Sort digests in place; those of xxh128 must be filled up with zeros. */
void values_sort(struct value *values, size_t n);

void scratch_init(struct scratch *scratch);

void scratch_done(struct scratch *scratch);

/* While an UnhashableError passes: one step outwards, as text or with a key in it. */
void path_add(struct hasher *h, const char *step);

void path_add_key(struct hasher *h, const char *before, PyObject *key,
                  const char *after);

void path_add_index(struct hasher *h, size_t at);

/* A step into part `at` of an expanded object; sharpens the step added before it. */
void path_add_part(struct hasher *h, enum tag tag, size_t at);

/* Raise UnhashableError for this object; -1. */
int unhashable(struct hasher *h, PyObject *obj, const char *why);

/* Put the path into the UnhashableError that is set, if it is one. */
void path_finish(struct hasher *h);

#endif
