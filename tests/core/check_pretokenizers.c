/* SPDX-License-Identifier: Apache-2.0 */
/* Each pre-tokenizer on texts whose pieces are known; the Python tests check parity with the library. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "text/stages/pretokenizers.h"
#include "text/unicode/unicode.h"
#include "texts.h"

#define IDEOGRAPHIC "\xE3\x80\x80" /* U+3000, a space */
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

static struct pretokenizers make(const struct deberta_stage *stages, size_t count)
{
    struct pretokenizers made;
    enum deberta_status status = pretokenizers_init(&made, stages, count);
    if (status != DEBERTA_OK)
        fprintf(stderr, "%s\n", status_message());
    CHECK(status == DEBERTA_OK);
    return made;
}

/* Puts a text into a cut as one piece that begins at code point `from` of the given text. */
static enum deberta_status read(struct cut *cut, const char *text, uint32_t from)
{
    cut_clear(cut);
    TRY(aligned_read(&cut->text, text, strlen(text), from));
    return pieces_append(&cut->pieces, (struct piece){0, strlen(text), -1});
}

/* Writes the pieces as "a:0-1|b:1-2" (spans only when tracked). */
static void write(const struct cut *cut, char *out, size_t room)
{
    size_t used = 0;
    *out = '\0';
    for (size_t i = 0; i < cut->pieces.size; i++) {
        struct piece piece = cut->pieces.data[i];
        CHECK(piece.start < piece.end && piece.end <= cut->text.text.size);
        CHECK(i == 0 || piece.start >= cut->pieces.data[i - 1].end);
        int size = (int)(piece.end - piece.start);
        used +=
            (size_t)snprintf(out + used, room - used, "%s%.*s", i ? "|" : "", size, cut->text.text.data + piece.start);
        CHECK(used < room);
        if (cut->text.tracked) {
            struct span first = aligned_span(&cut->text, piece.start), last = aligned_span(&cut->text, piece.end - 1);
            used += (size_t)snprintf(out + used, room - used, ":%u-%u", first.start, last.end);
            CHECK(used < room);
        }
    }
}

static void check_from(const struct deberta_stage *stages, size_t count, const char *text, uint32_t from, bool tracked,
                       const char *wanted)
{
    struct pretokenizers made = make(stages, count);
    struct cut cut = {.text.tracked = tracked}, spare = {.text.tracked = tracked};
    CHECK(read(&cut, text, from) == DEBERTA_OK);
    CHECK(pretokenizers_apply(&made, &cut, &spare) == DEBERTA_OK);
    char found[1000];
    write(&cut, found, sizeof found);
    if (strcmp(found, wanted) != 0)
        fprintf(stderr, "'%s' became '%s', not '%s'\n", text, found, wanted);
    CHECK(strcmp(found, wanted) == 0);
    cut_release(&cut);
    cut_release(&spare);
    pretokenizers_release(&made);
}

static void check_cut(struct deberta_stage stage, const char *text, const char *wanted)
{
    check_from(&stage, 1, text, 0, false, wanted);
}

static void check_spans(struct deberta_stage stage, const char *text, const char *wanted)
{
    check_from(&stage, 1, text, 0, true, wanted);
}

static struct deberta_stage metaspace(unsigned flags)
{
    return (struct deberta_stage){.type = "Metaspace", .flags = flags, .content = text_of(MARK)};
}

static struct deberta_stage punctuation(enum deberta_behavior behavior)
{
    return (struct deberta_stage){.type = "Punctuation", .behavior = behavior};
}

static struct deberta_stage split(const char *pattern, enum deberta_behavior behavior, unsigned flags)
{
    return (struct deberta_stage){.type = "Split", .flags = flags, .behavior = behavior, .pattern = text_of(pattern)};
}

/* ---- stages ---- */

