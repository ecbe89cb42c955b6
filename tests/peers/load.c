/* A load for a line echo, as a second opinion beside the one in Rust: connections that keep a batch of lines
 * in flight each. Every byte that comes back is compared with what was sent.
 *
 * Prints the lines that came back in the measured time, that time, and the CPU time of the server's process
 * meanwhile, both in nanoseconds.
 *
 *     cc -O2 -o load load.c && ./load PORT PID CONNECTIONS LINE_BYTES IN_FLIGHT WARM_UP_MS MEASURED_MS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINES = 16, BUFFER = 256 * 1024, EVENTS = 256, PATIENCE_MS = 30000 };

/* Positions in the text: up to where it came back, was written, and is to be written. */
struct connection {
    int fd;
    uint64_t received, sent, end;
};

static char *text; /* LINES lines that differ, over and over, for any piece of BUFFER bytes */
static size_t period;
static char buffer[BUFFER];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t time_of(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now))
        die("the server's clock");
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void make_text(size_t line) {
    period = LINES * line;
    text = malloc(period + BUFFER);
    if (!text)
        die("malloc");
    for (size_t i = 0; i < period; i++)
        text[i] = i % line == line - 1 ? '\n' : (char)('a' + (i / line * 7 + i % line) % 26);
    for (size_t i = period; i < period + BUFFER; i++)
        text[i] = text[i - period];
}

static void send_some(struct connection *c) {
    while (c->sent < c->end) {
        size_t length = c->end - c->sent < BUFFER ? c->end - c->sent : BUFFER;
        ssize_t n = send(c->fd, text + c->sent % period, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            die("send");
        c->sent += n;
    }
}

/* A read that does not fill the buffer has drained the socket (epoll(7)). */
static void receive_all(struct connection *c) {
    for (ssize_t n = BUFFER; n == BUFFER;) {
        n = recv(c->fd, buffer, BUFFER, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            die("recv");
        if (c->received + n > c->sent || memcmp(buffer, text + c->received % period, n)) {
            fprintf(stderr, "something else came back than was sent, near byte %llu\n",
                    (unsigned long long)c->received);
            exit(1);
        }
        c->received += n;
    }
}

int main(int argc, char **argv) {
    if (argc != 8)
        return fprintf(stderr, "usage: load PORT PID CONNECTIONS LINE_BYTES IN_FLIGHT WARM_UP_MS MEASURED_MS\n"), 2;
    const int count = atoi(argv[3]), on = 1;
    const size_t line = atol(argv[4]), batch = line * atol(argv[5]);
    const int64_t warm_up = atol(argv[6]) * INT64_C(1000000), measured = atol(argv[7]) * INT64_C(1000000);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(atoi(argv[1])),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const struct linger reset = {.l_onoff = 1}; /* leaves no TIME-WAIT behind */
    struct connection *connections = calloc(count, sizeof *connections);
    clockid_t server;
    int epoll = epoll_create1(0);

    make_text(line);
    if (!connections || epoll < 0 || clock_getcpuclockid(atoi(argv[2]), &server))
        die("start");
    for (int i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address))
            die("connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        if (fcntl(c->fd, F_SETFL, O_NONBLOCK) || epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event))
            die("epoll");
        c->received = c->sent = c->end = i % LINES * line;
    }

    /* Each connection says first that it can be written to: that begins its first batch. */
    static struct epoll_event events[EVENTS];
    uint64_t bytes = 0, bytes_before = 0;
    int64_t start = time_of(CLOCK_MONOTONIC), now = start, begin = 0, cpu = 0;
    while (!begin || now - begin < measured) {
        if (!begin && now - start >= warm_up) {
            begin = now;
            bytes_before = bytes;
            cpu = time_of(server);
        }
        int n = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);
        if (n <= 0)
            die("nothing came back for 30 s");
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            uint64_t before = c->received;
            send_some(c);
            if (events[i].events & ~EPOLLOUT)
                receive_all(c);
            bytes += c->received - before;
            if (c->received == c->end) {
                c->end += batch;
                send_some(c);
            }
        }
        now = time_of(CLOCK_MONOTONIC);
    }
    printf("%llu %lld %lld\n", (unsigned long long)((bytes - bytes_before) / line), (long long)(now - begin),
           (long long)(time_of(server) - cpu));
}
