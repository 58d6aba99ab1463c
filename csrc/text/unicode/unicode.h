/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 and the Unicode properties that tokenizers need. The only user of utf8proc. */
#ifndef DEBERTA_TEXT_UNICODE_H
#define DEBERTA_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLACEMENT_CHARACTER 0xFFFDu
#define SPACE_MARK "\xE2\x96\x81" /* U+2581, the space in pieces of sentencepiece */

struct character {
    uint32_t code;
    uint32_t size; /* bytes; an invalid byte is one character of size 1 with the code U+FFFD */
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

/* Bytes of the character that starts with this byte; reads the byte only. */
static inline size_t utf8_size(char first)
{
    unsigned char byte = (unsigned char)first;
    return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/* Bytes at the start that are ASCII, and those that are printable ASCII. */
size_t ascii_run(const char *text, size_t size);
size_t printable_run(const char *text, size_t size);

/* The property White_Space. */
bool unicode_space(uint32_t code);
/* Marks that are separate words when words are split at punctuation. */
bool unicode_punctuation(uint32_t code);
bool unicode_letter(uint32_t code);  /* \p{L} of ByteLevel's expression */
bool unicode_number(uint32_t code);  /* \p{N} of it */
bool unicode_digit(uint32_t code);   /* of Digits: \p{N} of a later version */
bool unicode_word(uint32_t code);    /* \w: characters of words, for Whitespace and single_word tokens */
bool unicode_mark(uint32_t code);    /* removed by StripAccents */
bool unicode_accent(uint32_t code);  /* removed by BertNormalizer as accents: fewer, of an earlier version */
bool unicode_control(uint32_t code); /* removed by BertNormalizer as control characters */
bool unicode_chinese(uint32_t code); /* separated by BertNormalizer */
bool unicode_upper(uint32_t code);   /* whether unicode_lower changes it */
/* Lower case without context: a final sigma is an ordinary one. Returns the number of code points, 1 or 2. */
size_t unicode_lower(uint32_t code, uint32_t lower[2]);

/* Normal forms, of the library's version of Unicode. */
enum unicode_form { UNICODE_NFC, UNICODE_NFD, UNICODE_NFKC, UNICODE_NFKD };
#define UNICODE_LONGEST 18 /* code points that one decomposes into */

/* Whether a single character changes. */
bool unicode_changes(enum unicode_form form, uint32_t code);
/* Whether its form can depend on the characters before it. */
bool unicode_joins(uint32_t code);
/* Writes the full decomposition, compatible for NFKC and NFKD, and returns its length. */
size_t unicode_decompose(enum unicode_form form, uint32_t code, uint32_t out[UNICODE_LONGEST]);
/* The canonical combining class. */
uint32_t unicode_class(uint32_t code);
/* The composition of two code points, or 0. */
uint32_t unicode_compose(uint32_t first, uint32_t second);

/* Bytes of the first grapheme cluster of a text that is not empty. */
size_t unicode_cluster(const char *text, size_t size);

#endif
