/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, and what the tokenizers need to know of Unicode. The only user of utf8proc. */
#ifndef DEBERTA_TEXT_UNICODE_H
#define DEBERTA_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLACEMENT_CHARACTER 0xFFFDu

struct character {
    uint32_t code;
    uint32_t size; /* bytes; 1 for a byte that starts no valid sequence, whose code is then U+FFFD */
    bool valid;
};

struct character utf8_decode_long(const char *text, size_t size);
/* The first character of a text that is not empty. */
static inline struct character utf8_decode(const char *text, size_t size)
{
    if ((unsigned char)text[0] < 0x80)
        return (struct character){(unsigned char)text[0], 1, true};
    return utf8_decode_long(text, size);
}

/* Writes 1 to 4 bytes and returns how many. */
size_t utf8_encode(uint32_t code, char bytes[4]);
bool utf8_valid(const char *text, size_t size);

/* True for a byte that continues a character. */
static inline bool utf8_continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* Bytes of the character that starts with this byte, going by the byte alone. */
static inline size_t utf8_size(char first)
{
    unsigned char byte = (unsigned char)first;
    return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/* The property White_Space. */
bool unicode_space(uint32_t code);
/* Marks that are words of their own when words are split at punctuation. */
bool unicode_punctuation(uint32_t code);
/* Lower case without context: a final sigma is an ordinary one. Returns the number of code points, 1 or 2. */
size_t unicode_lower(uint32_t code, uint32_t lower[2]);

/* Bytes of the first grapheme cluster of a text that is not empty. */
size_t unicode_cluster(const char *text, size_t size);

#endif