static void check_metaspace(void)
{
    const unsigned always = DEBERTA_PREPEND_ALWAYS | DEBERTA_SPLIT;
    check_spans(metaspace(always), "Hello world", MARK "Hello:0-5|" MARK "world:5-11");
    check_spans(metaspace(always), "\xC3\xA9 x", MARK "\xC3\xA9:0-1|" MARK "x:1-3");
    check_cut(metaspace(always), "a   b ", MARK "a|" MARK "|" MARK "|" MARK "b|" MARK);
    check_cut(metaspace(always), " a" MARK "b", MARK "a|" MARK "b");
    check_cut(metaspace(always), MARK "a", MARK "a");
    check_cut(metaspace(always), " ", MARK);
    check_cut(metaspace(DEBERTA_SPLIT), "a b", "a|" MARK "b");
    check_cut(metaspace(DEBERTA_PREPEND_ALWAYS), "a b", MARK "a" MARK "b");
    check_cut(metaspace(0), "a b", "a" MARK "b");
    struct deberta_stage first = metaspace(DEBERTA_PREPEND_FIRST | DEBERTA_SPLIT);
    check_spans(first, "a b", MARK "a:0-1|" MARK "b:1-3");
    struct pretokenizers made = make(&first, 1);
    CHECK(pretokenizers_need_spans(&made) && !pretokenizers_have_byte_level(&made));
    pretokenizers_release(&made);
    check_from(&first, 1, "a b", 7, true, "a:7-8|" MARK "b:8-10");
    struct deberta_stage both[] = {punctuation(DEBERTA_ISOLATED), metaspace(always)};
    check_from(both, 2, "a - b.", 0, true, MARK "a:0-1|" MARK ":1-2|" MARK "-:2-3|" MARK "b:3-5|" MARK ".:5-6");
    both[1] = first; /* only the piece that begins where the text does */
    check_from(both, 2, "a-b", 0, true, MARK "a:0-1|-:1-2|b:2-3");
    both[0] = (struct deberta_stage){.type = "WhitespaceSplit"};
    check_from(both, 2, "a b", 0, true, MARK "a:0-1|b:2-3");
    check_from(both, 2, " a b", 0, true, "a:1-2|b:3-4");
}

static void check_behaviors(void)
{
    static const char text[] = ",a..b c,,";
    check_cut(punctuation(DEBERTA_ISOLATED), text, ",|a|.|.|b c|,|,");
    check_cut(punctuation(DEBERTA_REMOVED), text, "a|b c");
    check_cut(punctuation(DEBERTA_MERGED_WITH_PREVIOUS), text, ",|a.|.|b c,|,");
    check_cut(punctuation(DEBERTA_MERGED_WITH_NEXT), text, ",a|.|.b c|,|,");
    check_cut(punctuation(DEBERTA_CONTIGUOUS), text, ",|a|..|b c|,,");
    check_cut(punctuation(DEBERTA_REMOVED), "...", "");
    check_cut(punctuation(DEBERTA_CONTIGUOUS), "\xE3\x80\x82.\xE2\x82\xAC", "\xE3\x80\x82.|\xE2\x82\xAC");
    check_cut(split("ab", DEBERTA_ISOLATED, 0), "ababaabx", "ab|ab|a|ab|x");
    check_cut(split("ab", DEBERTA_REMOVED, 0), "ababaabx", "a|x");
    check_cut(split("ab", DEBERTA_REMOVED, DEBERTA_INVERT), "ababaabx", "ab|ab|ab");
    check_cut(split("ab", DEBERTA_CONTIGUOUS, DEBERTA_INVERT), "xababab", "x|ababab");
    check_cut(split("ab", DEBERTA_MERGED_WITH_PREVIOUS, DEBERTA_INVERT), "xababx", "x|ab|abx");
    check_cut(split("ab", DEBERTA_MERGED_WITH_NEXT, DEBERTA_INVERT), "xababx", "xab|ab|x");
    check_spans(split("\xC3\xA9", DEBERTA_REMOVED, 0),
                "a\xC3\xA9"
                "b",
                "a:0-1|b:2-3");
    struct deberta_stage digits = {.type = "Digits"};
    check_cut(digits, "a12\xC2\xBD", "a|1|2|\xC2\xBD");
    digits.behavior = DEBERTA_CONTIGUOUS;
    check_cut(digits, "a12\xC2\xBD", "a|12\xC2\xBD");
}

static void check_words(void)
{
    struct deberta_stage bert = {.type = "BertPreTokenizer"}, words = {.type = "Whitespace"};
    struct deberta_stage spaces = {.type = "WhitespaceSplit"};
    check_spans(bert, " Hey,  \xC3\xA9!! " IDEOGRAPHIC, "Hey:1-4|,:4-5|\xC3\xA9:7-8|!:8-9|!:9-10");
    check_cut(bert, "\xE2\x80\x9Cx\xE2\x80\x9D", "\xE2\x80\x9C|x|\xE2\x80\x9D");
    check_spans(words, "Hey, \xE9\xA3\x9F_1!? e\xCC\x81", "Hey:0-3|,:3-4|\xE9\xA3\x9F_1:5-8|!?:8-10|e\xCC\x81:11-13");
    check_spans(spaces, "\ta,b" IDEOGRAPHIC "c\n", "a,b:1-4|c:5-6");
    check_cut(spaces, " \t\n", "");
}

