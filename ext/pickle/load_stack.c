#include "pickle/load_stack.h"

#define STACK_FIRST_ROOM 64
#define MARKS_FIRST_ROOM 16

int
load_stack_grow(struct load_stack *stack)
{
    size_t n = (size_t)(stack->top - stack->base);
    size_t n_fenced = (size_t)(stack->fence - stack->base);
    size_t room = n ? n * 2 : STACK_FIRST_ROOM;
    PyObject **base = stack->base;

    PyMem_Resize(base, PyObject *, room);
    if (!base) {
        PyErr_NoMemory();
        return -1;
    }
    stack->base = base;
    stack->top = base + n;
    stack->fence = base + n_fenced;
    stack->limit = base + room;
    return 0;
}

static int
load_stack_grow_marks(struct load_stack *stack)
{
    size_t room = stack->marks_room ? stack->marks_room * 2 : MARKS_FIRST_ROOM;
    size_t *marks = stack->marks;

    PyMem_Resize(marks, size_t, room);
    if (!marks) {
        PyErr_NoMemory();
        return -1;
    }
    stack->marks = marks;
    stack->marks_room = room;
    return 0;
}

int
load_stack_mark(struct load_stack *stack)
{
    if (stack->n_marks == stack->marks_room && load_stack_grow_marks(stack) < 0) {
        return -1;
    }
    stack->marks[stack->n_marks++] = (size_t)(stack->top - stack->base);
    stack->fence = stack->top;
    return 0;
}

void
load_stack_unmark(struct load_stack *stack)
{
    stack->n_marks--;
    stack->fence = stack->base;
    if (stack->n_marks > 0) {
        stack->fence += stack->marks[stack->n_marks - 1];
    }
}

void
load_stack_cut(struct load_stack *stack, PyObject **from)
{
    while (stack->top > from) {
        stack->top--;
        Py_XDECREF(*stack->top);
    }
}

void
load_stack_clear(struct load_stack *stack)
{
    stack->n_marks = 0;
    stack->fence = stack->base;
    load_stack_cut(stack, stack->base);
}

void
load_stack_done(struct load_stack *stack)
{
    load_stack_clear(stack);
    PyMem_Free(stack->base);
    PyMem_Free(stack->marks);
    *stack = (struct load_stack){0};
}
