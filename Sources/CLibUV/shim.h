#ifndef SLUICE_CLIBUV_SHIM_H
#define SLUICE_CLIBUV_SHIM_H
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>
#include <uv.h>

// Which header a constant comes from differs between systems and build modes; here it cannot.
static inline int sluice_stream_type(void) { return SOCK_STREAM; }
static inline int sluice_private_nonblocking(void) { return SOCK_NONBLOCK | SOCK_CLOEXEC; }
static inline int sluice_set_option(int descriptor, int option_is_share_port) {
    int on = 1;
    return setsockopt(descriptor, SOL_SOCKET, option_is_share_port ? SO_REUSEPORT : SO_REUSEADDR, &on, sizeof on);
}
static inline int sluice_bind(int descriptor, const struct addrinfo *address) {
    return bind(descriptor, address->ai_addr, address->ai_addrlen);
}
// The port that a bound socket has, or -1.
static inline int sluice_bound_port(int descriptor) {
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    if (getsockname(descriptor, (struct sockaddr *)&storage, &size) != 0) return -1;
    if (storage.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&storage)->sin_port);
    if (storage.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&storage)->sin6_port);
    return -1;
}
// The peer's numeric address, or an empty text.
static inline void sluice_peer_text(int descriptor, char *text, size_t size) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    text[0] = 0;
    if (getpeername(descriptor, (struct sockaddr *)&storage, &length) != 0) return;
    if (getnameinfo((struct sockaddr *)&storage, length, text, (socklen_t)size, NULL, 0, NI_NUMERICHOST) != 0) text[0] = 0;
}
// Writes what fits at once, without a signal when the peer has gone.
static inline void sluice_send_text(int descriptor, const void *bytes, size_t size) {
    if (send(descriptor, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return;
}
static inline void sluice_shutdown(int descriptor) { shutdown(descriptor, SHUT_RDWR); }

// Handles are structs that "inherit" by layout; Swift wants the casts written out.
static inline uv_handle_t *sluice_uv_handle(void *handle) { return (uv_handle_t *)handle; }

// Bytes that the peer has sent on this socket so far, or 0 when the system cannot tell.
static inline uint64_t sluice_bytes_received(int descriptor) {
#ifdef __linux__
    // Debian's <netinet/tcp.h> ends the structure before this field; the kernel fills 160 bytes and more.
    unsigned char info[256];
    socklen_t size = sizeof info;
    memset(info, 0, sizeof info);
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, info, &size) != 0 || size < 136) return 0;
    uint64_t received;
    memcpy(&received, info + 128, sizeof received);  // tcpi_bytes_received
    return received;
#else
    (void)descriptor;
    return 0;
#endif
}

// Raises the limit of open files to what the system allows; answers the limit in force.
static inline long sluice_raise_open_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur > 0x7fffffff ? 0x7fffffff : (long)limit.rlim_cur;
}

static inline int sluice_own_usage(struct rusage *usage) { return getrusage(RUSAGE_SELF, usage); }

static inline long sluice_open_files_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    return limit.rlim_cur > 0x7fffffff ? 0x7fffffff : (long)limit.rlim_cur;
}
#endif
