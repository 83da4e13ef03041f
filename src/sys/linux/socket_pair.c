#include "sys/socket_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/descriptor.h"

int
socket_pair_open(int *ret_ours, int *ret_theirs)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        return -errno;
    }
    *ret_ours = fds[0];
    *ret_theirs = fds[1];
    return 0;
}

static int
socket_pair_failure(void)
{
    switch (errno) {
    case EAGAIN:
        return SOCKET_PAIR_FULL;
    case EPIPE:
    case ECONNRESET: /* it died and left bytes of ours unread */
        return SOCKET_PAIR_ENDED;
    default:
        return -errno;
    }
}

/* Room for descriptors, aligned as the kernel wants it. */
struct socket_pair_fds {
    _Alignas(
        struct cmsghdr) char control[CMSG_SPACE(SOCKET_PAIR_MAX_FDS * sizeof(int))];
};

static void
fds_attach(struct msghdr *message, struct socket_pair_fds *room, const int *fds,
           size_t n_fds)
{
    struct cmsghdr *header;

    memset(room, 0, sizeof(*room));
    message->msg_control = room->control;
    message->msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
    header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
}

int
socket_pair_send_fds(int fd, struct iovec *parts, size_t n_parts, const int *fds,
                     size_t n_fds, bool wait, size_t *ret_n_bytes)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = n_parts};
    struct socket_pair_fds room;
    ssize_t n;

    if (n_parts > SOCKET_PAIR_MAX_PARTS) {
        message.msg_iovlen = SOCKET_PAIR_MAX_PARTS;
    }
    if (n_fds > 0) {
        fds_attach(&message, &room, fds, n_fds);
    }
    do {
        n = sendmsg(fd, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return socket_pair_failure();
    }
    *ret_n_bytes = (size_t)n;
    return 0;
}

int
socket_pair_send(int fd, struct iovec *parts, size_t n_parts, bool wait,
                 size_t *ret_n_bytes)
{
    return socket_pair_send_fds(fd, parts, n_parts, NULL, 0, wait, ret_n_bytes);
}

static size_t
fds_detach(struct msghdr *message, int *ret_fds)
{
    struct cmsghdr *header =
        message->msg_controllen > 0 ? CMSG_FIRSTHDR(message) : NULL;
    size_t n = 0;

    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(ret_fds, CMSG_DATA(header), n * sizeof(int));
    }
    return n;
}

int
socket_pair_receive_fds(int fd, struct iovec *rooms, size_t n_rooms, bool wait,
                        size_t *ret_n_bytes, int *ret_fds, size_t *ret_n_fds)
{
    struct socket_pair_fds room;
    struct msghdr message = {
        .msg_iov = rooms,
        .msg_iovlen = n_rooms,
        .msg_control = room.control,
        .msg_controllen = sizeof(room.control),
    };
    ssize_t n;

    do {
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return socket_pair_failure();
    }
    *ret_n_fds = fds_detach(&message, ret_fds);
    if (message.msg_flags & MSG_CTRUNC) {
        for (size_t i = 0; i < *ret_n_fds; i++) {
            descriptor_close(ret_fds[i]);
        }
        return -EMFILE;
    }
    if (n == 0) {
        return SOCKET_PAIR_ENDED;
    }
    *ret_n_bytes = (size_t)n;
    return 0;
}

int
socket_pair_receive(int fd, struct iovec *rooms, size_t n_rooms, bool wait,
                    size_t *ret_n_bytes)
{
    int fds[SOCKET_PAIR_MAX_FDS];
    size_t n_fds = 0;
    int r = socket_pair_receive_fds(fd, rooms, n_rooms, wait, ret_n_bytes, fds, &n_fds);

    for (size_t i = 0; r == 0 && i < n_fds; i++) {
        descriptor_close(fds[i]);
    }
    return r;
}

/* One byte, and room for one descriptor, aligned as the kernel wants it. */
struct socket_pair_parcel {
    struct msghdr message;
    struct iovec part;
    char byte;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};

static void
parcel_init(struct socket_pair_parcel *parcel)
{
    *parcel = (struct socket_pair_parcel){.byte = 'D'};
    parcel->part = (struct iovec){&parcel->byte, 1};
    parcel->message.msg_iov = &parcel->part;
    parcel->message.msg_iovlen = 1;
    parcel->message.msg_control = parcel->control;
    parcel->message.msg_controllen = sizeof(parcel->control);
}

int
socket_pair_pass(int fd, int passed_fd)
{
    struct socket_pair_parcel parcel;
    struct cmsghdr *header;
    ssize_t n;

    parcel_init(&parcel);
    header = CMSG_FIRSTHDR(&parcel.message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed_fd, sizeof(passed_fd));
    do {
        n = sendmsg(fd, &parcel.message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? socket_pair_failure() : 0;
}

int
socket_pair_take(int fd, int *ret_fd)
{
    struct socket_pair_parcel parcel;
    struct cmsghdr *header;
    ssize_t n;

    parcel_init(&parcel);
    do {
        n = recvmsg(fd, &parcel.message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return socket_pair_failure();
    }
    if (n == 0) {
        return SOCKET_PAIR_ENDED;
    }
    header = CMSG_FIRSTHDR(&parcel.message);
    if (!header || header->cmsg_level != SOL_SOCKET ||
        header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) {
        return -EPROTO;
    }
    memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
    return 0;
}

void
socket_pair_finish(int fd)
{
    /* Fails only when the peer is gone already. */
    (void)shutdown(fd, SHUT_WR);
}

void
socket_pair_refuse(int fd)
{
    (void)shutdown(fd, SHUT_RD);
}

int
socket_pair_adopt(int fd, pid_t *ret_opener)
{
    struct ucred opener;
    socklen_t size = sizeof(opener);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &opener, &size) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return -errno;
    }
    *ret_opener = opener.pid;
    return 0;
}

int
socket_pair_await(int fd, int64_t timeout_ns)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    int64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 > 0);
    int n;

    do {
        n = poll(&watched, 1, ms > INT_MAX ? INT_MAX : (int)ms);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return -errno;
    }
    return n == 0 ? SOCKET_PAIR_FULL : 0;
}
