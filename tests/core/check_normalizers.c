/* SPDX-License-Identifier: Apache-2.0 */
/* Each normalizer on texts whose result is known; the Python tests check parity with the library. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "spm_writer.h"
#include "text/stages/normalizers.h"
#include "text/unicode/unicode.h"
#include "texts.h"

#define ACUTE "\xCC\x81" /* U+0301, class 230 */
#define DOT "\xCC\xA3"   /* U+0323, below: class 220 */

static struct deberta_spm spm; /* used by charsmap_stage and the type "Spm" */

static struct normalizers make(const struct deberta_stage *stages, size_t count)
{
    struct normalizers made;
    enum deberta_status status = normalizers_init(&made, stages, count, &spm);
    if (status != DEBERTA_OK)
        fprintf(stderr, "%s\n", status_message());
    CHECK(status == DEBERTA_OK);
    return made;
}

/* Writes a text, then the span of each character: "ab 0-1 1-2". */
static void write(const struct aligned *aligned, char *out, size_t room)
{
    size_t used = (size_t)snprintf(out, room, "%.*s", (int)aligned->text.size, aligned->text.data);
    CHECK(used < room);
    CHECK(aligned->spans.size == (aligned->tracked ? aligned->text.size : 0));
    CHECK(utf8_valid(aligned->text.data, aligned->text.size));
    for (size_t at = 0, size; aligned->tracked && at < aligned->text.size; at += size) {
        size = utf8_size(aligned->text.data[at]);
        struct span first = aligned_span(aligned, at), last = aligned_span(aligned, at + size - 1);
        used += (size_t)snprintf(out + used, room - used, " %u-%u", first.start, last.end);
        CHECK(used < room);
    }
}

static void check_all(const struct deberta_stage *stages, size_t count, const char *text, bool tracked,
                      const char *wanted)
{
    struct normalizers made = make(stages, count);
    struct aligned aligned = {.tracked = tracked}, spare = {.tracked = tracked};
    CHECK(aligned_read(&aligned, text, strlen(text), 0) == DEBERTA_OK);
    CHECK(normalizers_apply(&made, &aligned, &spare) == DEBERTA_OK);
    char found[2000];
    write(&aligned, found, sizeof found);
    if (strcmp(found, wanted) != 0)
        fprintf(stderr, "'%s' became '%s', not '%s'\n", text, found, wanted);
    CHECK(strcmp(found, wanted) == 0);
    aligned_release(&aligned);
    aligned_release(&spare);
    normalizers_release(&made);
}

/* With spans, and without them. */
static void check(struct deberta_stage stage, const char *text, const char *wanted, const char *spans)
{
    char both[2000];
    int size = snprintf(both, sizeof both, "%s%s%s", wanted, *spans ? " " : "", spans);
    CHECK(size > 0 || *wanted == '\0');
    check_all(&stage, 1, text, true, both);
    check_all(&stage, 1, text, false, wanted);
}

static struct deberta_stage simple(const char *type)
{
    return (struct deberta_stage){.type = type};
}

static void check_reading(void)
{
    const struct deberta_stage none = {.type = "Strip"};
    check(none, "", "", "");
    check(none, "a\xC3\xA9", "a\xC3\xA9", "0-1 1-2");
    check(none, "a\xFF\xE2\x82z", "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz", "0-1 1-2 2-3 3-4 4-5");
    struct aligned aligned = {.tracked = true}, copy = {.tracked = true};
    CHECK(aligned_read(&aligned, "a\xC3\xA9", 3, 7) == DEBERTA_OK);
    CHECK(aligned_copy(&copy, &aligned, 1, 3) == DEBERTA_OK);
    char found[100];
    write(&copy, found, sizeof found);
    CHECK(strcmp(found, "\xC3\xA9 8-9") == 0);
    aligned_clear(&copy);
    CHECK(copy.text.size == 0 && copy.spans.size == 0 && copy.tracked);
    aligned_release(&aligned);
    aligned_release(&copy);
}

