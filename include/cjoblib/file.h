/* Files that are replaced as a whole: whoever opens the name, at any moment, finds the
 * old content or the new one.
 *
 *      cj_file_open(path, NULL, &file);
 *      cj_file_reserve(file, n_bytes);              if the size is known: -ENOSPC now
 *      cj_file_write(file, &piece, 1);              any number of times
 *      cj_file_publish(file);                       the name means the new file
 *      cj_file_close(file);                         without publish: nothing happened
 *
 * What is written goes to a new file in the same folder, which takes the name's place
 * in one step. It has no name before that, where the file system can do so, and is
 * gone when its writer ends, however that ends. A file that had to be named (its name
 * begins with ".cjoblib-") is locked by its writer; what a killed one left is removed
 * by the next that writes the same name.
 *
 * The new file has the old one's mode and, as far as this process may, its owner and
 * group; without an old one, what the user's mask leaves. A symbolic link is followed:
 * its target is replaced, or made. Other hard links keep the old content, and so does
 * whoever has the old file open or mapped.
 *
 * Where nothing can be replaced:
 *
 * - What is no regular file (a FIFO, a device) is opened and written at once.
 * - A file that may be written, in a folder that takes no new one, is rewritten in
 *   place by cj_file_publish(), from a copy without a name in $TMPDIR or /tmp. Being
 *   killed in the middle of that leaves neither the old nor the new content.
 *
 * A file is used by one thread at a time. In a process forked meanwhile it can only be
 * closed.
 */

#ifndef CJ_FILE_H
#define CJ_FILE_H

#include <stdbool.h>

#include <cjoblib/codec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All zero is the default; NULL in place of the options means the same. */
struct cj_file_options {
    /* Publish only after the content is on the disk, and return only when the name is:
     * a power cut then finds the old or the new one too. */
    bool is_durable;

    /* Called when a signal arrived while a FIFO or a device kept us waiting. A result
     * < 0 ends the call with it. NULL: go on waiting. */
    int (*interrupted)(void *context);
    void *context;
};

struct cj_file;

/* Begin to replace what is called `path`, if anything is.
 *
 * -EISDIR: a folder stands there; -EACCES: there is a file that may not be written, or
 * no file and none may be made; -ELOOP: too many links; and as open(2). */
CJ_API CJ_MUST_CHECK int cj_file_open(const char *path,
                                      const struct cj_file_options *options,
                                      struct cj_file **ret_file);

/* Have room for `n_bytes` in all set aside; more may be written, and what is not needed
 * is given back by cj_file_publish(). 0 also where the file system can't do that.
 * -ENOSPC, -EDQUOT: there is not so much; -EFBIG. */
CJ_API CJ_MUST_CHECK int cj_file_reserve(struct cj_file *file, uint64_t n_bytes);

/* Write all the pieces, one after the other. After an error every further call, of
 * cj_file_publish() too, gives that error. */
CJ_API CJ_MUST_CHECK int cj_file_write(struct cj_file *file,
                                       const struct cj_bytes *pieces, size_t n_pieces);

/* The file as a sink, for an encoder. */
CJ_API struct cj_sink cj_file_sink(struct cj_file *file);

/* How much was written. */
CJ_API uint64_t cj_file_size(const struct cj_file *file);

/* Whether what is written goes to the path at once, because a FIFO or a device is
 * there. */
CJ_API bool cj_file_is_direct(const struct cj_file *file);

/* The descriptor that is written to, at its position; the file's own. */
CJ_API int cj_file_descriptor(const struct cj_file *file);

/* Have the path mean what was written; once. An error leaves the old content (but see
 * above for a folder that takes no new file). -EBUSY: the file is a mount point. */
CJ_API CJ_MUST_CHECK int cj_file_publish(struct cj_file *file);

/* Free it; what was not published is gone. Accepts NULL. */
CJ_API void cj_file_close(struct cj_file *file);

#ifdef __cplusplus
}
#endif

#endif
