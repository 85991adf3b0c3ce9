// A backend that streams server-sent events, and a client that counts them: small enough to cost little beside what is
// measured between them.
//
//   streams serve PORT CHUNKS INTERVAL_MS     answers every request with CHUNKS events, one each INTERVAL_MS
//   streams read PORT STREAMS CHUNKS PATH     opens STREAMS requests at once and reads them to the end
//
// `read` prints: streams finished, events received, reads that returned data, first-event latency p50 and p99 in ms.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAXIMUM_CONNECTIONS 16384
#define EVENT "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"mock\"," \
              "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},\"finish_reason\":null}]}\n\n"
#define LAST "data: [DONE]\n\n"

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

struct stream { int active, sent; double due; char head[4096]; int size; };
static struct stream streams[MAXIMUM_CONNECTIONS];

static int request_length(const char *head, int size) {
    char *end = memmem(head, size, "\r\n\r\n", 4);
    if (end == NULL) return -1;
    char *length = strcasestr(head, "content-length:");
    int body = length != NULL && length < end ? atoi(length + 15) : 0;
    return (int)(end - head) + 4 + body;
}

static void send_chunk(int fd, const char *text) {
    char buffer[1024];
    int n = snprintf(buffer, sizeof buffer, "%zx\r\n%s\r\n", strlen(text), text);
    if (send(fd, buffer, n, MSG_NOSIGNAL) < 0) streams[fd].active = 0;
}

static int serve(int port, int chunks, int interval) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0) return perror("listen"), 1;
    int poll = epoll_create1(0), clock = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), highest = 0;
    struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    timerfd_settime(clock, 0, &every, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = clock;
    epoll_ctl(poll, EPOLL_CTL_ADD, clock, &event);
    for (;;) {
        int count = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                int client;
                while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (client >= MAXIMUM_CONNECTIONS) { close(client); continue; }
                    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    memset(&streams[client], 0, sizeof streams[client]);
                    if (client > highest) highest = client;
                    event.data.fd = client;
                    epoll_ctl(poll, EPOLL_CTL_ADD, client, &event);
                }
            } else if (fd == clock) {
                uint64_t ticks;
                if (read(clock, &ticks, sizeof ticks) < 0) continue;
                double now = now_ms();
                for (int s = 0; s <= highest; s++) {
                    struct stream *stream = &streams[s];
                    if (!stream->active || stream->due > now) continue;
                    stream->due += interval;
                    send_chunk(s, EVENT);
                    if (++stream->sent >= chunks && stream->active) {
                        send_chunk(s, LAST);
                        if (send(s, "0\r\n\r\n", 5, MSG_NOSIGNAL) < 0) perror("send");
                        stream->active = 0;
                    }
                }
            } else {
                struct stream *stream = &streams[fd];
                int n = recv(fd, stream->head + stream->size, sizeof stream->head - stream->size - 1, 0);
                if (n <= 0) { if (n == 0 || errno != EAGAIN) { stream->active = 0; close(fd); } continue; }
                stream->size += n;
                stream->head[stream->size] = 0;
                int whole = request_length(stream->head, stream->size);
                if (whole < 0 || stream->size < whole) continue;
                stream->size = 0;
                const char *head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
                if (send(fd, head, strlen(head), MSG_NOSIGNAL) < 0) continue;
                stream->active = 1;
                stream->sent = 0;
                stream->due = now_ms() + interval;
            }
        }
    }
}

static int compare(const void *a, const void *b) { return *(double *)a < *(double *)b ? -1 : *(double *)a > *(double *)b; }

static int consume(int port, int wanted, int chunks, const char *path) {
    static double started[MAXIMUM_CONNECTIONS], first[MAXIMUM_CONNECTIONS];
    static int tail[MAXIMUM_CONNECTIONS];
    int poll = epoll_create1(0), open = 0, finished = 0, measured = 0;
    long events_seen = 0, reads = 0;
    char body[] = "{\"model\":\"mock\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}", head[512];
    int size = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nx-stream: 1\r\nContent-Length: %zu\r\n\r\n%s", path, strlen(body), body);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < wanted; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) return perror("connect"), 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        started[fd] = now_ms();
        if (send(fd, head, size, MSG_NOSIGNAL) < 0) return perror("send"), 1;
        open++;
    }
    struct epoll_event events[256];
    double end = now_ms() + 120000;
    while (open > 0 && now_ms() < end) {
        int count = epoll_wait(poll, events, 256, 1000);
        for (int i = 0; i < count; i++) {
            char buffer[16384];
            int fd = events[i].data.fd, n = recv(fd, buffer, sizeof buffer - 1, MSG_DONTWAIT);
            if (n < 0 && errno == EAGAIN) continue;
            if (n <= 0) { close(fd); open--; continue; }
            reads++;
            buffer[n] = 0;
            for (char *p = buffer; (p = strstr(p, "chat.completion.chunk")) != NULL; p++) {
                events_seen++;
                if (first[fd] == 0) first[fd] = now_ms() - started[fd];
            }
            if (strstr(buffer, "[DONE]") != NULL) tail[fd] = 1;
            if (tail[fd] && n >= 5 && memmem(buffer, n, "0\r\n\r\n", 5) != NULL) { finished++; close(fd); open--; }
        }
    }
    static double sorted[MAXIMUM_CONNECTIONS];
    for (int i = 0; i < MAXIMUM_CONNECTIONS; i++) if (first[i] > 0) sorted[measured++] = first[i];
    qsort(sorted, measured, sizeof *sorted, compare);
    printf("{\"finished\": %d, \"wanted\": %d, \"events\": %ld, \"expected\": %ld, \"reads\": %ld, \"first_p50_ms\": %.3f, \"first_p99_ms\": %.3f}\n",
           finished, wanted, events_seen, (long)wanted * chunks, reads, measured ? sorted[measured / 2] : 0, measured ? sorted[measured * 99 / 100] : 0);
    return finished == wanted ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc >= 5 && strcmp(argv[1], "serve") == 0) return serve(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    if (argc >= 6 && strcmp(argv[1], "read") == 0) return consume(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), argv[5]);
    fprintf(stderr, "usage: streams serve PORT CHUNKS INTERVAL_MS | streams read PORT STREAMS CHUNKS PATH\n");
    return 2;
}
