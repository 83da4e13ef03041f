/* The fault seam. The linker sends every call of the store into sys/ and to the heap
 * here first (-Wl,--wrap), where the N-th one fails, kills the process, or lets
 * somebody else act on the store at that very moment. The calls are listed in
 * meson.build. */

#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include <stdbool.h>
#include <stddef.h>

struct fault {
    size_t at;         /* the call that is hit, 1 for the first; 0: none */
    bool persistent;   /* and all after it */
    int error;         /* what it returns; for the heap it means NULL */
    bool kill;         /* or: SIGKILL */
    void (*spy)(void); /* or: called, and then the call goes on */

    /* The file system is less able; not counted as faults. */
    bool no_nameless;
    bool no_link;
    bool no_lock;

    size_t n_calls;
    size_t n_hit;

    /* What was done, in its order: s a file synced, d a folder, p the folders of a
     * path, l a file linked, r renamed. */
    char order[256];
};

/* One for the program: the functions that are wrapped have no room for more. */
extern struct fault fault;

#endif