static void check_lower_and_strip(void)
{
    check(simple("Lowercase"), "AbC\xCE\xA3", "abc\xCF\x83", "0-1 1-2 2-3 3-4");
    check(simple("Lowercase"), "\xC4\xB0x", "i\xCC\x87x", "0-1 0-1 1-2");
    const struct deberta_stage both = {.type = "Strip", .flags = DEBERTA_STRIP_LEFT | DEBERTA_STRIP_RIGHT};
    const struct deberta_stage left = {.type = "Strip", .flags = DEBERTA_STRIP_LEFT};
    const struct deberta_stage right = {.type = "Strip", .flags = DEBERTA_STRIP_RIGHT};
    check(both, " \xE3\x80\x80x y\xC2\x85\n", "x y", "2-3 3-4 4-5");
    check(both, " \t", "", "");
    check(left, " \xC3\xA9 ", "\xC3\xA9 ", "1-2 2-3");
    check(left, "  ", "", "");
    check(right, " \xC3\xA9 ", " \xC3\xA9", "0-1 1-2");
    check(right, "  ", "", "");
    check(both, "\xE2\x80\x8Bx\xE2\x80\x8B", "\xE2\x80\x8Bx\xE2\x80\x8B", "0-1 1-2 2-3");
}

static void check_forms(void)
{
    check(simple("NFD"), "\xC3\xA9x", "e" ACUTE "x", "0-1 0-1 1-2");
    check(simple("NFC"), "e" ACUTE "x", "\xC3\xA9x", "0-1 2-3");
    check(simple("NFC"), "x" ACUTE, "x" ACUTE, "0-1 1-2");
    check(simple("NFC"), ACUTE "e", ACUTE "e", "0-1 1-2");
    /* The mark that comes first gets a span; the other, decomposed from a character, has none of its own. */
    check(simple("NFD"), "\xC3\xA9" DOT, "e" DOT ACUTE, "0-1 1-2 1-2");
    check(simple("NFC"), "e" ACUTE DOT, "\xE1\xBA\xB9" ACUTE, "0-1 2-3");
    check(simple("NFD"), "\xEA\xB0\x81", "\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", "0-1 0-1 0-1");
    check(simple("NFC"), "\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8.", "\xEA\xB0\x81.", "0-1 3-4");
    check(simple("NFC"), "\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC", "0-1 0-1"); /* never composed */
    check(simple("NFKC"), "\xEF\xAC\x81" ACUTE, "f\xC3\xAD", "0-1 1-2");
    check(simple("NFKD"), "\xEF\xAC\x81", "fi", "0-1 0-1");
    check(simple("NFC"), "\xEF\xAC\x81", "\xEF\xAC\x81", "0-1");
    check(simple("NFC"), "\xF0\x91\x8E\x83", "\xF0\x91\x8E\x83", "0-1"); /* U+11383 is of a later version */
    check(simple("StripAccents"), "e" ACUTE DOT "x" ACUTE, "ex", "0-1 3-4");
    check(simple("StripAccents"), ACUTE, "", "");
}

/* Enough marks to need more than swaps to sort them. */
static void check_many_marks(void)
{
    static char text[1 + 2 * 40000], wanted[sizeof text];
    text[0] = wanted[0] = 'x';
    for (size_t i = 0; i < 40000; i++) {
        memcpy(text + 1 + 2 * i, i % 2 ? DOT : ACUTE, 2);
        memcpy(wanted + 1 + 2 * i, i < 20000 ? DOT : ACUTE, 2);
    }
    const struct deberta_stage stage = simple("NFC");
    struct normalizers made = make(&stage, 1);
    struct aligned aligned = {.tracked = true}, spare = {.tracked = true};
    CHECK(aligned_read(&aligned, text, sizeof text, 0) == DEBERTA_OK);
    CHECK(normalizers_apply(&made, &aligned, &spare) == DEBERTA_OK);
    CHECK(aligned.text.size == sizeof wanted && memcmp(aligned.text.data, wanted, sizeof wanted) == 0);
    CHECK(aligned_span(&aligned, sizeof wanted - 1).start == 40000);
    aligned_release(&aligned);
    aligned_release(&spare);
    normalizers_release(&made);
}

