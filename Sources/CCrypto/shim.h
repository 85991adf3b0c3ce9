#ifndef SLUICE_CCRYPTO_SHIM_H
#define SLUICE_CCRYPTO_SHIM_H
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
// The digest of a message in at most two parts, either of which may be empty. The library's newer interface looks up
// the algorithm by its name and allocates at every call, which takes longer than the digest of a request.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
static inline void sluice_sha256(
    const void *first, size_t first_size, const void *second, size_t second_size, unsigned char *digest) {
    SHA256_CTX state;
    SHA256_Init(&state);
    if (first_size > 0) SHA256_Update(&state, first, first_size);
    if (second_size > 0) SHA256_Update(&state, second, second_size);
    SHA256_Final(digest, &state);
}
#pragma clang diagnostic pop
#endif
