/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer whose vocabulary and stages an input chooses. The input is: truncation, options, normalizers,
 * pre-tokenizers (a byte each), a text, and lines: the tokens; after an empty line the merges, "left right" each. */
#ifndef FUZZ_TOKENIZERS_H
#define FUZZ_TOKENIZERS_H

#include "fuzz.h"

#define TEXT(literal) {literal, sizeof(literal) - 1}
#define MOST_LINES 600
#define MOST_STAGES 3

struct stage_list {
    struct deberta_stage data[MOST_STAGES];
    size_t count;
};

static const struct stage_list fuzz_normalizers[] = {
    {.count = 0},
    {{{.type = "Strip", .flags = DEBERTA_STRIP_LEFT | DEBERTA_STRIP_RIGHT},
      {.type = "Replace", .flags = DEBERTA_REGEX, .pattern = TEXT(" {2,}"), .content = TEXT(" ")}},
     2},
    {{{.type = "Replace", .flags = DEBERTA_REGEX, .pattern = TEXT("\\s{2,}|[\\n\\r\\t]"), .content = TEXT(" ")},
      {.type = "NFC"},
      {.type = "Strip", .flags = DEBERTA_STRIP_RIGHT}},
     3},
    {{{.type = "NFD"}, {.type = "StripAccents"}, {.type = "Lowercase"}}, 3},
    {{{.type = "BertNormalizer",
       .flags = DEBERTA_CLEAN_TEXT | DEBERTA_CHINESE_CHARS | DEBERTA_STRIP_ACCENTS | DEBERTA_LOWERCASE}},
     1},
    {{{.type = "BertNormalizer", .flags = DEBERTA_CLEAN_TEXT | DEBERTA_CHINESE_CHARS}}, 1},
    {{{.type = "Prepend", .content = TEXT("\xE2\x96\x81")},
      {.type = "Replace", .pattern = TEXT(" "), .content = TEXT("\xE2\x96\x81")}},
     2},
    {{{.type = "NFKC"}, {.type = "Replace", .pattern = TEXT("ab"), .content = TEXT("")}}, 2},
    {{{.type = "NFKD"}, {.type = "Replace", .pattern = TEXT("a"), .content = TEXT("\xF0\x9F\x98\x80 ")}}, 2},
};

static const struct stage_list fuzz_pretokenizers[] = {
    {.count = 0},
    {{{.type = "Metaspace", .flags = DEBERTA_PREPEND_ALWAYS | DEBERTA_SPLIT, .content = TEXT("\xE2\x96\x81")}}, 1},
    {{{.type = "Punctuation"},
      {.type = "Metaspace", .flags = DEBERTA_PREPEND_FIRST | DEBERTA_SPLIT, .content = TEXT("\xE2\x96\x81")}},
     2},
    {{{.type = "Metaspace", .content = TEXT("\xE2\x96\x81")}}, 1},
    {{{.type = "BertPreTokenizer"}}, 1},
    {{{.type = "ByteLevel", .flags = DEBERTA_USE_REGEX}}, 1},
    {{{.type = "ByteLevel", .flags = DEBERTA_USE_REGEX | DEBERTA_PREFIX_SPACE}}, 1},
    {{{.type = "ByteLevel", .flags = DEBERTA_PREFIX_SPACE}}, 1},
    {{{.type = "Whitespace"}}, 1},
    {{{.type = "WhitespaceSplit"}, {.type = "Punctuation", .behavior = DEBERTA_CONTIGUOUS}}, 2},
    {{{.type = "Punctuation", .behavior = DEBERTA_MERGED_WITH_PREVIOUS}}, 1},
    {{{.type = "Punctuation", .behavior = DEBERTA_MERGED_WITH_NEXT}}, 1},
    {{{.type = "Split", .pattern = TEXT(" "), .behavior = DEBERTA_REMOVED}}, 1},
    {{{.type = "Split", .pattern = TEXT("a"), .behavior = DEBERTA_MERGED_WITH_NEXT, .flags = DEBERTA_INVERT}}, 1},
};

/* Lines of an input, valid and, once `separate` has been called, cut at their first space. */
struct lines {
    char *room;
    struct deberta_text data[MOST_LINES];
    size_t count;
};

static inline struct lines take_lines(struct input *input, bool until_empty)
{
    struct lines lines = {malloc(input->size + 1), {{0}}, 0};
    CHECK(lines.room);
    char *at = lines.room;
    while (input->size > 0 && lines.count < MOST_LINES) {
        char *start = at;
        uint8_t byte;
        while (input->size > 0 && (byte = take(input)) != '\n')
            *at++ = (char)byte;
        if (at != start)
            lines.data[lines.count++] = make_valid(start, (size_t)(at - start));
        else if (until_empty)
            break;
    }
    return lines;
}

