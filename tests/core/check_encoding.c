/* SPDX-License-Identifier: Apache-2.0 */
/* From tokens to rows: templates, words, overflow, threads, failing allocations. Each word of the texts in these tests
 * is one token or two. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "check.h"
#include "text/tokenizer.h"
#include "texts.h"
#include "windows.h"

#define EVERYTHING (DEBERTA_WANT_SPANS | DEBERTA_WANT_WORDS | DEBERTA_WANT_STRINGS | DEBERTA_WANT_SEQUENCES)

/* An impossible size must fail instead of aborting, as without the sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* ---- tokens ---- */

/* Three tokens, of which the one in the middle has no string. */
static struct tokens three_tokens(void)
{
    static int32_t ids[] = {7, 8, 9}, words[] = {0, 0, 1}, ends[] = {2, 2, 5};
    static struct span spans[] = {{0, 1}, {1, 4}, {5, 6}};
    static char strings[] = "xyabc";
    return (struct tokens){0, {ids, 3, 3}, {spans, 3, 3}, {words, 3, 3}, {strings, 5, 5}, {ends, 3, 3}};
}

static void check_tokens(void)
{
    struct tokens from = three_tokens(), to = {.wanted = EVERYTHING};
    CHECK(tokens_reserve(&to, 6) == DEBERTA_OK && tokens_append_columns(&to, &from, 2, 3) == DEBERTA_OK);
    tokens_append_empty(&to);
    CHECK(tokens_append_columns(&to, &from, 0, 0) == DEBERTA_OK &&
          tokens_append_columns(&to, &from, 1, 3) == DEBERTA_OK);
    CHECK(to.ids.capacity >= 6 && to.ids.size == 0);
    CHECK(to.words.size == 4 && memcmp(to.words.data, (int32_t[]){1, -1, 0, 1}, 16) == 0);
    CHECK(to.string_end.size == 4 && memcmp(to.string_end.data, (int32_t[]){3, 3, 3, 6}, 16) == 0);
    CHECK(to.strings.size == 6 && memcmp(to.strings.data, "abcabc", 6) == 0);
    static const struct span spans[] = {{5, 6}, {0, 0}, {1, 4}, {5, 6}};
    CHECK(to.spans.size == 4 && memcmp(to.spans.data, spans, sizeof spans) == 0);
    from.strings.size = (size_t)INT32_MAX + 1;
    CHECK(tokens_append_columns(&to, &from, 0, 2) == DEBERTA_MEMORY && to.strings.size == 6);
    tokens_clear(&to);
    CHECK(to.spans.size == 0 && to.words.size == 0 && to.strings.size == 0 && to.string_end.size == 0);
    tokens_release(&to);
    CHECK(to.wanted == EVERYTHING && !to.ids.data);
    to.wanted = 0;
    CHECK(tokens_reserve(&to, 3) == DEBERTA_OK && tokens_append_columns(&to, &from, 0, 3) == DEBERTA_OK);
    CHECK(to.ids.data && !to.spans.data && !to.words.data && !to.string_end.data);
    tokens_release(&to);
}

/* ---- tokenizers ---- */