static void check_bert(void)
{
    struct deberta_stage clean = {.type = "BertNormalizer", .flags = DEBERTA_CLEAN_TEXT};
    check(clean,
          "\x01"
          "ab\x02\xEF\xBB\xBF"
          "c\t\xC2\xA0\xE3\x80\x80",
          "abc   ", "1-2 2-3 5-6 6-7 7-8 8-9");
    check(clean,
          "foo\xC2\x85"
          "bar",
          "foobar", "0-1 1-2 2-3 4-5 5-6 6-7");
    check(clean, "\x01", "", "");
    struct deberta_stage chinese = {.type = "BertNormalizer", .flags = DEBERTA_CHINESE_CHARS};
    check(chinese, "a\xE9\x87\x8E\xE3\x81\x82", "a \xE9\x87\x8E \xE3\x81\x82", "0-1 1-2 1-2 1-2 2-3");
    struct deberta_stage accents = {.type = "BertNormalizer", .flags = DEBERTA_STRIP_ACCENTS};
    check(accents, "\xC3\x89x", "Ex", "0-1 1-2");
    struct deberta_stage lower = {.type = "BertNormalizer", .flags = DEBERTA_LOWERCASE};
    check(lower, "\xC3\x89X", "\xC3\xA9x", "0-1 1-2");
    struct deberta_stage all = {.type = "BertNormalizer",
                                .flags = DEBERTA_CLEAN_TEXT | DEBERTA_CHINESE_CHARS | DEBERTA_STRIP_ACCENTS |
                                         DEBERTA_LOWERCASE};
    check(all, "\xC4\xB0\n\xE9\x87\x8E\xC3\x89", "i  \xE9\x87\x8E e", "0-1 1-2 2-3 2-3 2-3 3-4");
    check(simple("BertNormalizer"), "\x01\xC3\x89", "\x01\xC3\x89", "0-1 1-2");
}

static void check_replace(void)
{
    struct deberta_stage literal = {.type = "Replace", .pattern = text_of("''"), .content = text_of("\"-")};
    check(literal, "a''b'", "a\"-b'", "0-1 2-3 2-3 3-4 4-5");
    check(literal, "'''", "\"-'", "1-2 1-2 2-3");
    literal.content = (struct deberta_text){NULL, 0};
    check(literal, "''", "", "");
    struct deberta_stage spaces = {
        .type = "Replace", .flags = DEBERTA_REGEX, .pattern = text_of(" {2,}"), .content = text_of(" ")};
    check(spaces, "a   b c", "a b c", "0-1 3-4 4-5 5-6 6-7");
    check(spaces, "  ", " ", "1-2");
    check(spaces, "a b", "a b", "0-1 1-2 2-3");
    spaces.pattern = text_of("\\s{2,}|[\\n\\r\\t]");
    check(spaces,
          "a\nb \xE3\x80\x80"
          "c d\xC2\xA0",
          "a b c d\xC2\xA0", "0-1 1-2 2-3 4-5 5-6 6-7 7-8 8-9");
    spaces.pattern = text_of("\\s+");
    spaces.content = text_of(MARK);
    check(spaces, " a \n", MARK "a" MARK, "0-1 1-2 3-4");
    struct deberta_stage prepend = {.type = "Prepend", .content = text_of(MARK "x")};
    check(prepend, "\xC3\xA9y", MARK "x\xC3\xA9y", "0-1 0-1 0-1 1-2");
    check(prepend, "", "", "");
    check(simple("Nmt"),
          "\x01"
          "a\xE2\x80\x8B\x0B\xEF\xBF\xBD\xC2\xA0",
          "a  \xC2\xA0", "1-2 2-3 4-5 5-6");
}

