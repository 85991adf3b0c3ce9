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

static inline long sluice_open_files_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    return limit.rlim_cur > 0x7fffffff ? 0x7fffffff : (long)limit.rlim_cur;
}
#endif