enum { CLS = 1, SEP, UNKNOWN, A, B, C, D, MORE_A };
static const char *const names[] = {"[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "b", "c", "d", "##a"};

static enum deberta_status try_template(const struct deberta_template_part *single, size_t single_count,
                                        const struct deberta_template_part *pair, size_t pair_count,
                                        struct deberta_tokenizer **out)
{
    struct deberta_text tokens[COUNT(names)];
    int32_t ids[COUNT(names)];
    for (size_t i = 0; i < COUNT(names); i++) {
        tokens[i] = text_of(names[i]);
        ids[i] = (int32_t)i;
    }
    struct deberta_stage spaces = {.type = "WhitespaceSplit"};
    struct deberta_added_token added = {.text = text_of("d"), .id = D};
    struct deberta_tokenizer_spec spec = {
        .pretokenizers = &spaces,
        .pretokenizer_count = 1,
        .vocabulary = {.type = DEBERTA_WORDPIECE,
                       .tokens = tokens,
                       .ids = ids,
                       .count = COUNT(names),
                       .unknown = UNKNOWN,
                       .continuing_prefix = {"##", 2},
                       .longest_word = 100},
        .added = &added,
        .added_count = 1,
        .single = single,
        .single_count = single_count,
        .pair = pair,
        .pair_count = pair_count,
    };
    return deberta_tokenizer_new(&spec, out);
}

static const struct deberta_template_part usual[] = {
    {CLS, 0}, {DEBERTA_SEQUENCE_A, 0}, {SEP, 0}, {DEBERTA_SEQUENCE_B, 1}, {SEP, 1}};

static struct deberta_tokenizer *make(void)
{
    struct deberta_tokenizer *tokenizer;
    enum deberta_status status = try_template(usual, 3, usual, 5, &tokenizer);
    if (status != DEBERTA_OK)
        fprintf(stderr, "%s\n", status_message());
    CHECK(status == DEBERTA_OK);
    return tokenizer;
}

#define REFUSED(message, single, single_count, pair, pair_count)                                                       \
    CHECK(try_template(single, single_count, pair, pair_count, &t) == DEBERTA_FORMAT && !t);                           \
    CHECK(strstr(status_message(), message))

static void check_template(void)
{
    static const struct deberta_template_part other[] = {
        {DEBERTA_SEQUENCE_B, 3}, {SEP, 4}, {SEP, 5}, {DEBERTA_SEQUENCE_A, 6}, {D, 255}};
    static const struct deberta_template_part bad[] = {{DEBERTA_SEQUENCE_A, 0}, {-3, 0}, {DEBERTA_SEQUENCE_A, 0}};
    struct deberta_tokenizer *t;
    REFUSED("the template of a single text has the first text 0 times", usual, 1, usual, 5);
    REFUSED("the template of a single text has the first text 0 times", NULL, 0, usual, 5);
    REFUSED("the second 1 times; it must have the first once", usual, 5, usual, 5);
    REFUSED("the template of a pair has the first text 1 times and the second 0 times", usual, 3, usual, 3);
    REFUSED("part 1 of the template of a single text has the id -3", bad, 2, usual, 5);
    REFUSED("the first text 2 times", (bad + 2), 1, ((struct deberta_template_part[]){bad[0], bad[0], usual[3]}), 3);
    CHECK(try_template(usual + 1, 1, other, 5, &t) == DEBERTA_OK);
    CHECK(template_added(&t->template, false) == 0 && template_added(&t->template, true) == 3);
    struct deberta_text first = text_of("a b"), second = text_of("c");
    struct deberta_rows rows = {.firsts = &first, .seconds = &second, .count = 1};
    struct deberta_encode_options options = {.add_special_tokens = true, .wanted = DEBERTA_WANT_SEQUENCES};
    struct deberta_encodings out;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_OK);
    CHECK(out.offsets[1] == 6 && memcmp(out.ids, (int32_t[]){C, SEP, SEP, A, B, D}, 6 * sizeof *out.ids) == 0);
    CHECK(memcmp(out.types, (uint8_t[]){3, 4, 5, 6, 6, 255}, 6) == 0);
    CHECK(memcmp(out.sequences, (int8_t[]){1, -1, -1, 0, 0, -1}, 6) == 0);
    deberta_encodings_release(&out);
    options.add_special_tokens = false;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_OK);
    CHECK(out.offsets[1] == 3 && memcmp(out.ids, (int32_t[]){C, A, B}, 3 * sizeof *out.ids) == 0);
    CHECK(memcmp(out.types, (uint8_t[]){3, 6, 6}, 3) == 0 && memcmp(out.sequences, (int8_t[]){1, 0, 0}, 3) == 0);
    deberta_encodings_release(&out);
    deberta_tokenizer_free(t);
}

/* ---- rows ---- */