/* ---- with a charsmap ---- */

static const struct rule rules[] = {
    {"\t", " "},
    {"\r\n", " "},
    {"\x01", ""},
    {"\x02", ""},
    {"\xE2\x80\x8B", " "},     /* zero width space */
    {"\xE2\x84\xA2", "TM"},    /* trade mark */
    {"\xEF\xAC\x81", "fi"},    /* ligature */
    {"\xC2\xA8", " \xCC\x88"}, /* diaeresis: a space and a mark */
    {"e" ACUTE, "\xC3\xA9"},
    {"\xE2\x91\xA0", "1"}, /* circled one */
};

/* To be released with `spm`. */
static struct deberta_stage charsmap_stage(const char *type)
{
    static struct file file;
    file.size = 0;
    write_special(&file);
    write_piece(&file, "a", -4, DEBERTA_PIECE_NORMAL);
    write_normalizer(&file, rules, COUNT(rules));
    CHECK(deberta_spm_read(&spm, file.data, file.size) == DEBERTA_OK);
    return (struct deberta_stage){.type = type, .pattern = spm.charsmap};
}

static void check_precompiled(void)
{
    struct deberta_stage stage = charsmap_stage("Precompiled");
    check(stage, "plain", "plain", "0-1 1-2 2-3 3-4 4-5");
    check(stage, "\xC3\xA9\xE9\x87\x8E", "\xC3\xA9\xE9\x87\x8E", "0-1 1-2");
    check(stage, "a\r\nb", "a b", "0-1 1-2 3-4");
    check(stage, "x\xEF\xAC\x81y", "xfiy", "0-1 1-2 1-2 2-3");
    check(stage, "e" ACUTE DOT "x", "\xC3\xA9x", "0-1 3-4");
    check(stage,
          "a\x01\x02"
          "b",
          "ab", "0-1 3-4");
    /* Characters removed at the start are not counted; those removed after an added character give it a span. */
    check(stage,
          "\x01"
          "ab\xC3\xA9",
          "ab\xC3\xA9", "0-1 1-2 2-3");
    check(stage,
          "\x01\xC3\xA9"
          "a\xEF\xAC\x81"
          "b",
          "\xC3\xA9"
          "afib",
          "0-1 1-2 2-3 2-3 3-4");
    check(stage, "\xE2\x84\xA2\x01g", "TMg", "0-1 1-2 2-3");
    check(stage, "\xE2\x84\xA2\x01\x02g", "TMg", "0-1 1-2 3-4");
    check(stage, "\xC2\xA8\x01g", " \xCC\x88g", "0-1 1-2 2-3");
    check(stage, "\x01", "", "");
    check(stage, "\xE2\x91\xA0\xE2\x83\x9D", "1\xE2\x83\x9D", "0-1 1-2"); /* six bytes: one by one */
    check((struct deberta_stage){.type = "Precompiled"}, "\x01\xEF\xAC\x81", "\x01\xEF\xAC\x81", "0-1 1-2");
    struct deberta_stage hf4[] = {
        {.type = "Strip", .flags = DEBERTA_STRIP_LEFT | DEBERTA_STRIP_RIGHT},
        stage,
        {.type = "Replace", .flags = DEBERTA_REGEX, .pattern = text_of(" {2,}"), .content = text_of(" ")},
    };
    check_all(hf4, 3, "  Hello \xE2\x80\x8B \xEF\xAC\x81 ", true, "Hello fi 2-3 3-4 4-5 5-6 6-7 9-10 10-11 10-11");
    deberta_spm_release(&spm);
}

