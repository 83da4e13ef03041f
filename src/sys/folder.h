/* Folders. A descriptor of one goes on meaning the same folder when that is renamed,
 * and a dead one when it is removed (file_facts() tells: is_unlinked). */

#ifndef SYS_FOLDER_H
#define SYS_FOLDER_H

#include <stddef.h>

#include "cjoblib/base.h"

/* Open the folder at a path, following links. */
CJ_MUST_CHECK int folder_open_path(const char *path, int *ret_fd);

/* Have the names in it reach the disk. */
CJ_MUST_CHECK int folder_sync(int fd);

/* The same for every folder on the way to a path, the one it leads to left out; those
 * that can't be opened are passed over. */
CJ_MUST_CHECK int folder_sync_path(const char *path);

/* Take hold of the folder that a path leads to from another (-1: the working one), only
 * to reach and name what is in it: enough where it may not be listed. */
CJ_MUST_CHECK int folder_reach(int parent_fd, const char *path, int *ret_fd);

/* Open a folder inside another. -ELOOP: it is a symbolic link; -ENOTDIR: something
 * else. */
CJ_MUST_CHECK int folder_open(int parent_fd, const char *name, int *ret_fd);

/* Make a folder that is its owner's alone. 0 also when something stands there. */
CJ_MUST_CHECK int folder_make(int parent_fd, const char *name);

/* Make the folder at a path, and those above it, with the permissions the user's mask
 * leaves. 0 also when it is there. */
CJ_MUST_CHECK int folder_make_path(const char *path);

/* Remove an empty folder; -ENOTEMPTY when it isn't. */
CJ_MUST_CHECK int folder_remove(int parent_fd, const char *name);

/* Make the descriptor `old_fd` mean what `new_fd` means, in one step: a thread that
 * uses it at that moment gets the one folder or the other. */
CJ_MUST_CHECK int folder_replace(int old_fd, int new_fd);

/* Another descriptor of the same folder. */
CJ_MUST_CHECK int folder_copy(int fd, int *ret_fd);

/* `path` made absolute from the working folder, on the heap. */
CJ_MUST_CHECK int folder_absolute(const char *path, char **ret_path);

/* Reading the names in a folder, "." and ".." left out. What comes or goes meanwhile
 * may be told or not. */
struct folder_list;

/* Takes `fd`, also when it fails. */
CJ_MUST_CHECK int folder_list_open(int fd, struct folder_list **ret_list);

/* The next name, NULL after the last; good until the next call. */
CJ_MUST_CHECK int folder_list_next(struct folder_list *list, const char **ret_name);

/* The folder's descriptor; the list's own. */
int folder_list_fd(struct folder_list *list);

void folder_list_close(struct folder_list *list);

/* For AUTO(). */
void folder_list_close_p(struct folder_list **list);

#endif