static void check_rows(void)
{
    struct deberta_tokenizer *t = make();
    struct deberta_text firsts[] = {text_of("aa b"), text_of(""), text_of("c")};
    struct deberta_text seconds[] = {text_of("c"), text_of(""), text_of("b")};
    struct deberta_rows rows = {.firsts = firsts, .seconds = seconds, .count = 3};
    struct deberta_encode_options options = {.add_special_tokens = true};
    struct deberta_encodings out;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_OK);
    static const int32_t ids[] = {CLS, A, MORE_A, B, SEP, C, SEP, CLS, SEP, SEP, CLS, C, SEP, B, SEP};
    static const uint8_t types[] = {0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1};
    static const int64_t offsets[] = {0, 7, 10, 15};
    CHECK(memcmp(out.ids, ids, sizeof ids) == 0 && memcmp(out.types, types, sizeof types) == 0);
    CHECK(memcmp(out.offsets, offsets, sizeof offsets) == 0 && out.count == 3 && out.cut == 0);
    CHECK(!out.sequences && !out.spans && !out.words && !out.samples && !out.strings && !out.string_offsets);
    deberta_encodings_release(&out);
    options = (struct deberta_encode_options){
        .add_special_tokens = true, .truncation = DEBERTA_LONGEST_FIRST, .max_length = 3};
    rows.seconds = NULL;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_OK);
    CHECK(out.offsets[3] == 8 && out.ids[1] == A && out.ids[2] == SEP && out.ids[6] == C && out.cut == 1);
    deberta_encodings_release(&out);
    options.cut_left = true;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_OK);
    CHECK(out.offsets[3] == 8 && out.ids[1] == B && out.ids[2] == SEP && out.ids[6] == C && out.cut == 1);
    deberta_encodings_release(&out);
    options = (struct deberta_encode_options){.overflow = true, .wanted = EVERYTHING};
    CHECK(deberta_tokenizer_encode(t, &(struct deberta_rows){0}, &options, &out) == DEBERTA_OK);
    CHECK(out.count == 0 && out.offsets[0] == 0 && out.string_offsets[0] == 0);
    deberta_encodings_release(&out);
    options =
        (struct deberta_encode_options){.add_special_tokens = true, .truncation = DEBERTA_ONLY_FIRST, .max_length = 4};
    rows = (struct deberta_rows){.firsts = seconds, .seconds = firsts, .count = 3};
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_ARGUMENT);
    CHECK(strstr(status_message(), "row 0") && strstr(status_message(), "only_first"));
    CHECK(!out.ids && !out.types && !out.offsets);
    deberta_tokenizer_free(t);
}

/* Tokens whose text can differ from their own string have one, such as d, which is an added token. */
static void check_string(const struct deberta_encodings *out, size_t token, const char *wanted)
{
    size_t size = (size_t)(out->string_offsets[token + 1] - out->string_offsets[token]);
    CHECK(size == strlen(wanted) && memcmp(out->strings + out->string_offsets[token], wanted, size) == 0);
}

static void check_wanted(void)
{
    struct deberta_tokenizer *t = make();
    struct deberta_text firsts[] = {text_of("\xC3\xA9 aa  b"), text_of("a")};
    struct deberta_text seconds[] = {text_of(" c"), text_of("")};
    struct deberta_rows rows = {.firsts = firsts, .seconds = seconds, .count = 2};
    struct deberta_encode_options options = {.add_special_tokens = true, .overflow = true, .wanted = EVERYTHING};
    struct deberta_encodings out;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_OK);
    static const int32_t ids[] = {CLS, UNKNOWN, A, MORE_A, B, SEP, C, SEP, CLS, A, SEP, SEP};
    static const int32_t spans[] = {0, 0, 0, 1, 2, 3, 3, 4, 6, 7, 0, 0, 1, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
    static const int32_t words[] = {-1, 0, 1, 1, 2, -1, 0, -1, -1, 0, -1, -1};
    static const int8_t sequences[] = {-1, 0, 0, 0, 0, -1, 1, -1, -1, 0, -1, -1};
    CHECK(out.count == 2 && out.offsets[2] == COUNT(ids) && out.cut == 0);
    CHECK(memcmp(out.ids, ids, sizeof ids) == 0 && memcmp(out.spans, spans, sizeof spans) == 0);
    CHECK(memcmp(out.words, words, sizeof words) == 0 && memcmp(out.sequences, sequences, sizeof sequences) == 0);
    CHECK(out.samples[0] == 0 && out.samples[1] == 1);
    deberta_encodings_release(&out);
    deberta_tokenizer_free(t);
}

