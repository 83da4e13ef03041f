/* `cjoblib run`: what a command prints, its exit status and the files that it writes,
 * kept under a key of all that it was told, and given again.
 *
 *      run_command()      the command line
 *        program_find()   which file it is that runs               run_program.c
 *        key_of()         arguments, contents, variables -> key     run_key.c
 *        record_replay()  a hit: files, then output, then status    run_replay.c
 *        child_run()      a miss: run it, pass on and note output   run_child.c
 *        spool_*          what was noted, on its way to the store   run_spool.c
 */

#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "command.h"
#include "options.h"

/* Exit statuses of `cjoblib run` itself; as of env(1), timeout(1) and the shell. */
enum run_exit {
    RUN_FAILED = 125,  /* an error of cjoblib, or wrong usage */
    RUN_REFUSED = 126, /* the program was found and can't be run */
    RUN_MISSING = 127, /* there is no such program */
    RUN_KILLED = 128,  /* plus the number of the signal */
};

struct run_request {
    struct arguments command; /* its name and arguments */
    struct arguments inputs;  /* paths; "-" is standard input */
    struct arguments outputs; /* paths */
    struct arguments variables;
    const char *cache; /* NULL: the user's cache folder */
    bool only_success; /* keep nothing of a command that fails */
    int stdin_fd;      /* what the command reads */
    char *program;     /* the path of its file */
};

/* Where the entry of a request stands. */
struct run_key {
    uint8_t version[CJ_KEY_BYTES]; /* the program's content */
    uint8_t arguments[CJ_KEY_BYTES];
};

/* --- run_program.c --- */

/* The file that execvp(3) would run, on the heap. 0; RUN_MISSING, RUN_REFUSED: said. */
int program_find(const char *name, char **ret_path);

/* --- run_key.c --- */

/* Reads the program and all inputs. Standard input, when it is one of them, is copied
 * to a file without a name, which is then what the command reads. 0; RUN_FAILED: said.
 */
int key_of(struct run_request *request, struct run_key *ret_key);

/* --- run_spool.c --- */

enum record_kind {
    RECORD_OUT = 1,
    RECORD_ERROR,
    RECORD_FILE, /* one for each of the outputs, in their order; `detail`: its mode */
};

/* A record that is being made, in a file without a name. */
struct spool {
    FILE *file;
    void *mapping;
    size_t mapped_bytes;
    int error; /* of the first write that failed; the rest is not taken */
};

/* 0 or -errno. */
int spool_open(struct spool *spool);
void spool_add(struct spool *spool, enum record_kind kind, uint32_t detail,
               const void *data, size_t size);

/* Add the file that `fd` is open on; its size may change meanwhile. 0 or -errno. */
int spool_add_file(struct spool *spool, int fd, uint32_t mode);

/* Complete the record: 0, and its bytes, which live as long as the spool. */
int spool_finish(struct spool *spool, uint32_t exit_status,
                 struct cj_bytes *ret_record);
void spool_done(struct spool *spool);

/* Reading a record. */
struct record {
    const unsigned char *at, *end;
    uint32_t exit_status;
};

struct record_piece {
    uint32_t kind, detail;
    struct cj_bytes bytes;
};

/* False: this is no record. */
bool record_open(struct cj_bytes payload, struct record *ret_record);

/* The next piece; false after the last. record_is_sound() says whether all could be
 * read. */
bool record_next(struct record *record, struct record_piece *ret_piece);
bool record_is_sound(struct cj_bytes payload, size_t n_files);

/* --- run_replay.c --- */

/* Write the files, then the output. 0, and the command's exit status; < 0: an output
 * file could not be written (said), and nothing was printed. */
int record_replay(const struct run_request *request, struct cj_bytes payload,
                  int *ret_status);

/* Write all of it; 0 or -errno. */
int write_all(int fd, const void *data, size_t size);

/* --- run_child.c --- */

struct child_end {
    int status;      /* as of waitpid(2) */
    int lost_output; /* 0, or -errno: our own output could not be written */
};

/* Run the command, pass its output on and note it. 0; RUN_REFUSED, RUN_MISSING,
 * RUN_FAILED: said. */
int child_run(const struct run_request *request, struct spool *spool,
              struct child_end *ret_end);

/* --- run_watch.c --- */

/* Tells which output files a command has written, also when they stood there before and
 * look the same afterwards. */
struct watch;

/* Begin, before the command runs. NULL: no memory. */
struct watch *watch_new(const struct arguments *outputs);

/* Add the output files to the spool. 0; RUN_FAILED: one was not written, or can't be
 * read: said. */
int watch_collect(struct watch *watch, struct spool *spool);
void watch_free(struct watch *watch);

#endif