static void check_spm(void)
{
    struct deberta_stage stage = charsmap_stage("Spm");
    /* The span of a character ends where that of the next one starts. */
    check(stage, "ab", MARK "ab", "0-0 0-1 1-2");
    check(stage, "  a \t b  ", MARK "a" MARK "b", "2-2 2-3 3-6 6-7");
    check(stage, "\xEF\xAC\x81x", MARK "fix", "0-0 0-0 0-1 1-2");
    check(stage, "\xC3\xA9\x01", MARK "\xC3\xA9", "0-0 0-2");
    check(stage, " \t ", "", "");
    check(stage, "\x01", "", "");
    spm.treat_whitespace_as_suffix = true;
    spm.escape_whitespaces = false;
    check(stage, " a ", "a ", "1-2 2-2");
    spm.treat_whitespace_as_suffix = spm.add_dummy_prefix = spm.remove_extra_whitespaces = false;
    spm.escape_whitespaces = true;
    check(stage, " a", MARK "a", "0-1 1-2");
    deberta_spm_release(&spm);
}

/* ---- failure ---- */

static void check_errors(void)
{
    const struct deberta_stage wrong[] = {
        {.type = "Nfc"},
        {.type = "Spm"},
        {.type = "Replace"},
        {.type = "Replace", .flags = DEBERTA_REGEX, .pattern = text_of("a+")},
        {.type = "Replace", .flags = DEBERTA_REGEX, .pattern = text_of(" +"), .content = text_of("$1")},
        {.type = "Precompiled", .pattern = text_of("nonsense")},
    };
    struct deberta_stage two[] = {{.type = "Prepend", .content = text_of("x")}, {0}};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct normalizers made;
        two[1] = wrong[i];
        CHECK(normalizers_init(&made, two, 2, NULL) == DEBERTA_FORMAT);
        CHECK(made.stages == NULL && made.count == 0);
    }
    struct normalizers made;
    CHECK(normalizers_init(&made, wrong, 1, NULL) == DEBERTA_FORMAT);
    CHECK(strstr(status_message(), "Nfc"));
}

static void check_out_of_memory(void)
{
    struct deberta_stage charsmap = charsmap_stage("Precompiled"), sentencepiece = {.type = "Spm"};
    const struct deberta_stage stages[] = {
        {.type = "BertNormalizer", .flags = ~0u},
        charsmap,
        {.type = "Replace", .pattern = text_of("b"), .content = text_of("ccc")},
        {.type = "Prepend", .content = text_of("x")},
        {.type = "NFC"},
        sentencepiece,
    };
    char text[600] = "A \xC3\x89\xEF\xAC\x81\x01 \xE9\x87\x8E b";
    for (size_t i = strlen(text); i + 2 < sizeof text; i += 2)
        memcpy(text + i, i % 4 ? DOT : ACUTE, 3);
    bool done = false;
    for (long nth = 1; !done; nth++) {
        CHECK(nth < 1000);
        struct normalizers made = {0};
        struct aligned aligned = {.tracked = true}, spare = {.tracked = true};
        memory_fail_at(nth);
        enum deberta_status status = normalizers_init(&made, stages, COUNT(stages), &spm);
        if (status == DEBERTA_OK)
            status = aligned_read(&aligned, text, strlen(text), 0);
        if (status == DEBERTA_OK)
            status = normalizers_apply(&made, &aligned, &spare);
        memory_fail_at(0);
        CHECK(status == DEBERTA_OK || status == DEBERTA_MEMORY);
        CHECK(aligned.spans.size == aligned.text.size || status != DEBERTA_OK);
        done = status == DEBERTA_OK;
        aligned_release(&aligned);
        aligned_release(&spare);
        normalizers_release(&made);
    }
    deberta_spm_release(&spm);
}

int main(void)
{
    check_reading();
    check_lower_and_strip();
    check_forms();
    check_many_marks();
    check_bert();
    check_replace();
    check_precompiled();
    check_spm();
    check_errors();
    check_out_of_memory();
    puts("normalizers: ok");
    return 0;
}
