/* Two connected stream sockets without a name: bytes both ways, and descriptors beside
 * them. Nothing here raises SIGPIPE, and nothing here ends with -EINTR. */

#ifndef SYS_SOCKET_PAIR_H
#define SYS_SOCKET_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "cjoblib/base.h"

enum socket_pair_outcome {
    SOCKET_PAIR_FULL = 1, /* no byte fits now, or none has come */
    SOCKET_PAIR_ENDED,    /* the peer is gone, or will take or send no more */
};

/* Both ends are closed on exec. */
CJ_MUST_CHECK int socket_pair_open(int *ret_ours, int *ret_theirs);

/* Send what fits of `parts`, at least one byte; without `wait` it never sleeps. At most
 * SOCKET_PAIR_MAX_PARTS of them are looked at. */
#define SOCKET_PAIR_MAX_PARTS 64
CJ_MUST_CHECK int socket_pair_send(int fd, struct iovec *parts, size_t n_parts,
                                   bool wait, size_t *ret_n_bytes);

/* The same with up to SOCKET_PAIR_MAX_FDS descriptors beside the first byte: they have
 * gone with it. */
#define SOCKET_PAIR_MAX_FDS 16
CJ_MUST_CHECK int socket_pair_send_fds(int fd, struct iovec *parts, size_t n_parts,
                                       const int *fds, size_t n_fds, bool wait,
                                       size_t *ret_n_bytes);

/* Receive at least one byte into `rooms`; without `wait` it never sleeps. What a peer
 * sent before it died is received before SOCKET_PAIR_ENDED is told. */
CJ_MUST_CHECK int socket_pair_receive(int fd, struct iovec *rooms, size_t n_rooms,
                                      bool wait, size_t *ret_n_bytes);

/* The same with the descriptors that came beside the bytes, closed on exec, as many as
 * SOCKET_PAIR_MAX_FDS. -EMFILE: there was no room for them. */
CJ_MUST_CHECK int socket_pair_receive_fds(int fd, struct iovec *rooms, size_t n_rooms,
                                          bool wait, size_t *ret_n_bytes, int *ret_fds,
                                          size_t *ret_n_fds);

/* Send a descriptor, with one byte to carry it, and take it at the other end, closed on
 * exec. Both wait. Taking: SOCKET_PAIR_ENDED; -EPROTO: something else came. */
CJ_MUST_CHECK int socket_pair_pass(int fd, int passed_fd);
CJ_MUST_CHECK int socket_pair_take(int fd, int *ret_fd);

/* The peer sees the end of our bytes, also when copies of `fd` are open elsewhere. */
void socket_pair_finish(int fd);

/* No more bytes are wanted: what receives on `fd`, or will, gets those that have come
 * and then SOCKET_PAIR_ENDED. */
void socket_pair_refuse(int fd);

/* Make an end that was inherited our own, closed on exec. `ret_opener` is the process
 * that opened the pair, 0 when it is in a process namespace that we cannot see.
 * -ENOTSOCK, -EBADF. */
CJ_MUST_CHECK int socket_pair_adopt(int fd, pid_t *ret_opener);

/* Sleep until there is something to receive, or the peer is gone: 0; SOCKET_PAIR_FULL:
 * not within `timeout_ns` (rounded up to milliseconds). */
CJ_MUST_CHECK int socket_pair_await(int fd, int64_t timeout_ns);

#endif
