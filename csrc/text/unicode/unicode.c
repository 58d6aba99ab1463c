/* SPDX-License-Identifier: Apache-2.0 */
#include "text/unicode/unicode.h"

#include <string.h>
#include <utf8proc.h>

#include "text/unicode/unicode_tables.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct character malformed(void)
{
    return (struct character){REPLACEMENT_CHARACTER, 1, false};
}

struct character utf8_decode_long(const char *text, size_t size)
{
    const unsigned char *byte = (const unsigned char *)text;
    if (byte[0] < 0xC2 || byte[0] > 0xF4)
        return malformed();
    uint32_t length = byte[0] < 0xE0 ? 2 : byte[0] < 0xF0 ? 3 : 4;
    if (size < length)
        return malformed();
    uint32_t code = byte[0] & (0x7Fu >> length);
    for (uint32_t i = 1; i < length; i++) {
        if ((byte[i] & 0xC0) != 0x80)
            return malformed();
        code = code << 6 | (byte[i] & 0x3Fu);
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < smallest[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return malformed();
    return (struct character){code, length, true};
}

size_t utf8_encode(uint32_t code, char bytes[4])
{
    if (code < 0x80) {
        bytes[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3F));
    bytes[0] = (char)((0xF00u >> size) | code);
    return size;
}

bool utf8_valid(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        struct character c = utf8_decode(text + i, size - i);
        if (!c.valid)
            return false;
        i += c.size;
    }
    return true;
}

#define EACH_BYTE 0x0101010101010101u

static uint64_t load(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof word);
    return word;
}

size_t ascii_run(const char *text, size_t size)
{
    size_t i = 0;
    while (i + 8 <= size && (load(text + i) & 0x80 * EACH_BYTE) == 0)
        i += 8;
    while (i < size && (unsigned char)text[i] < 0x80)
        i++;
    return i;
}

size_t printable_run(const char *text, size_t size)
{
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word = load(text + i); /* bit 7 marks a byte to stop at; a carry comes only from a marked byte */
        if ((word | (word + EACH_BYTE) | (word - 0x20 * EACH_BYTE)) & 0x80 * EACH_BYTE)
            break;
    }
    while (i < size && text[i] >= 0x20 && text[i] < 0x7F)
        i++;
    return i;
}

bool unicode_space(uint32_t code)
{
    if (code < 0x1680)
        return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0;
    return code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
           code == 0x205F || code == 0x3000;
}

static bool has(enum property property, uint32_t code)
{
    uint16_t block = property_blocks[64u * property_pages[code >> 12] + (code >> 6 & 63)];
    return property_bits[block][property] >> (code & 63) & 1;
}

bool unicode_punctuation(uint32_t code)
{
    return has(PUNCTUATION, code);
}

bool unicode_letter(uint32_t code)
{
    return has(LETTER, code);
}

bool unicode_number(uint32_t code)
{
    return has(NUMBER, code);
}

bool unicode_digit(uint32_t code)
{
    return has(DIGIT, code);
}

bool unicode_word(uint32_t code)
{
    return has(WORD, code);
}

bool unicode_mark(uint32_t code)
{
    return has(MARK, code);
}

bool unicode_accent(uint32_t code)
{
    return has(ACCENT, code);
}

bool unicode_control(uint32_t code)
{
    return has(CONTROL, code);
}

bool unicode_chinese(uint32_t code)
{
    return has(CHINESE, code);
}

bool unicode_upper(uint32_t code)
{
    return has(UPPER, code);
}

size_t unicode_lower(uint32_t code, uint32_t lower[2])
{
    lower[0] = code;
    if (code < 0x80) {
        lower[0] += code - 'A' < 26 ? 32 : 0;
        return 1;
    }
    if (code == 0x130) { /* the only one with two code points */
        lower[0] = 'i';
        lower[1] = 0x307;
        return 2;
    }
    size_t low = 0, high = COUNT(lower_ranges);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > lower_ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < COUNT(lower_ranges) && code >= lower_ranges[low].first &&
        (code - lower_ranges[low].first) % lower_ranges[low].step == 0)
        lower[0] = code + (uint32_t)lower_ranges[low].difference;
    return 1;
}

/* ---- normal forms: from utf8proc's data ---- */

bool unicode_changes(enum unicode_form form, uint32_t code)
{
    static const enum property changed[] = {CHANGED_BY_NFC, CHANGED_BY_NFD, CHANGED_BY_NFKC, CHANGED_BY_NFKD};
    return has(changed[form], code);
}

bool unicode_joins(uint32_t code)
{
    return has(JOINS, code);
}

size_t unicode_decompose(enum unicode_form form, uint32_t code, uint32_t out[UNICODE_LONGEST])
{
    bool compatible = form == UNICODE_NFKC || form == UNICODE_NFKD;
    if (unicode_changes(compatible ? UNICODE_NFKD : UNICODE_NFD, code)) {
        int options = compatible ? UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT : UTF8PROC_DECOMPOSE;
        int bound = UTF8PROC_BOUNDCLASS_START;
        utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)code, (utf8proc_int32_t *)out,
                                                         UNICODE_LONGEST, (utf8proc_option_t)options, &bound);
        if (count > 0 && count <= UNICODE_LONGEST)
            return (size_t)count;
    }
    out[0] = code;
    return 1;
}

uint32_t unicode_class(uint32_t code)
{
    return has(JOINS, code) ? (uint32_t)utf8proc_get_property((utf8proc_int32_t)code)->combining_class : 0;
}

uint32_t unicode_compose(uint32_t first, uint32_t second)
{
    if (!has(JOINS, second))
        return 0;
    utf8proc_int32_t pair[] = {(utf8proc_int32_t)first, (utf8proc_int32_t)second};
    int options = UTF8PROC_COMPOSE | UTF8PROC_STABLE;
    bool one = utf8proc_normalize_utf32(pair, 2, (utf8proc_option_t)options) == 1;
    return one && has(CHANGED_BY_NFD, (uint32_t)pair[0]) ? (uint32_t)pair[0] : 0;
}

size_t unicode_cluster(const char *text, size_t size)
{
    struct character previous = utf8_decode(text, size);
    utf8proc_int32_t state = 0;
    size_t end = previous.size;
    while (end < size) {
        struct character next = utf8_decode(text + end, size - end);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)previous.code, (utf8proc_int32_t)next.code, &state))
            break;
        end += next.size;
        previous = next;
    }
    return end;
}
