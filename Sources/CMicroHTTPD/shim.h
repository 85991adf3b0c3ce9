#ifndef SLUICE_CMICROHTTPD_SHIM_H
#define SLUICE_CMICROHTTPD_SHIM_H
#include <microhttpd.h>

// libmicrohttpd takes its options through variadic functions, which Swift cannot call.

typedef struct sluice_mhd_options {
    int listen_socket;
    unsigned int idle_seconds;
    size_t connection_memory;
    size_t connection_memory_increment;
    unsigned int connection_limit;
    unsigned int per_address_limit;
    const char *tls_key;
    const char *tls_certificate;
    MHD_RequestCompletedCallback completed;
    MHD_NotifyConnectionCallback connection_changed;
    void *context;
} sluice_mhd_options;

static inline void sluice_mhd_discard_log(void *context, const char *format, va_list arguments) {
    (void)context;
    (void)format;
    (void)arguments;
}

static inline struct MHD_Daemon *sluice_mhd_start(MHD_AccessHandlerCallback handler, const sluice_mhd_options *options) {
    unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem items[16];
    unsigned int count = 0;
#define SLUICE_ITEM(o, v, p) \
    do { \
        items[count].option = (o); \
        items[count].value = (intptr_t)(v); \
        items[count].ptr_value = (void *)(p); \
        count++; \
    } while (0)
    SLUICE_ITEM(MHD_OPTION_LISTEN_SOCKET, options->listen_socket, NULL);
    SLUICE_ITEM(MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds, NULL);
    SLUICE_ITEM(MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_memory, NULL);
    SLUICE_ITEM(MHD_OPTION_CONNECTION_MEMORY_INCREMENT, options->connection_memory_increment, NULL);
    SLUICE_ITEM(MHD_OPTION_CONNECTION_LIMIT, options->connection_limit, NULL);
    if (options->per_address_limit > 0)
        SLUICE_ITEM(MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->per_address_limit, NULL);
    SLUICE_ITEM(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
    if (options->tls_certificate != NULL) {
        flags |= MHD_USE_TLS;
        SLUICE_ITEM(MHD_OPTION_HTTPS_MEM_CERT, 0, options->tls_certificate);
        SLUICE_ITEM(MHD_OPTION_HTTPS_MEM_KEY, 0, options->tls_key);
    }
    SLUICE_ITEM(MHD_OPTION_END, 0, NULL);
#undef SLUICE_ITEM
    return MHD_start_daemon(
        flags, 0, NULL, NULL, handler, options->context, MHD_OPTION_EXTERNAL_LOGGER, sluice_mhd_discard_log, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, options->completed, options->context, MHD_OPTION_NOTIFY_CONNECTION,
        options->connection_changed, options->context, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

static inline int sluice_mhd_epoll_descriptor(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info == NULL ? -1 : info->epoll_fd;
}
static inline unsigned int sluice_mhd_connections(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info == NULL ? 0 : info->num_connections;
}
static inline int sluice_mhd_descriptor(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : info->connect_fd;
}
static inline void *sluice_mhd_socket_context(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}
// -1 and -2 as ssize_t; the macros do not import.
static inline ssize_t sluice_mhd_end_of_stream(void) { return MHD_CONTENT_READER_END_OF_STREAM; }
static inline ssize_t sluice_mhd_end_with_error(void) { return MHD_CONTENT_READER_END_WITH_ERROR; }
static inline uint64_t sluice_mhd_size_unknown(void) { return MHD_SIZE_UNKNOWN; }
#endif
