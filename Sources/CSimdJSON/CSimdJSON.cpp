#include "CSimdJSON.h"

#include <cstring>
#include <new>
#include <simdjson.h>
#include <string_view>
#include <type_traits>

namespace dom = simdjson::dom;

static_assert(sizeof(dom::element) == sizeof(sluice_json_value), "an element travels as two words");
static_assert(std::is_trivially_copyable<dom::element>::value, "an element travels by copying its bytes");
static_assert(sizeof(dom::object::iterator) == sizeof(sluice_json_value) && sizeof(dom::array::iterator) == sizeof(sluice_json_value),
              "an iterator travels as two words");
static_assert(std::is_trivially_copyable<dom::object::iterator>::value && std::is_trivially_copyable<dom::array::iterator>::value,
              "an iterator travels by copying its bytes");
static_assert(simdjson::CAPACITY == SLUICE_JSON_ERROR_CAPACITY && simdjson::MEMALLOC == SLUICE_JSON_ERROR_MEMORY &&
                  simdjson::DEPTH_ERROR == SLUICE_JSON_ERROR_DEPTH && simdjson::NUMBER_ERROR == SLUICE_JSON_ERROR_NUMBER &&
                  simdjson::UTF8_ERROR == SLUICE_JSON_ERROR_UTF8 && simdjson::EMPTY == SLUICE_JSON_ERROR_EMPTY,
              "the header repeats the library's numbers");

struct sluice_json_parser {
    dom::parser parser;
};

static dom::element element_of(sluice_json_value value) {
    dom::element element;
    std::memcpy(static_cast<void *>(&element), &value, sizeof value);
    return element;
}

static sluice_json_value value_of(dom::element element) {
    sluice_json_value value;
    std::memcpy(&value, &element, sizeof value);
    return value;
}

template <typename Container> static sluice_json_cursor cursor_of(Container container) {
    auto first = container.begin();
    auto last = container.end();
    sluice_json_value begin, end;
    std::memcpy(&begin, static_cast<const void *>(&first), sizeof begin);
    std::memcpy(&end, static_cast<const void *>(&last), sizeof end);
    return {begin.document, begin.index, end.index};
}

template <typename Iterator> static Iterator iterator_of(const sluice_json_cursor *cursor) {
    sluice_json_value place = {cursor->document, cursor->next};
    Iterator iterator;
    std::memcpy(static_cast<void *>(&iterator), &place, sizeof place);
    return iterator;
}

template <typename Iterator> static void advance(sluice_json_cursor *cursor, Iterator iterator) {
    sluice_json_value place;
    ++iterator;
    std::memcpy(&place, static_cast<const void *>(&iterator), sizeof place);
    cursor->next = place.index;
}

// A larger text's memory is given back.
static constexpr size_t kept_text_bytes = 1 << 20;

