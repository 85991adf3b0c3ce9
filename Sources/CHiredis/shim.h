#ifndef SLUICE_CHIREDIS_SHIM_H
#define SLUICE_CHIREDIS_SHIM_H
#include <hiredis/hiredis.h>

// Of hiredis only the reader of replies is used; connections are ours.

// The next whole reply; NULL when more bytes are needed, or with `failed` set when what came is not the protocol.
static inline redisReply *sluice_reader_next(redisReader *reader, int *failed) {
    void *reply = NULL;
    *failed = redisReaderGetReply(reader, &reply) != REDIS_OK;
    return *failed ? NULL : (redisReply *)reply;
}
static inline size_t sluice_reader_held(const redisReader *reader) { return reader->len - reader->pos; }
static inline void sluice_reply_free(redisReply *reply) { freeReplyObject(reply); }
#endif