static void check_byte_level(void)
{
    struct deberta_stage stages[] = {{.type = "ByteLevel", .flags = DEBERTA_USE_REGEX},
                                     split(GPT2, DEBERTA_ISOLATED, DEBERTA_REGEX)};
    for (size_t i = 0; i < COUNT(stages); i++) {
        check_spans(stages[i], "it's a", "it:0-2|'s:2-4| a:4-6");
        check_cut(stages[i], "x'S 'll'lx", "x|'|S| '|ll|'|lx");
        check_cut(stages[i], "'re've'm'd't'", "'re|'ve|'m|'d|'t|'");
        check_cut(stages[i], "  a   b", " | a|  | b");
        check_cut(stages[i], "a  \n b", "a|  \n| b");
        check_cut(stages[i], IDEOGRAPHIC IDEOGRAPHIC "a", IDEOGRAPHIC "|" IDEOGRAPHIC "|a");
        check_cut(stages[i], "a \n", "a| \n");
        check_cut(stages[i], " ", " ");
        check_cut(stages[i], "a1!? 22 ?", "a|1|!?| 22| ?");
        check_cut(stages[i],
                  "a\xCC\x81"
                  "b",
                  "a|\xCC\x81|b");
        check_cut(stages[i], " \xC3\xA9t\xC3\xA9\xC2\xBD", " \xC3\xA9t\xC3\xA9|\xC2\xBD");
    }
    stages[0].flags |= DEBERTA_PREFIX_SPACE;
    check_spans(stages[0], "ab c", " ab:0-2| c:2-4");
    check_cut(stages[0], " ab", " ab");
    check_cut(stages[0], "\tab", " |\t|ab");
    stages[0].flags = DEBERTA_PREFIX_SPACE;
    check_cut(stages[0], "ab c", " ab c");
    stages[0].flags = 0;
    check_cut(stages[0], "ab c", "ab c");
}

/* An added token in the middle stays unchanged, and its neighbours keep their spans. */
static void check_tokens(void)
{
    struct deberta_stage stages[] = {punctuation(DEBERTA_ISOLATED),
                                     metaspace(DEBERTA_PREPEND_FIRST | DEBERTA_SPLIT),
                                     {.type = "ByteLevel", .flags = DEBERTA_PREFIX_SPACE | DEBERTA_USE_REGEX}};
    struct pretokenizers made = make(stages, COUNT(stages));
    CHECK(pretokenizers_have_byte_level(&made));
    struct cut cut = {.text.tracked = true}, spare = {.text.tracked = true};
    CHECK(aligned_read(&cut.text, "a[M .]b c", 9, 0) == DEBERTA_OK);
    CHECK(pieces_append(&cut.pieces, (struct piece){0, 1, -1}) == DEBERTA_OK);
    CHECK(pieces_append(&cut.pieces, (struct piece){1, 6, 42}) == DEBERTA_OK);
    CHECK(pieces_append(&cut.pieces, (struct piece){6, 9, -1}) == DEBERTA_OK);
    CHECK(pretokenizers_apply(&made, &cut, &spare) == DEBERTA_OK);
    char found[100];
    write(&cut, found, sizeof found);
    CHECK(strcmp(found, " " MARK ":0-1|a:0-1|[M .]:1-6| b:6-7| " MARK ":7-8|c:8-9") == 0);
    CHECK(cut.pieces.data[2].token == 42);
    cut_release(&cut);
    cut_release(&spare);
    pretokenizers_release(&made);
}

/* ---- wrong calls, hostile texts, no memory ---- */

static void check_refused(const struct deberta_stage *stages, size_t count, const char *part_of_message)
{
    struct pretokenizers made;
    CHECK(pretokenizers_init(&made, stages, count) == DEBERTA_FORMAT);
    CHECK(!made.stages && made.count == 0);
    if (!strstr(status_message(), part_of_message))
        fprintf(stderr, "wanted '%s', got '%s'\n", part_of_message, status_message());
    CHECK(strstr(status_message(), part_of_message));
}

