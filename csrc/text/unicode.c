/* SPDX-License-Identifier: Apache-2.0 */
#include "text/unicode.h"

#include <utf8proc.h>

#include "text/unicode_tables.h"

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

bool unicode_space(uint32_t code)
{
    if (code < 0x1680)
        return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0;
    return code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F ||
           code == 0x205F || code == 0x3000;
}

bool unicode_punctuation(uint32_t code)
{
    size_t low = 0, high = COUNT(punctuation_ranges);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > punctuation_ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < COUNT(punctuation_ranges) && code >= punctuation_ranges[low].first;
}

size_t unicode_lower(uint32_t code, uint32_t lower[2])
{
    lower[0] = code;
    if (code < 0x80) {
        lower[0] += code - 'A' < 26 ? 32 : 0;
        return 1;
    }
    if (code == 0x130) { /* the only one that becomes two */
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