extern "C" {

sluice_json_parser *sluice_json_parser_new(size_t maximum_depth) noexcept {
    auto *parser = new (std::nothrow) sluice_json_parser;
    if (parser != nullptr && parser->parser.allocate(4096, maximum_depth) != simdjson::SUCCESS) {
        delete parser;
        return nullptr;
    }
    return parser;
}

void sluice_json_parser_free(sluice_json_parser *parser) noexcept { delete parser; }

int sluice_json_parse(sluice_json_parser *parser, const char *bytes, size_t size, bool padded, sluice_json_value *root) noexcept {
    // An allocation inside may throw; what is thrown must not unwind Swift's frames.
    try {
        dom::element element;
        auto error = parser->parser.parse(bytes, size, !padded).get(element);
        if (error != simdjson::SUCCESS) return error;
        *root = value_of(element);
        return 0;
    } catch (...) {
        return SLUICE_JSON_ERROR_MEMORY;
    }
}

size_t sluice_json_padding(void) noexcept { return simdjson::SIMDJSON_PADDING; }

const char *sluice_json_error_text(int code) noexcept {
    return simdjson::error_message(static_cast<simdjson::error_code>(code));
}

int sluice_json_kind(sluice_json_value value) noexcept {
    switch (element_of(value).type()) {
        case dom::element_type::BOOL: return SLUICE_JSON_BOOL;
        case dom::element_type::INT64: return SLUICE_JSON_INTEGER;
        case dom::element_type::UINT64: return SLUICE_JSON_UNSIGNED;
        case dom::element_type::DOUBLE: return SLUICE_JSON_DOUBLE;
        case dom::element_type::STRING: return SLUICE_JSON_STRING;
        case dom::element_type::ARRAY: return SLUICE_JSON_ARRAY;
        case dom::element_type::OBJECT: return SLUICE_JSON_OBJECT;
        default: return SLUICE_JSON_NULL;
    }
}

int sluice_json_bool(sluice_json_value value, bool *result) noexcept { return element_of(value).get_bool().get(*result); }
int sluice_json_int64(sluice_json_value value, int64_t *result) noexcept { return element_of(value).get_int64().get(*result); }
int sluice_json_uint64(sluice_json_value value, uint64_t *result) noexcept { return element_of(value).get_uint64().get(*result); }
int sluice_json_double(sluice_json_value value, double *result) noexcept { return element_of(value).get_double().get(*result); }

int sluice_json_string(sluice_json_value value, const char **bytes, size_t *size) noexcept {
    std::string_view view;
    auto error = element_of(value).get_string().get(view);
    if (error != simdjson::SUCCESS) return error;
    *bytes = view.data();
    *size = view.size();
    return 0;
}

int sluice_json_member(sluice_json_value object, const char *key, size_t size, sluice_json_value *result) noexcept {
    dom::element element;
    auto error = element_of(object).at_key(std::string_view(key, size)).get(element);
    if (error != simdjson::SUCCESS) return error;
    *result = value_of(element);
    return 0;
}

size_t sluice_json_occurrences(sluice_json_value object, const char *key, size_t size) noexcept {
    dom::object members;
    if (element_of(object).get_object().get(members) != simdjson::SUCCESS) return 0;
    size_t count = 0;
    for (auto member : members) {
        if (member.key == std::string_view(key, size)) count++;
    }
    return count;
}

size_t sluice_json_count(sluice_json_value value) noexcept {
    dom::array array;
    if (element_of(value).get_array().get(array) == simdjson::SUCCESS) return array.size();
    dom::object object;
    if (element_of(value).get_object().get(object) == simdjson::SUCCESS) return object.size();
    return 0;
}

sluice_json_cursor sluice_json_members(sluice_json_value value) noexcept {
    dom::object object;
    if (element_of(value).get_object().get(object) != simdjson::SUCCESS) return {nullptr, 0, 0};
    return cursor_of(object);
}

sluice_json_cursor sluice_json_elements(sluice_json_value value) noexcept {
    dom::array array;
    if (element_of(value).get_array().get(array) != simdjson::SUCCESS) return {nullptr, 0, 0};
    return cursor_of(array);
}

bool sluice_json_next_member(sluice_json_cursor *cursor, const char **key, size_t *key_size, sluice_json_value *value) noexcept {
    if (cursor->next == cursor->end) return false;
    auto iterator = iterator_of<dom::object::iterator>(cursor);
    auto name = iterator.key();
    *key = name.data();
    *key_size = name.size();
    *value = value_of(iterator.value());
    advance(cursor, iterator);
    return true;
}

bool sluice_json_next_element(sluice_json_cursor *cursor, sluice_json_value *value) noexcept {
    if (cursor->next == cursor->end) return false;
    auto iterator = iterator_of<dom::array::iterator>(cursor);
    *value = value_of(*iterator);
    advance(cursor, iterator);
    return true;
}

int sluice_json_each(sluice_json_value value, sluice_json_visitor visitor, void *context) noexcept {
    dom::array array;
    if (element_of(value).get_array().get(array) == simdjson::SUCCESS) {
        for (auto element : array) {
            if (!visitor(context, nullptr, 0, value_of(element))) break;
        }
        return 0;
    }
    dom::object object;
    auto error = element_of(value).get_object().get(object);
    if (error != simdjson::SUCCESS) return error;
    for (auto field : object) {
        if (!visitor(context, field.key.data(), field.key.size(), value_of(field.value))) break;
    }
    return 0;
}

int sluice_json_text(sluice_json_value value, sluice_json_receiver receiver, void *context) noexcept {
    try {
        // What simdjson::minify is made of, without its stream: that costs more than the text. The memory is kept.
        static thread_local simdjson::internal::string_builder<> builder;
        builder.clear();
        builder.append(element_of(value));
        const std::string_view text = builder.str();
        receiver(context, text.data(), text.size());
        if (text.size() > kept_text_bytes) builder = simdjson::internal::string_builder<>();
        return 0;
    } catch (...) {
        return SLUICE_JSON_ERROR_MEMORY;
    }
}
}