static void check_errors(void)
{
    struct deberta_stage stages[] = {metaspace(0), {.type = "UnicodeScripts"}};
    check_refused(stages, 2, "UnicodeScripts");
    stages[1] = split("\\w+", DEBERTA_ISOLATED, DEBERTA_REGEX);
    check_refused(stages, 2, "'\\w+'");
    stages[1] = split("", DEBERTA_ISOLATED, 0);
    check_refused(stages, 2, "0 bytes");
    stages[1] = split("\x80", DEBERTA_ISOLATED, 0);
    check_refused(stages, 2, "UTF-8");
    static const char *const replacements[] = {"", "ab", "\xE2\x96", "\x96", MARK MARK};
    for (size_t i = 0; i < COUNT(replacements); i++) {
        stages[1].type = "Metaspace";
        stages[1].content = text_of(replacements[i]);
        check_refused(stages, 2, "replacement");
    }
    stages[0] = (struct deberta_stage){.type = "ByteLevel"};
    stages[1] = punctuation(DEBERTA_ISOLATED);
    check_refused(stages, 2, "after ByteLevel");
    struct pretokenizers none = make(NULL, 0);
    CHECK(!pretokenizers_have_byte_level(&none));
    pretokenizers_release(&none);
}

/* A text of long runs, in time that grows with its size alone. */
static void check_long(void)
{
    enum { SIZE = 1 << 21 };
    char *text = malloc(SIZE + 1);
    CHECK(text);
    struct deberta_stage stages[] = {{.type = "ByteLevel", .flags = DEBERTA_USE_REGEX},
                                     {.type = "BertPreTokenizer"},
                                     {.type = "Whitespace"},
                                     punctuation(DEBERTA_CONTIGUOUS),
                                     split("aaaaaaaaaaaaaaab", DEBERTA_REMOVED, 0),
                                     metaspace(DEBERTA_PREPEND_ALWAYS | DEBERTA_SPLIT)};
    for (const char *letter = "a .'\t"; *letter; letter++) {
        memset(text, *letter, SIZE);
        text[SIZE] = '\0';
        for (size_t i = 0; i < COUNT(stages); i++) {
            struct pretokenizers made = make(&stages[i], 1);
            struct cut cut = {.text.tracked = false}, spare = {.text.tracked = false};
            CHECK(read(&cut, text, 0) == DEBERTA_OK);
            CHECK(pretokenizers_apply(&made, &cut, &spare) == DEBERTA_OK);
            CHECK(cut.pieces.size <= SIZE);
            cut_release(&cut);
            cut_release(&spare);
            pretokenizers_release(&made);
        }
    }
    free(text);
}

static void check_out_of_memory(void)
{
    struct deberta_stage stages[] = {{.type = "WhitespaceSplit"},
                                     punctuation(DEBERTA_ISOLATED),
                                     split("-", DEBERTA_REMOVED, 0),
                                     metaspace(DEBERTA_PREPEND_ALWAYS | DEBERTA_SPLIT),
                                     {.type = "ByteLevel", .flags = DEBERTA_PREFIX_SPACE | DEBERTA_USE_REGEX}};
    bool done = false;
    for (long nth = 1; !done; nth++) {
        CHECK(nth < 1000);
        struct pretokenizers made;
        struct cut cut = {.text.tracked = true}, spare = {.text.tracked = true};
        memory_fail_at(nth);
        enum deberta_status status = pretokenizers_init(&made, stages, COUNT(stages));
        if (status == DEBERTA_OK)
            status = read(&cut, "some words, and (more) words to-come; 1 2 3 4 5 6 7 8 9 10 11 12", 0);
        if (status == DEBERTA_OK)
            status = pretokenizers_apply(&made, &cut, &spare);
        memory_fail_at(0);
        CHECK(status == DEBERTA_OK || status == DEBERTA_MEMORY);
        done = status == DEBERTA_OK;
        CHECK(!done || cut.pieces.size == 42);
        cut_release(&cut);
        cut_release(&spare);
        pretokenizers_release(&made);
    }
}

/* As many code points as tokenizers 0.23.3 has of each property. */
static void check_properties(void)
{
    size_t letters = 0, numbers = 0, words = 0;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        letters += unicode_letter(code);
        numbers += unicode_number(code);
        words += unicode_word(code);
        CHECK(!(unicode_letter(code) && unicode_number(code)));
    }
    CHECK(letters == 141028);
    CHECK(numbers == 1911);
    CHECK(words == 144667);
    CHECK(unicode_word('_') && unicode_word(0x301) && !unicode_word('-') && !unicode_word(0xBD));
    CHECK(unicode_number(0xBD) && unicode_digit(0xBD) && unicode_letter(0x4E2D));
}

int main(void)
{
    check_metaspace();
    check_behaviors();
    check_words();
    check_byte_level();
    check_tokens();
    check_errors();
    check_long();
    check_out_of_memory();
    check_properties();
    puts("pretokenizers: ok");
    return 0;
}
