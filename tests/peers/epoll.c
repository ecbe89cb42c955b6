/* A line echo as one writes it by hand in C for Linux: one thread, one epoll set, edge-triggered.
 *
 * The control of the comparison, so it leaves nothing on the table that a careful author would take:
 *   - a socket is added to the epoll set once, for both directions, and never touched there again;
 *   - one read takes what has arrived, one write gives back all the whole lines of it;
 *   - a read that fills less than the buffer has drained the socket (epoll(7)), so none follows it;
 *   - all connections share one read buffer; a connection has memory of its own only while it holds
 *     something: the beginning of a line, or lines that its peer does not take yet;
 *   - a listen backlog that a burst of connections fits in.
 *
 * A line that is longer than the buffer goes back in pieces. At end of input the unfinished line goes back
 * too. Listens on a free port of 127.0.0.1 and says which. With an argument, it goes on asking for events
 * for so many microseconds after the last one before it sleeps.
 *
 *     cc -O2 -o epoll epoll.c && ./epoll [SPIN]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 128 * 1024, BACKLOG = 4096, EVENTS = 1024 };

/* What a connection holds: `ready` bytes that its peer has not taken yet, then the beginning of a line.
 * At most BUFFER bytes; no memory when there are none. */
struct connection {
    char *held;
    uint32_t length, ready;
};

static struct connection *connections; /* by file descriptor */
static size_t connections_size;
static char buffer[BUFFER];

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* Keeps `length` bytes of the shared buffer until the connection's next turn. */
static void hold(struct connection *c, const char *bytes, size_t length, size_t ready) {
    c->held = length ? malloc(length) : NULL;
    if (length && !c->held)
        die("malloc");
    if (length)
        memcpy(c->held, bytes, length);
    c->length = length;
    c->ready = ready;
}

static void close_connection(int fd) {
    free(connections[fd].held);
    connections[fd] = (struct connection){0};
    close(fd);
}

/* Writes until all went or the socket is full: the bytes that went, -1 when the connection is broken. */
static ssize_t write_some(int fd, const char *bytes, size_t length) {
    size_t sent = 0;
    while (sent < length) {
        ssize_t n = write(fd, bytes + sent, length - sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? (ssize_t)sent : -1;
        sent += n;
    }
    return sent;
}

/* One connection's turn: give back what is held, then read and echo until the socket is drained or full. */
static void serve(int fd, uint32_t events) {
    struct connection *c = &connections[fd];
    size_t length = c->length, ready = c->ready;

    if (!ready && !(events & ~EPOLLOUT))
        return; /* room to write and nothing to write: each new connection says so once */
    if (length) {
        memcpy(buffer, c->held, length);
        free(c->held);
        c->held = NULL;
    }
    for (;;) {
        int drained = 0, ended = 0;
        if (!ready) {
            size_t room = BUFFER - length;
            ssize_t n = read(fd, buffer + length, room);
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0 && errno != EAGAIN)
                return close_connection(fd);
            if (n < 0) {
                drained = 1;
            } else if (n == 0) {
                ended = 1;
                ready = length;
            } else {
                char *newline = memrchr(buffer + length, '\n', n);
                length += n;
                ready = newline ? (size_t)(newline + 1 - buffer) : 0;
                if (length == BUFFER && !ready)
                    ready = length;
                /* The end of input may have come before this read, and then no event will tell. */
                drained = (size_t)n < room && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
            }
        }
        ssize_t sent = write_some(fd, buffer, ready);
        if (sent < 0 || (ended && (size_t)sent == ready))
            return close_connection(fd);
        length -= sent;
        ready -= sent;
        if (ready || drained)
            return hold(c, buffer + sent, length, ready);
        memmove(buffer, buffer + sent, length);
    }
}

static void accept_all(int epoll, int listener) {
    const int on = 1;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if ((size_t)fd >= connections_size) {
            close(fd);
            continue;
        }
        struct epoll_event event = {
            .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
            .data.fd = fd,
        };
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
            die("epoll_ctl");
    }
}

static int64_t microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t address_size = sizeof address;
    static struct epoll_event events[EVENTS];
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files))
        die("getrlimit");
    connections_size = files.rlim_cur;
    connections = calloc(connections_size, sizeof *connections);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!connections || listener < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, BACKLOG) ||
        getsockname(listener, (struct sockaddr *)&address, &address_size))
        die("listen");

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
        die("epoll");
    printf("listening 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);

    const int64_t spin = argc > 1 ? atol(argv[1]) : 0;
    int64_t spin_until = 0;
    for (;;) {
        int spins = spin && microseconds() < spin_until;
        int count = epoll_wait(epoll, events, EVENTS, spins ? 0 : -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                serve(events[i].data.fd, events[i].events);
        }
        if (spin && count > 0)
            spin_until = microseconds() + spin;
    }
}
