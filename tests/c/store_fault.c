#include "store_fault.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "sys/descriptor.h"
#include "sys/entropy.h"
#include "sys/files.h"
#include "sys/folder.h"
#include "sys/lock.h"
#include "sys/pages.h"
#include "sys/range_lock.h"
#include "sys/temp.h"

struct fault fault;

/* Count a call; what it must return instead of doing its work, or 0. */
static int
fault_next(void)
{
    void (*spy)(void) = fault.spy;

    fault.n_calls++;
    if (fault.at == 0 || fault.n_calls < fault.at ||
        (fault.n_calls > fault.at && !fault.persistent)) {
        return 0;
    }
    fault.n_hit++;
    if (fault.kill) {
        raise(SIGKILL);
    }
    if (spy) {
        size_t at = fault.at;

        fault.at = 0;
        spy();
        fault.at = at;
        return 0;
    }
    return fault.error;
}

static void
fault_note(char letter)
{
    size_t n = strlen(fault.order);

    if (n + 1 < sizeof(fault.order)) {
        fault.order[n] = letter;
    }
}

#define WRAP(name, declared, passed)             \
    int __real_##name declared;                  \
    int __wrap_##name declared;                  \
    int __wrap_##name declared                   \
    {                                            \
        int r = fault_next();                    \
                                                 \
        return r < 0 ? r : __real_##name passed; \
    }

/* The same for what may be missing: `when` it is, the call returns `instead`. */
#define WRAP_ABLE(name, when, instead, declared, passed) \
    int __real_##name declared;                          \
    int __wrap_##name declared;                          \
    int __wrap_##name declared                           \
    {                                                    \
        int r = fault_next();                            \
                                                         \
        if (r < 0) {                                     \
            return r;                                    \
        }                                                \
        return when ? instead : __real_##name passed;    \
    }

WRAP(file_open, (int folder_fd, const char *name, int *ret_fd),
     (folder_fd, name, ret_fd))
WRAP(file_facts, (int fd, struct file_facts *ret_facts), (fd, ret_facts))
WRAP(file_facts_at, (int folder_fd, const char *name, struct file_facts *ret_facts),
     (folder_fd, name, ret_facts))
WRAP(file_read,
     (int fd, uint64_t offset, void *buffer, size_t size, size_t *ret_n_read),
     (fd, offset, buffer, size, ret_n_read))
WRAP(file_write, (int fd, const struct cj_bytes *pieces, size_t n_pieces),
     (fd, pieces, n_pieces))
WRAP(file_reserve, (int fd, uint64_t n_bytes), (fd, n_bytes))
WRAP(file_touch, (int fd), (fd))
WRAP(file_remove, (int folder_fd, const char *name), (folder_fd, name))
WRAP(folder_open_path, (const char *path, int *ret_fd), (path, ret_fd))
WRAP(folder_open, (int parent_fd, const char *name, int *ret_fd),
     (parent_fd, name, ret_fd))
WRAP(folder_make, (int parent_fd, const char *name), (parent_fd, name))
WRAP(folder_make_path, (const char *path), (path))
WRAP(folder_remove, (int parent_fd, const char *name), (parent_fd, name))
WRAP(folder_replace, (int old_fd, int new_fd), (old_fd, new_fd))
WRAP(folder_copy, (int fd, int *ret_fd), (fd, ret_fd))
WRAP(folder_absolute, (const char *path, char **ret_path), (path, ret_path))
WRAP(folder_list_next, (struct folder_list * list, const char **ret_name),
     (list, ret_name))
WRAP_ABLE(temp_open_nameless, fault.no_nameless, -EOPNOTSUPP,
          (int folder_fd, enum temp_mode mode, int *ret_fd), (folder_fd, mode, ret_fd))
WRAP(temp_open_named,
     (int folder_fd, const char *name, enum temp_mode mode, int *ret_fd),
     (folder_fd, name, mode, ret_fd))

int __real_temp_link(int fd, int folder_fd, const char *name);
int __wrap_temp_link(int fd, int folder_fd, const char *name);
int
__wrap_temp_link(int fd, int folder_fd, const char *name)
{
    int r = fault_next();

    fault_note('l');
    if (r < 0) {
        return r;
    }
    return fault.no_link ? -ENOENT : __real_temp_link(fd, folder_fd, name);
}

WRAP_ABLE(lock_take, fault.no_lock, LOCK_UNSUPPORTED, (int fd), (fd))
WRAP_ABLE(lock_share, fault.no_lock, LOCK_UNSUPPORTED, (int fd), (fd))
WRAP(entropy_u64, (uint64_t *ret_value), (ret_value))
WRAP(pages_map, (size_t size, struct cj_blob *ret_blob), (size, ret_blob))

/* What an entry's way to the disk consists of; see fault.order. */
#define WRAP_NOTED(letter, name, declared, passed) \
    int __real_##name declared;                    \
    int __wrap_##name declared;                    \
    int __wrap_##name declared                     \
    {                                              \
        int r = fault_next();                      \
                                                   \
        fault_note(letter);                        \
        return r < 0 ? r : __real_##name passed;   \
    }

WRAP_NOTED('s', file_sync, (int fd), (fd))
WRAP_NOTED('d', folder_sync, (int fd), (fd))
WRAP_NOTED('p', folder_sync_path, (const char *path), (path))
WRAP_NOTED('r', file_rename, (int from_fd, const char *from, int to_fd, const char *to),
           (from_fd, from, to_fd, to))
WRAP(file_open_to_write, (int folder_fd, const char *name, bool make, int *ret_fd),
     (folder_fd, name, make, ret_fd))
WRAP(file_write_at, (int fd, uint64_t offset, const void *data, size_t size),
     (fd, offset, data, size))
WRAP_ABLE(range_lock_take, fault.no_lock, RANGE_LOCK_UNSUPPORTED,
          (int fd, struct range range), (fd, range))
WRAP(range_lock_wait, (int fd, struct range range), (fd, range))
WRAP(range_lock_look, (int fd, struct range range, struct range *ret_found),
     (fd, range, ret_found))

/* Takes the descriptor also when it fails. */
int __real_folder_list_open(int fd, struct folder_list **ret_list);
int __wrap_folder_list_open(int fd, struct folder_list **ret_list);
int
__wrap_folder_list_open(int fd, struct folder_list **ret_list)
{
    int r = fault_next();

    if (r < 0) {
        descriptor_close(fd);
        return r;
    }
    return __real_folder_list_open(fd, ret_list);
}

void *__real_mem_alloc(size_t size);
void *__wrap_mem_alloc(size_t size);
void *
__wrap_mem_alloc(size_t size)
{
    return fault_next() < 0 ? NULL : __real_mem_alloc(size);
}

void *__real_mem_alloc_zero(size_t n, size_t size);
void *__wrap_mem_alloc_zero(size_t n, size_t size);
void *
__wrap_mem_alloc_zero(size_t n, size_t size)
{
    return fault_next() < 0 ? NULL : __real_mem_alloc_zero(n, size);
}
