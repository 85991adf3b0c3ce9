#ifndef SLUICE_COPENSSL_SHIM_H
#define SLUICE_COPENSSL_SHIM_H
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// What OpenSSL has as macros, and what must not be forgotten together with it.

// Nobody is asked for the pass phrase of a key on a terminal.
static inline int sluice_tls_no_pass_phrase(char *buffer, int size, int is_writing, void *context) {
    (void)buffer, (void)size, (void)is_writing, (void)context;
    return 0;
}
static inline SSL_CTX *sluice_tls_context(int verifies) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) return NULL;
    if (!SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(context, sluice_tls_no_pass_phrase);
    SSL_CTX_set_verify(context, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    return context;
}
// The name or address that the certificate must be for; a name is also told to the server.
static inline int sluice_tls_expect(SSL *session, const char *name) {
    X509_VERIFY_PARAM *rules = SSL_get0_param(session);
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int is_address = X509_VERIFY_PARAM_set1_ip_asc(rules, name);
    ERR_clear_error();
    if (is_address) return 1;
    return SSL_set1_host(session, name) && SSL_set_tlsext_host_name(session, name) == 1;
}
// The bytes that wait to be sent, in the order of their coming; `sluice_tls_drained` forgets them.
static inline long sluice_tls_waiting(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }
static inline void sluice_tls_drained(BIO *bio) { (void)BIO_reset(bio); }
// The reason of the first error of this thread's last call, and none left.
static inline unsigned long sluice_tls_error(void) {
    unsigned long error = ERR_get_error();
    ERR_clear_error();
    return error;
}
static inline int sluice_tls_reason(unsigned long error) { return ERR_GET_REASON(error); }
static inline int sluice_tls_is_of_sessions(unsigned long error) { return ERR_GET_LIB(error) == ERR_LIB_SSL; }
#endif