/* Rows given as words: none, empty ones, and words that the tokenizer splits further. */
static void check_words(void)
{
    struct deberta_tokenizer *t = make();
    struct deberta_text firsts[] = {text_of("a"), text_of(""), text_of("b aa"), text_of("c"), text_of("")};
    struct deberta_text seconds[] = {text_of("d d"), text_of("a")};
    static const int64_t first_words[] = {0, 3, 3, 5}, second_words[] = {0, 1, 1, 2};
    struct deberta_rows rows = {firsts, seconds, first_words, second_words, 3};
    struct deberta_encode_options options = {.add_special_tokens = true, .wanted = EVERYTHING};
    struct deberta_encodings out;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_OK);
    static const int32_t ids[] = {CLS, A, B, A, MORE_A, SEP, D, D, SEP, CLS, SEP, SEP, CLS, C, SEP, A, SEP};
    static const int32_t words[] = {-1, 0, 2, 2, 2, -1, 0, 0, -1, -1, -1, -1, -1, 0, -1, 0, -1};
    static const int32_t spans[] = {0, 0, 0, 1, 0, 1, 2, 3, 3, 4, 0, 0, 0, 1, 2, 3, 0, 0};
    static const int64_t offsets[] = {0, 9, 12, 17};
    CHECK(out.count == 3 && memcmp(out.offsets, offsets, sizeof offsets) == 0);
    CHECK(memcmp(out.ids, ids, sizeof ids) == 0 && memcmp(out.words, words, sizeof words) == 0);
    CHECK(memcmp(out.spans, spans, sizeof spans) == 0);
    deberta_encodings_release(&out);
    options.wanted = 0;
    rows.seconds = NULL;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_OK);
    CHECK(out.offsets[1] == 6 && out.offsets[3] == 11 && memcmp(out.ids, ids, 6 * sizeof *ids) == 0);
    deberta_encodings_release(&out);
    deberta_tokenizer_free(t);
}

/* ---- overflow ---- */

/* A text of `count` tokens, each letter different from its neighbours. */
static struct deberta_text letters(char *buffer, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buffer[2 * i] = "abcd"[i % 4];
        buffer[2 * i + 1] = ' ';
    }
    return (struct deberta_text){buffer, 2 * count};
}

/* Row `row` of the result holds these windows of texts made by `letters`. */
static void check_row(const struct deberta_encodings *out, size_t row, struct window first, struct window second)
{
    size_t at = (size_t)out->offsets[row];
    CHECK((size_t)out->offsets[row + 1] - at == first.end - first.start + second.end - second.start + 3);
    CHECK(out->ids[at] == CLS && out->words[at] == -1 && out->sequences[at] == -1);
    check_string(out, at++, "");
    for (int side = 0; side < 2; side++) {
        struct window window = side ? second : first;
        for (size_t i = window.start; i < window.end; i++, at++) {
            CHECK(out->ids[at] == A + (int32_t)(i % 4) && out->words[at] == (int32_t)i);
            CHECK(out->spans[2 * at] == 2 * (int32_t)i && out->spans[2 * at + 1] == 2 * (int32_t)i + 1);
            CHECK(out->types[at] == side && out->sequences[at] == side);
            check_string(out, at, i % 4 == 3 ? "d" : "");
        }
        CHECK(out->ids[at] == SEP && out->types[at] == side && out->spans[2 * at + 1] == 0);
        check_string(out, at++, "");
    }
}

/* Pairs whose texts overflow both, with the order of the rows spelt out. */
static void check_pair(const struct deberta_tokenizer *t, struct lengths n,
                       const struct deberta_encode_options *options)
{
    static char one[128], two[128];
    struct deberta_text first = letters(one, n.first), second = letters(two, n.second);
    struct deberta_rows rows = {.firsts = &first, .seconds = &second, .count = 1};
    struct lengths kept = one_by_one(n, options->max_length - 3);
    bool possible = (kept.first == n.first || kept.first > options->stride) &&
                    (kept.second == n.second || kept.second > options->stride);
    struct deberta_encodings out;
    enum deberta_status status = deberta_tokenizer_encode(t, &rows, options, &out);
    CHECK(status == (possible ? DEBERTA_OK : DEBERTA_ARGUMENT));
    if (!possible) {
        CHECK(strncmp(status_message(), "row 0 has ", 10) == 0 && !out.ids && !out.samples);
        return;
    }
    struct window a[64], b[64];
    size_t firsts = windows_of(n.first, kept.first, options->stride, options->cut_left, a);
    size_t seconds = windows_of(n.second, kept.second, options->stride, options->cut_left, b);
    CHECK(out.count == firsts * seconds && out.cut == (out.count > 1));
    size_t row = 0;
    check_row(&out, row++, a[0], b[0]);
    for (size_t i = 1; i < firsts; i++)
        for (size_t j = 0; j < seconds; j++)
            check_row(&out, row++, a[i], b[j]);
    for (size_t j = 1; j < seconds; j++)
        check_row(&out, row++, a[0], b[j]);
    CHECK(row == out.count);
    deberta_encodings_release(&out);
}