/* Two texts for each line that has a space. */
static inline size_t separate(const struct lines *lines, struct deberta_text pairs[2 * MOST_LINES])
{
    size_t count = 0;
    for (size_t i = 0; i < lines->count; i++) {
        const char *text = lines->data[i].bytes, *space = memchr(text, ' ', lines->data[i].size);
        if (!space)
            continue;
        size_t left = (size_t)(space - text);
        pairs[2 * count] = (struct deberta_text){text, left};
        pairs[2 * count++ + 1] = (struct deberta_text){space + 1, lines->data[i].size - left - 1};
    }
    return count;
}

static inline struct deberta_vocabulary vocabulary_of(enum deberta_model_type type, uint8_t options,
                                                      const struct lines *tokens, int32_t ids[], double scores[])
{
    for (size_t i = 0; i < tokens->count; i++) {
        ids[i] = (int32_t)(options & 64 ? 3 * i : i); /* with holes */
        scores[i] = -1.5 - (double)(i % 7);
    }
    struct deberta_vocabulary vocabulary = {
        .type = type,
        .tokens = tokens->data,
        .ids = ids,
        .scores = scores,
        .count = tokens->count,
        .unknown = options & 32 ? -1 : 0,
        .byte_fallback = options & 1,
        .fuse_unknown = options & 2,
        .ignore_merges = options & 4,
        .longest_word = options & 8 ? 5 : 100,
    };
    if (type == DEBERTA_WORDPIECE || options & 8)
        vocabulary.continuing_prefix = (struct deberta_text)TEXT("##");
    if (options & 16)
        vocabulary.word_suffix = (struct deberta_text)TEXT("</w>");
    return vocabulary;
}

static inline void fuzz_tokenizer(enum deberta_model_type type, struct input input)
{
    uint8_t cut = take(&input), options = take(&input), normalizers = take(&input), pretokenizers = take(&input);
    char room[255];
    struct deberta_text text = take_text(&input, room);
    struct lines tokens = take_lines(&input, true), merges = take_lines(&input, false);
    static int32_t ids[MOST_LINES];
    static double scores[MOST_LINES];
    static struct deberta_text pairs[2 * MOST_LINES];
    const struct stage_list *before =
        &fuzz_normalizers[normalizers % (sizeof fuzz_normalizers / sizeof *fuzz_normalizers)];
    const struct stage_list *after =
        &fuzz_pretokenizers[pretokenizers % (sizeof fuzz_pretokenizers / sizeof *fuzz_pretokenizers)];
    int32_t free_id = 3 * MOST_LINES;
    const struct deberta_added_token added[] = {
        {.text = TEXT("[MASK]"),
         .id = free_id,
         .lstrip = normalizers & 64,
         .rstrip = normalizers & 128,
         .special = true},
        {.text = TEXT("ab c"), .id = free_id + 1, .single_word = pretokenizers & 64, .normalized = pretokenizers & 128},
    };
    const struct deberta_template_part single[] = {{free_id, 0}, {DEBERTA_SEQUENCE_A, 0}, {free_id + 1, 0}};
    const struct deberta_template_part pair[] = {
        {free_id, 0}, {DEBERTA_SEQUENCE_A, 0}, {free_id + 1, 0}, {DEBERTA_SEQUENCE_B, 1}, {free_id + 1, 1}};
    struct deberta_tokenizer_spec spec = {
        before->data,
        after->data,
        before->count,
        after->count,
        vocabulary_of(type, options, &tokens, ids, scores),
        added,
        2,
        single,
        pair,
        3,
        5,
        false,
    };
    spec.vocabulary.merges = pairs;
    spec.vocabulary.merge_count = separate(&merges, pairs);
    struct deberta_tokenizer *tokenizer;
    enum deberta_status status = deberta_tokenizer_new(&spec, &tokenizer);
    CHECK(status == DEBERTA_OK || status == DEBERTA_FORMAT);
    free(tokens.room);
    free(merges.room);
    if (status == DEBERTA_OK)
        encode(tokenizer, text, cut);
    deberta_tokenizer_free(tokenizer);
}

/* A valid input; its stages depend on `number`. */
static inline size_t write_seed(uint32_t number, const char *lines, uint8_t *data)
{
    static const char text[] =
        "ab abc, \tAb[MASK] \xC3\xA9 e\xCC\x81\xE6\x97\xA5 ab c.  \xF0\x9F\x98\x80'll 12 \xE2\x96\x81";
    size_t size = 0;
    data[size++] = (uint8_t)(number * 53);
    data[size++] = (uint8_t)(number * 11);
    data[size++] = (uint8_t)number;
    data[size++] = (uint8_t)(number * 5 + number / 3);
    data[size++] = sizeof text - 1;
    memcpy(data + size, text, sizeof text - 1);
    size += sizeof text - 1;
    memcpy(data + size, lines, strlen(lines));
    return size + strlen(lines);
}

#endif
