#ifndef SLUICE_CCONSOLE_H
#define SLUICE_CCONSOLE_H
#include <stddef.h>

// The console's files, compiled in.
typedef struct sluice_console_asset {
    const char *path;
    const char *type;
    const unsigned char *bytes;
    size_t size;
} sluice_console_asset;

size_t sluice_console_count(void);
sluice_console_asset sluice_console_file(size_t index);
#endif
