#ifndef SLUICE_CSIMDJSON_H
#define SLUICE_CSIMDJSON_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// A C face for simdjson's DOM. No exception leaves it; every call answers 0 or one of simdjson's error codes.
#ifdef __cplusplus
#define SLUICE_NOEXCEPT noexcept
extern "C" {
#else
#define SLUICE_NOEXCEPT
#endif

typedef struct sluice_json_parser sluice_json_parser;

// A place in a parsed document: good until its parser parses again or is freed.
typedef struct sluice_json_value {
    const void *document;
    size_t index;
} sluice_json_value;

enum { SLUICE_JSON_NULL, SLUICE_JSON_BOOL, SLUICE_JSON_INTEGER, SLUICE_JSON_UNSIGNED, SLUICE_JSON_DOUBLE, SLUICE_JSON_STRING, SLUICE_JSON_ARRAY, SLUICE_JSON_OBJECT };

// The codes that are told apart. The library numbers them; the implementation asserts that these are its numbers.
enum {
    SLUICE_JSON_ERROR_CAPACITY = 1,
    SLUICE_JSON_ERROR_MEMORY = 2,
    SLUICE_JSON_ERROR_DEPTH = 4,
    SLUICE_JSON_ERROR_NUMBER = 9,
    SLUICE_JSON_ERROR_UTF8 = 10,
    SLUICE_JSON_ERROR_EMPTY = 12,
};

sluice_json_parser *sluice_json_parser_new(size_t maximum_depth) SLUICE_NOEXCEPT;
void sluice_json_parser_free(sluice_json_parser *parser) SLUICE_NOEXCEPT;
// `padded`: at least sluice_json_padding() readable bytes follow the text, so that it need not be copied.
int sluice_json_parse(sluice_json_parser *parser, const char *bytes, size_t size, bool padded, sluice_json_value *root) SLUICE_NOEXCEPT;
size_t sluice_json_padding(void) SLUICE_NOEXCEPT;
const char *sluice_json_error_text(int code) SLUICE_NOEXCEPT;

int sluice_json_kind(sluice_json_value value) SLUICE_NOEXCEPT;
int sluice_json_bool(sluice_json_value value, bool *result) SLUICE_NOEXCEPT;
int sluice_json_int64(sluice_json_value value, int64_t *result) SLUICE_NOEXCEPT;
int sluice_json_uint64(sluice_json_value value, uint64_t *result) SLUICE_NOEXCEPT;
int sluice_json_double(sluice_json_value value, double *result) SLUICE_NOEXCEPT;
int sluice_json_string(sluice_json_value value, const char **bytes, size_t *size) SLUICE_NOEXCEPT;
int sluice_json_member(sluice_json_value object, const char *key, size_t size, sluice_json_value *result) SLUICE_NOEXCEPT;
// How many members of an object have this key.
size_t sluice_json_occurrences(sluice_json_value object, const char *key, size_t size) SLUICE_NOEXCEPT;
// Members of an object or elements of an array.
size_t sluice_json_count(sluice_json_value value) SLUICE_NOEXCEPT;

// A walk over an object or an array; good as long as the value.
typedef struct sluice_json_cursor {
    const void *document;
    size_t next;
    size_t end;
} sluice_json_cursor;

// Begins a walk; what is not of that kind is walked over as if it were empty.
sluice_json_cursor sluice_json_members(sluice_json_value object) SLUICE_NOEXCEPT;
sluice_json_cursor sluice_json_elements(sluice_json_value array) SLUICE_NOEXCEPT;
// False at the end.
bool sluice_json_next_member(sluice_json_cursor *cursor, const char **key, size_t *key_size, sluice_json_value *value) SLUICE_NOEXCEPT;
bool sluice_json_next_element(sluice_json_cursor *cursor, sluice_json_value *value) SLUICE_NOEXCEPT;

// Calls `element` for each, with the member's key or NULL, until it answers false.
typedef bool (*sluice_json_visitor)(void *context, const char *key, size_t key_size, sluice_json_value value);
int sluice_json_each(sluice_json_value value, sluice_json_visitor visitor, void *context) SLUICE_NOEXCEPT;

// Hands the value's text, without white space, to `receiver`.
typedef void (*sluice_json_receiver)(void *context, const char *bytes, size_t size);
int sluice_json_text(sluice_json_value value, sluice_json_receiver receiver, void *context) SLUICE_NOEXCEPT;

// One past the quote that closes the string whose first byte after its opening quote is `from`; 0 if nothing closes it.
// memchr passes an image in base64 at the speed of memory.
static inline size_t sluice_json_string_end(const char *bytes, size_t from, size_t end) {
    size_t at = from;
    while (at < end) {
        const char *quote = (const char *)memchr(bytes + at, '"', end - at);
        if (quote == NULL) return 0;
        size_t position = (size_t)(quote - bytes);
        size_t escapes = 0;
        while (position > from + escapes && bytes[position - escapes - 1] == '\\') escapes++;
        if (escapes % 2 == 0) return position + 1;
        at = position + 1;
    }
    return 0;
}

#ifdef __cplusplus
}
#endif
#endif