static void check_overflow_of_pairs(void)
{
    struct deberta_tokenizer *t = make();
    for (size_t first = 0; first < 9; first++)
        for (size_t second = 0; second < 9; second++)
            for (size_t max_length = 4; max_length < 13; max_length++)
                for (size_t stride = 0; stride < max_length - 3; stride++)
                    for (int left = 0; left < 2; left++) {
                        struct deberta_encode_options options = {.add_special_tokens = true,
                                                                 .truncation = DEBERTA_LONGEST_FIRST,
                                                                 .max_length = max_length,
                                                                 .cut_left = left,
                                                                 .overflow = true,
                                                                 .stride = stride,
                                                                 .wanted = EVERYTHING};
                        check_pair(t, (struct lengths){first, second}, &options);
                    }
    deberta_tokenizer_free(t);
}

/* Rows of the call that overflow, between others that do not. */
static void check_samples(void)
{
    static char buffer[3][64];
    struct deberta_tokenizer *t = make();
    struct deberta_text firsts[] = {letters(buffer[0], 2), letters(buffer[1], 9), text_of(""), letters(buffer[2], 5)};
    struct deberta_rows rows = {.firsts = firsts, .count = 4};
    struct deberta_encode_options options = {
        .add_special_tokens = true, .truncation = DEBERTA_ONLY_FIRST, .max_length = 6, .overflow = true, .stride = 1};
    struct deberta_encodings out;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_OK);
    static const int32_t samples[] = {0, 1, 1, 1, 2, 3, 3};
    static const int64_t offsets[] = {0, 4, 10, 16, 21, 23, 29, 33};
    CHECK(out.count == COUNT(samples) && out.cut == 2);
    CHECK(memcmp(out.samples, samples, sizeof samples) == 0 && memcmp(out.offsets, offsets, sizeof offsets) == 0);
    CHECK(out.ids[10] == CLS && out.ids[11] == D && out.ids[14] == C && out.ids[15] == SEP && out.ids[20] == SEP);
    deberta_encodings_release(&out);
    options.overflow = false;
    options.stride = 100;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_OK);
    CHECK(out.count == 4 && out.cut == 2 && !out.samples);
    deberta_encodings_release(&out);
    deberta_tokenizer_free(t);
}

/* The windows of two texts multiply: fails at once if no memory can hold them. */
static void check_too_many_windows(void)
{
    enum { TOKENS = 300000 };
    static char buffer[2 * TOKENS];
    struct deberta_tokenizer *t = make();
    struct deberta_text text = letters(buffer, TOKENS);
    struct deberta_rows rows = {.firsts = &text, .seconds = &text, .count = 1};
    struct deberta_encode_options options = {.add_special_tokens = true,
                                             .truncation = DEBERTA_LONGEST_FIRST,
                                             .max_length = 2003,
                                             .overflow = true,
                                             .stride = 999};
    struct deberta_encodings out;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &out) == DEBERTA_MEMORY);
    CHECK(!out.ids && !out.samples);
    deberta_tokenizer_free(t);
}

/* ---- threads and memory ---- */

static bool same(const void *one, const void *two, size_t count, size_t item)
{
    return count == 0 || memcmp(one, two, count * item) == 0;
}

