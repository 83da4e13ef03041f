/* The unpickler's stack of values and of marks.
 *
 *     base          fence            top        limit
 *      | . . . . . | v v v v v v v | (free)      |
 *                  ^ the last mark: nothing below it can be popped
 *
 * The stack owns its values. Only opcodes push, and no opcode runs while another one
 * calls Python code, so pointers into the stack stay good across such calls. */

#ifndef EXT_PICKLE_LOAD_STACK_H
#define EXT_PICKLE_LOAD_STACK_H

#include "compat.h"

#include <stddef.h>

struct load_stack {
    PyObject **top;
    PyObject **fence;
    PyObject **base;
    PyObject **limit;
    size_t *marks; /* the height of the stack at each open mark */
    size_t n_marks;
    size_t marks_room;
};

/* Room for one value more, or -1 with MemoryError. */
int load_stack_grow(struct load_stack *stack);

/* Open a mark at the present height. */
int load_stack_mark(struct load_stack *stack);

/* Close the last mark; the caller has taken what lay above it. */
void load_stack_unmark(struct load_stack *stack);

/* Release what lies at `from` and above; NULL where an opcode has moved a value away.
 */
void load_stack_cut(struct load_stack *stack, PyObject **from);

/* Release all values and marks; the memory is kept. */
void load_stack_clear(struct load_stack *stack);

void load_stack_done(struct load_stack *stack);

/* How many values lie above the last mark. */
static inline size_t
load_stack_n(const struct load_stack *stack)
{
    return (size_t)(stack->top - stack->fence);
}

/* Push and own; on failure the value is released. */
static inline int
load_stack_push(struct load_stack *stack, PyObject *value)
{
    if (stack->top == stack->limit && load_stack_grow(stack) < 0) {
        Py_DECREF(value);
        return -1;
    }
    *stack->top++ = value;
    return 0;
}

#endif
