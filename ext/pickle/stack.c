#include "pickle/stack.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One more level with the calls of Python between ours. */
#define STACK_NEEDED_BYTES 24576

/* The main thread's stack grows up to its resource limit, for which the interpreter's
 * own limit is made; asking about it reads /proc. The others are asked, at the cost of
 * about a microsecond. */
static bool
stack_is_short(void)
{
    pthread_attr_t attributes;
    char here;
    void *lowest;
    size_t n_bytes;
    bool is_short;

    if (getpid() == syscall(SYS_gettid) ||
        pthread_getattr_np(pthread_self(), &attributes) != 0) {
        return false;
    }
    is_short = pthread_attr_getstack(&attributes, &lowest, &n_bytes) == 0 &&
               &here - (char *)lowest < STACK_NEEDED_BYTES;
    pthread_attr_destroy(&attributes);
    return is_short;
}

int
stack_enter(const char *where)
{
    if (stack_is_short()) {
        PyErr_Format(PyExc_RecursionError, "this thread's stack is used up%s", where);
        return -1;
    }
    return Py_EnterRecursiveCall(where);
}

void
stack_leave(void)
{
    Py_LeaveRecursiveCall();
}