static void check_same(const struct deberta_encodings *one, const struct deberta_encodings *two)
{
    CHECK(one->count == two->count && one->cut == two->cut && one->cut > 0);
    CHECK(same(one->offsets, two->offsets, one->count + 1, sizeof *one->offsets));
    size_t tokens = (size_t)one->offsets[one->count];
    CHECK(same(one->ids, two->ids, tokens, sizeof *one->ids) && same(one->types, two->types, tokens, 1));
    CHECK(same(one->sequences, two->sequences, tokens, 1));
    CHECK(same(one->spans, two->spans, tokens, 2 * sizeof *one->spans));
    CHECK(same(one->words, two->words, tokens, sizeof *one->words));
    CHECK(same(one->samples, two->samples, one->count, sizeof *one->samples));
    CHECK(same(one->string_offsets, two->string_offsets, tokens + 1, sizeof *one->string_offsets));
    CHECK(same(one->strings, two->strings, (size_t)one->string_offsets[tokens], 1));
}

/* Any number of threads, the same rows in the same order, and of several failures the first. */
static void check_threads(void)
{
    enum { ROWS = 20000 };
    struct deberta_tokenizer *t = make();
    static char buffer[64];
    static struct deberta_text firsts[ROWS];
    letters(buffer, 32);
    for (size_t i = 0; i < ROWS; i++)
        firsts[i] = (struct deberta_text){buffer + draw(8), draw(40)};
    struct deberta_rows rows = {.firsts = firsts, .count = ROWS};
    struct deberta_encode_options options = {.add_special_tokens = true,
                                             .truncation = DEBERTA_LONGEST_FIRST,
                                             .max_length = 9,
                                             .overflow = true,
                                             .stride = 3,
                                             .wanted = EVERYTHING};
    struct deberta_encodings one, four;
    threads_set(1);
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &one) == DEBERTA_OK);
    threads_set(4);
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &four) == DEBERTA_OK);
    CHECK(one.count > ROWS && one.samples[one.count - 1] == ROWS - 1);
    check_same(&one, &four);
    deberta_encodings_release(&one);
    deberta_encodings_release(&four);
    firsts[15000] = firsts[11000] = letters(buffer, 8);
    options = (struct deberta_encode_options){
        .add_special_tokens = true, .truncation = DEBERTA_ONLY_SECOND, .max_length = 10};
    rows.seconds = firsts;
    for (size_t i = 0; i < 11000; i++)
        firsts[i].size = 0;
    CHECK(deberta_tokenizer_encode(t, &rows, &options, &four) == DEBERTA_ARGUMENT);
    CHECK(strstr(status_message(), "row 11000 "));
    threads_set(0);
    deberta_tokenizer_free(t);
}

static void check_out_of_memory(void)
{
    static char buffer[4000];
    struct deberta_text texts[] = {letters(buffer, 700), text_of("a b"), text_of("c"), letters(buffer, 700)};
    static const int64_t words[] = {0, 2, 4};
    struct deberta_rows kinds[] = {{.firsts = texts, .seconds = texts + 1, .count = 2},
                                   {.firsts = texts, .first_words = words, .count = 2}};
    struct deberta_encode_options options = {.add_special_tokens = true,
                                             .truncation = DEBERTA_LONGEST_FIRST,
                                             .max_length = 60,
                                             .overflow = true,
                                             .stride = 20,
                                             .wanted = EVERYTHING};
    threads_set(1);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        bool done = false;
        for (long nth = 1; !done; nth++) {
            CHECK(nth < 1000);
            struct deberta_tokenizer *t;
            struct deberta_encodings out = {0};
            memory_fail_at(nth);
            enum deberta_status status = try_template(usual, 3, usual, 5, &t);
            if (status == DEBERTA_OK)
                status = deberta_tokenizer_encode(t, &kinds[k], &options, &out);
            memory_fail_at(0);
            CHECK(status == DEBERTA_OK || status == DEBERTA_MEMORY);
            done = status == DEBERTA_OK;
            CHECK(done == (out.ids != NULL));
            deberta_encodings_release(&out);
            deberta_tokenizer_free(t);
        }
    }
    threads_set(0);
}

int main(void)
{
    check_tokens();
    check_template();
    check_rows();
    check_wanted();
    check_words();
    check_overflow_of_pairs();
    check_samples();
    check_too_many_windows();
    check_threads();
    check_out_of_memory();
    puts("encoding: ok");
    return 0;
}
