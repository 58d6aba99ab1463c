/* SPDX-License-Identifier: Apache-2.0 */
/* The tokenizer on small models built here; the Python tests check parity with other libraries. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "check.h"
#include "spm_recipe.h"
#include "spm_writer.h"
#include "text/tokenizer.h"
#include "text/unicode/unicode.h"
#include "texts.h"

/* ---- models ---- */

static const struct rule rules[] = {
    {"\t", " "},
    {"\n", " "},
    {"\r\n", " "},
    {"\x01", ""},
    {"\xE2\x80\x8B", " "},      /* zero width space */
    {"\xEF\xAC\x81", "fi"},     /* ligature */
    {"\xC2\xA8", " \xCC\x88"},  /* diaeresis: a space and a mark */
    {"e\xCC\x81", "\xC3\xA9"},  /* e and acute */
    {"e\xCC\x82\xCC\x81", "E"}, /* a longer key that begins with no shorter one */
    {" \xCC\x81", "\xC2\xB4"},  /* a mark on a space */
    {"\xEF\xBC\xBB", "["},      /* full-width brackets */
    {"\xEF\xBC\xBD", "]"},
};

/* Ids: 4 the mark, 5 a, 6 b, 7 ab, 8 marked ab, 9 ba, 10 fi, 11 e acute, 12 marked c, 13 comma, 14 acute, 15 marked
 * aba. */
static void write_small(struct file *file)
{
    file->size = 0;
    write_special(file);
    write_piece(file, MARK, -3, DEBERTA_PIECE_NORMAL);
    write_piece(file, "a", -4, DEBERTA_PIECE_NORMAL);
    write_piece(file, "b", -5, DEBERTA_PIECE_NORMAL);
    write_piece(file, "ab", -9, DEBERTA_PIECE_NORMAL);
    write_piece(file, MARK "ab", -12, DEBERTA_PIECE_NORMAL);
    write_piece(file, "ba", -7, DEBERTA_PIECE_NORMAL);
    write_piece(file, "fi", -6, DEBERTA_PIECE_NORMAL);
    write_piece(file, "\xC3\xA9", -8, DEBERTA_PIECE_NORMAL);
    write_piece(file, MARK "c", -8, DEBERTA_PIECE_NORMAL);
    write_piece(file, ",", -8, DEBERTA_PIECE_NORMAL);
    write_piece(file, "\xC2\xB4", -8, DEBERTA_PIECE_NORMAL);
    write_piece(file, MARK "aba", -13, DEBERTA_PIECE_NORMAL);
}

static void write_small_with_rules(struct file *file)
{
    write_small(file);
    write_normalizer(file, rules, COUNT(rules));
}

static const struct spm_options hf4 = {HF4, false, false};
static const struct spm_options lowered = {HF4, true, false};
static const struct spm_options punctuated = {HF4, false, true};
static const struct spm_options fallback = {SPM, false, false};
static const struct spm_options fallback_punctuated = {SPM, false, true};

static struct deberta_tokenizer *make(const struct file *file, const struct spm_options *options)
{
    struct deberta_tokenizer *tokenizer;
    enum deberta_status status = read_spm(file->data, file->size, options, &tokenizer);
    if (status != DEBERTA_OK)
        fprintf(stderr, "%s\n", status_message());
    CHECK(status == DEBERTA_OK);
    return tokenizer;
}

static enum deberta_status encode_rows(const struct deberta_tokenizer *tokenizer, const struct deberta_text *firsts,
                                       const struct deberta_text *seconds, size_t count,
                                       const struct deberta_encode_options *options, struct deberta_encodings *out)
{
    struct deberta_rows rows = {.firsts = firsts, .seconds = seconds, .count = count};
    return deberta_tokenizer_encode(tokenizer, &rows, options, out);
}

/* Ids of one text without special tokens; terminated by -1 when compared. */
static void check_ids(const struct deberta_tokenizer *tokenizer, const char *string, const int32_t *wanted)
{
    struct deberta_text text = text_of(string);
    struct deberta_encode_options options = {.add_special_tokens = false};
    struct deberta_encodings out;
    CHECK(encode_rows(tokenizer, &text, NULL, 1, &options, &out) == DEBERTA_OK);
    size_t count = 0;
    while (wanted[count] >= 0)
        count++;
    bool same = (size_t)out.offsets[1] == count && memcmp(out.ids, wanted, count * sizeof *wanted) == 0;
    if (!same) {
        fprintf(stderr, "'%s' became", string);
        for (int64_t i = 0; i < out.offsets[1]; i++)
            fprintf(stderr, " %d", out.ids[i]);
        fprintf(stderr, "\n");
    }
    CHECK(same);
    deberta_encodings_release(&out);
}

#define IDS(...) ((const int32_t[]){__VA_ARGS__, -1})
#define NO_IDS ((const int32_t[]){-1})

/* ---- stages ---- */

static void check_unicode(void)
{
    size_t spaces = 0, marks = 0;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        spaces += unicode_space(code);
        marks += unicode_punctuation(code);
        if (code >= 0xD800 && code < 0xE000)
            continue;
        char bytes[4];
        size_t size = utf8_encode(code, bytes);
        struct character c = utf8_decode(bytes, size);
        CHECK(c.valid && c.code == code && c.size == size && utf8_size(bytes[0]) == size);
        for (size_t part = 1; part < size; part++)
            CHECK(!utf8_decode(bytes, part).valid);
    }
    CHECK(spaces == 25);
    CHECK(marks == 726);
    CHECK(!utf8_valid("\xC0\x80", 2) && !utf8_valid("\xED\xA0\x80", 3) && !utf8_valid("\xF4\x90\x80\x80", 4));
    CHECK(!utf8_valid("\x80", 1) && !utf8_valid("\xE0\x80\x80", 3) && utf8_valid("", 0));
    uint32_t lower[2];
    CHECK(unicode_lower('Q', lower) == 1 && lower[0] == 'q');
    CHECK(unicode_lower(0x130, lower) == 2 && lower[0] == 'i' && lower[1] == 0x307);
    CHECK(unicode_lower(0x3A3, lower) == 1 && lower[0] == 0x3C3);
    CHECK(unicode_lower(0x101, lower) == 1 && lower[0] == 0x101); /* between two of a run of step 2 */
    CHECK(unicode_cluster("\r\nx", 3) == 2 && unicode_cluster("e\xCC\x81x", 4) == 3 && unicode_cluster("ab", 2) == 1);
}

static int compare_keys(const struct trie_key *keys, size_t count, const char *text, size_t size, int32_t *number)
{
    int longest = 0;
    for (size_t i = 0; i < count; i++)
        if (keys[i].size <= size && (int)keys[i].size > longest && memcmp(keys[i].text, text, keys[i].size) == 0) {
            longest = (int)keys[i].size;
            *number = keys[i].number;
        }
    return longest;
}

static void check_trie(void)
{
    static char text[4000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(draw(8) ? draw(3) + 1 : draw(256));
    struct trie_key keys[900];
    size_t count = 0;
    while (count < COUNT(keys)) {
        struct trie_key key = {text + draw(3900), 1 + draw(draw(2) ? 3 : 20), (int32_t)count, 0};
        int32_t number;
        if (compare_keys(keys, count, key.text, key.size, &number) != (int)key.size)
            keys[count++] = key;
    }
    struct trie trie;
    CHECK(trie_init(&trie, keys, count) == DEBERTA_OK);
    for (size_t i = 0; i < sizeof text; i++) {
        int32_t found = -1, wanted = -1;
        size_t size = trie_longest(&trie, text + i, sizeof text - i, &found);
        CHECK((int)size == compare_keys(keys, count, text + i, sizeof text - i, &wanted));
        CHECK(found == wanted);
    }
    trie_release(&trie);
    static char alike[40][12]; /* the same first eight bytes */
    for (size_t i = 0; i < COUNT(alike); i++) {
        snprintf(alike[i], sizeof alike[i], "alikelike%zu", 39 - i);
        keys[i] = (struct trie_key){alike[i], strlen(alike[i]), (int32_t)i, 0};
    }
    CHECK(trie_init(&trie, keys, COUNT(alike)) == DEBERTA_OK);
    for (size_t i = 0; i < COUNT(alike); i++) {
        int32_t found;
        CHECK(trie_longest(&trie, alike[i], strlen(alike[i]), &found) == strlen(alike[i]) && found == (int32_t)i);
    }
    trie_release(&trie);
    keys[1] = keys[0];
    CHECK(trie_init(&trie, keys, COUNT(alike)) == DEBERTA_FORMAT);
    CHECK(trie_init(&trie, keys, 0) == DEBERTA_OK && trie_longest(&trie, "a", 1, &(int32_t){0}) == 0);
    trie_release(&trie);
}

typedef enum deberta_status (*normalize)(const struct spm_normalizer *, const char *, size_t, struct bytes *);

static void check_normal(const struct spm_normalizer *normalizer, normalize fn, const char *text, const char *wanted)
{
    struct bytes out = {0};
    CHECK(fn(normalizer, text, strlen(text), &out) == DEBERTA_OK);
    bool same = out.size == strlen(wanted) && (out.size == 0 || memcmp(out.data, wanted, out.size) == 0);
    if (!same)
        fprintf(stderr, "'%s' became '%.*s'\n", text, (int)out.size, out.data);
    CHECK(same);
    memory_free(out.data);
}

static void check_normalizer(void)
{
    static struct file file;
    write_small_with_rules(&file);
    struct deberta_spm spm;
    struct spm_normalizer n;
    CHECK(deberta_spm_read(&spm, file.data, file.size) == DEBERTA_OK);
    CHECK(spm_normalizer_init(&n, &spm) == DEBERTA_OK);
    CHECK(n.keeps_ascii);
    check_normal(&n, spm_normalizer_replace, "a\t \nb", "a b");
    check_normal(&n, spm_normalizer_replace, "a\r\nb", "a b");
    check_normal(&n, spm_normalizer_replace, "x\x01y\xEF\xAC\x81", "xyfi");
    check_normal(&n, spm_normalizer_replace, "e\xCC\x81", "\xC3\xA9");
    /* The shortest key takes the whole cluster below six bytes; from six on, characters stand alone. */
    check_normal(&n, spm_normalizer_replace, "e\xCC\x81\xCC\x82", "\xC3\xA9");
    check_normal(&n, spm_normalizer_replace, "e\xCC\x81\xCC\x82\xCC\x83", "e\xCC\x81\xCC\x82\xCC\x83");
    check_normal(&n, spm_normalizer_replace, "\xEF\xAC\x81\xCC\x81", "fi");
    check_normal(&n, spm_normalizer_replace, "a\xFF", "a\xEF\xBF\xBD");
    /* sentencepiece takes the longest key and loses nothing. */
    check_normal(&n, spm_normalizer_apply, "e\xCC\x81\xCC\x82", MARK "\xC3\xA9\xCC\x82");
    check_normal(&n, spm_normalizer_apply, "e\xCC\x82\xCC\x81", MARK "E");
    check_normal(&n, spm_normalizer_apply, " \t a \xE2\x80\x8B b \n", MARK "a" MARK "b");
    check_normal(&n, spm_normalizer_apply, " \t ", "");
    check_normal(&n, spm_normalizer_apply, "\x01", "");
    check_normal(&n, spm_normalizer_apply, "a\xC2\xA8", MARK "a" MARK "\xCC\x88");
    n.treat_whitespace_as_suffix = true;
    check_normal(&n, spm_normalizer_apply, " a b ", "a" MARK "b" MARK);
    n.remove_extra_whitespaces = false;
    check_normal(&n, spm_normalizer_apply, " a  b", MARK "a" MARK MARK "b" MARK);
    n.add_dummy_prefix = n.escape_whitespaces = false;
    check_normal(&n, spm_normalizer_apply, " a", " a");
    spm_normalizer_release(&n);
    deberta_spm_release(&spm);
}

static void check_small(void)
{
    static struct file file;
    write_small_with_rules(&file);
    struct deberta_tokenizer *t = make(&file, &hf4);
    CHECK(deberta_tokenizer_size(t) == 17);
    CHECK(deberta_tokenizer_piece(t, 16).size == 6 && memcmp(deberta_tokenizer_piece(t, 16).bytes, "[MASK]", 6) == 0);
    CHECK(deberta_tokenizer_piece(t, 15).size == 6 && memcmp(deberta_tokenizer_piece(t, 15).bytes, MARK "aba", 6) == 0);
    check_ids(t, "", NO_IDS);
    check_ids(t, " \n ", NO_IDS);
    check_ids(t, "\x01", NO_IDS);
    check_ids(t, "ab", IDS(8)); /* -12, like the mark, a and b, and the mark and ab: what starts first wins */
    check_ids(t, "ab  ab", IDS(8, 8));
    check_ids(t, "aba", IDS(15)); /* -13 is better than -14 for the mark, a and ba */
    check_ids(t, "abb", IDS(8, 6));
    check_ids(t, "xyz", IDS(4, 3)); /* unknown characters of a word are one token */
    check_ids(t, "xay", IDS(4, 3, 5, 3));
    check_ids(t, "x y", IDS(4, 3, 4, 3));
    check_ids(t, "\xE2\x80\x8B", IDS(4));
    check_ids(t, "c\xE2\x80\x8B", IDS(12, 4));
    check_ids(t,
              "\xE2\x80\x8B"
              "c",
              IDS(12));
    check_ids(t, "c \xE2\x80\x8B c", IDS(12, 12));
    check_ids(t, "c" MARK MARK "c", IDS(12, 4, 12)); /* not a key here: each is a space of its own */
    check_ids(t, "c " MARK "c", IDS(12, 4, 12));
    check_ids(t, "c \xCC\x81", IDS(12, 14)); /* the space has gone into the mark */
    check_ids(t, "c  \xCC\x81", IDS(12, 4, 14));
    check_ids(t, "c \xC2\xA8", IDS(12, 4, 3));
    check_ids(t, "a[MASK]b", IDS(4, 5, 16, 4, 6));
    check_ids(t, "a [SEP] b", IDS(4, 5, 2, 4, 6));
    check_ids(t, "[CLS][PAD][CLS", IDS(1, 0, 4, 3));
    check_ids(t, "a [UNK] b", IDS(4, 5, 4, 3, 4, 6)); /* found after normalising, when the space is still there */
    check_ids(t,
              "a\xEF\xBC\xBBUNK\xEF\xBC\xBD"
              "b",
              IDS(4, 5, 3, 4, 6));
    check_ids(t, "[unk]", IDS(4, 3));
    deberta_tokenizer_free(t);
    t = make(&file, &lowered);
    check_ids(t, "AB C", IDS(8, 12));
    check_ids(t, "a [UNK][unk]", IDS(4, 5, 4, 3, 3));
    check_ids(t, "[mask]", IDS(4, 3, 5, 3));
    deberta_tokenizer_free(t);
    t = make(&file, &punctuated);
    check_ids(t, "a,b", IDS(4, 5, 4, 13, 4, 6));
    check_ids(t, "a , b", IDS(4, 5, 4, 4, 13, 4, 6));
    check_ids(t, ",", IDS(4, 13));
    deberta_tokenizer_free(t);
    t = make(&file, &fallback); /* without byte pieces, as sentencepiece with [UNK] */
    check_ids(t, "x\xE2\x80\x8B", IDS(4, 3));
    check_ids(t, "a [UNK] b", IDS(4, 5, 3, 4, 6));
    deberta_tokenizer_free(t);
    t = make(&file, &fallback_punctuated); /* each mark and each part between marks is a separate text */
    check_ids(t, "a , b,x", IDS(4, 5, 4, 13, 4, 6, 4, 13, 4, 3));
    deberta_tokenizer_free(t);
}

/* White space options of the file, and a charsmap with ASCII keys, which turns the fast path off. */
static void check_other_rules(void)
{
    static const struct rule ascii[] = {{"x", "a"}}, two[] = {{"xy", "a"}};
    static struct file file;
    write_small(&file);
    write_string(&file, 3, "\x18\x00\x20\x00", 4); /* no dummy prefix, nothing removed */
    write_string(&file, 2, "\xC0\x01\x01", 3);     /* white space as suffix */
    struct deberta_tokenizer *t = make(&file, &fallback);
    check_ids(t, " a", IDS(4, 5));
    check_ids(t, "a ", IDS(5, 4));
    deberta_tokenizer_free(t);
    write_small(&file);
    write_string(&file, 3, "\x18\x00\x28\x00", 4); /* spaces stay spaces */
    t = make(&file, &fallback);
    check_ids(t, "a b", IDS(5, 3, 6));
    deberta_tokenizer_free(t);
    write_small(&file);
    write_normalizer(&file, ascii, 1);
    t = make(&file, &hf4);
    CHECK(!t->fast_path.has_plain);
    check_ids(t, "x xb", IDS(4, 5, 8));
    deberta_tokenizer_free(t);
    write_small(&file);
    write_normalizer(&file, two, 1); /* not a cluster: never found as a whole, and its characters are not replaced */
    t = make(&file, &hf4);
    CHECK(!t->fast_path.has_plain);
    check_ids(t, "xy", IDS(4, 3));
    deberta_tokenizer_free(t);
    deberta_tokenizer_free(NULL);
}

static void check_bytes_and_user_defined(void)
{
    static struct file file;
    write_small(&file);
    write_byte_pieces(&file);                                  /* from 16 on */
    write_piece(&file, "user", 0, DEBERTA_PIECE_USER_DEFINED); /* 272 */
    write_piece(&file, "ac", 0, DEBERTA_PIECE_UNUSED);         /* 273 */
    struct deberta_tokenizer *t = make(&file, &fallback);
    check_ids(t, "a\xC3\xBC", IDS(4, 5, 16 + 0xC3, 16 + 0xBC));
    check_ids(t, "auser", IDS(4, 5, 272));
    check_ids(t, "ac", IDS(4, 5, 16 + 'c'));
    deberta_tokenizer_free(t);
    t = make(&file, &hf4);
    check_ids(t, "a\xC3\xBC", IDS(4, 5, 3));
    check_ids(t, "auser b", IDS(4, 5, 272, 4, 6));
    check_ids(t, "<0x41>", IDS(4, 16 + 0x41)); /* every piece of the vocabulary can match */
    check_ids(t, "ac", IDS(4, 273));
    deberta_tokenizer_free(t);
}

/* ---- properties ---- */

/* A random text of words, spaces, keys, marks and tokens. */
static size_t draw_text(char *text, size_t pieces)
{
    static const char *const parts[] = {"a",      "b", "c",    "ab", "x",    " ",        "  ",    "\t",
                                        "\r\n",   ",", "\x01", "e",  "E",    "\xCC\x81", "[UNK]", "[SEP]",
                                        "[MASK]", "[", MARK,   "A",  "\x7F", " ",        " ",     "\xEF\xAC\x81"};
    static const char *const rare[] = {"\xE2\x80\x8B", "\xC2\xA8",     "\xD8\x80",         "\xCC\x82",
                                       "\xEF\xBC\xBB", "\xC3\xA9",     "\xF0\x9F\x91\x8D", "\xE2\x80\x8D",
                                       "\xC2\x85",     "\xE3\x80\x80", "\xE4\xBD\xA0",     "\xC4\xB0"};
    size_t size = 0;
    for (size_t i = 0; i < pieces; i++) {
        const char *part = draw(4) ? parts[draw(COUNT(parts))] : rare[draw(COUNT(rare))];
        memcpy(text + size, part, strlen(part));
        size += strlen(part);
    }
    return size;
}

/* The fast path, the fast path without plain words and the stages give the same ids. */
static void check_three_ways(void)
{
    static struct file file;
    write_small_with_rules(&file);
    write_piece(&file, "\xEF\xAC\x81", 0, DEBERTA_PIECE_USER_DEFINED); /* which a rule would change */
    const struct spm_options *options[] = {&hf4, &lowered, &punctuated, &fallback, &fallback_punctuated};
    for (size_t k = 0; k < COUNT(options); k++) {
        struct deberta_tokenizer *fast = make(&file, options[k]), *slow = make(&file, options[k]);
        CHECK(fast->fast_path.unigram && fast->fast_path.has_plain == (options[k]->rule == HF4));
        slow->fast_path.has_plain = false;
        struct tokenizer_scratch scratch = {0};
        struct tokens ways[3] = {{0}, {0}, {.wanted = DEBERTA_WANT_SPANS | DEBERTA_WANT_WORDS | DEBERTA_WANT_STRINGS}};
        for (int round = 0; round < 20000; round++) {
            char text[512];
            struct deberta_text drawn = {text, draw_text(text, 1 + draw(30))};
            bool split = draw(2); /* special tokens are text */
            for (int way = 0; way < 3; way++) {
                tokens_clear(&ways[way]);
                CHECK(tokenizer_encode_text(way == 1 ? slow : fast, &scratch, drawn, split, &ways[way]) == DEBERTA_OK);
                const struct ids *one = &ways[0].ids, *other = &ways[way].ids;
                bool same = one->size == other->size &&
                            (one->size == 0 || memcmp(one->data, other->data, one->size * sizeof *one->data) == 0);
                if (!same)
                    fprintf(stderr, "way %d of %zu differs: '%.*s'\n", way, k, (int)drawn.size, drawn.bytes);
                CHECK(same);
            }
            size_t count = ways[2].ids.size;
            CHECK(ways[2].spans.size == count && ways[2].words.size == count && ways[2].string_end.size == count);
        }
        for (int way = 0; way < 3; way++)
            tokens_release(&ways[way]);
        tokenizer_scratch_release(&scratch);
        deberta_tokenizer_free(fast);
        deberta_tokenizer_free(slow);
    }
}

static void check_long_word(void)
{
    static struct file file;
    write_small_with_rules(&file);
    const size_t size = 1 << 20;
    char *text = malloc(size);
    CHECK(text);
    const struct spm_options *options[] = {&hf4, &fallback};
    for (size_t k = 0; k < COUNT(options); k++)
        for (int kind = 0; kind < 3; kind++) {
            struct deberta_tokenizer *t = make(&file, options[k]);
            for (size_t i = 0; i < size; i++)
                text[i] = kind == 0 ? 'x' : kind == 1 ? 'a' : "ab"[i & 1];
            struct tokenizer_scratch scratch = {0};
            struct tokens tokens = {0};
            const struct ids *ids = &tokens.ids;
            CHECK(tokenizer_encode_text(t, &scratch, (struct deberta_text){text, size}, false, &tokens) == DEBERTA_OK);
            CHECK(kind == 0 ? ids->size == 2 && ids->data[1] == 3 : ids->size > size / 3);
            tokens_release(&tokens);
            tokenizer_scratch_release(&scratch);
            deberta_tokenizer_free(t);
        }
    free(text);
}

/* ---- hostile files ---- */

static void check_refused(const struct file *file, const char *part_of_message)
{
    struct deberta_tokenizer *t;
    CHECK(read_spm(file->data, file->size, &hf4, &t) == DEBERTA_FORMAT);
    CHECK(!t);
    if (!strstr(status_message(), part_of_message))
        fprintf(stderr, "wanted '%s', got '%s'\n", part_of_message, status_message());
    CHECK(strstr(status_message(), part_of_message));
}

static void check_errors(void)
{
    static struct file file;
#define REFUSED(message, ...)                                                                                          \
    do {                                                                                                               \
        write_small(&file);                                                                                            \
        __VA_ARGS__;                                                                                                   \
        check_refused(&file, message);                                                                                 \
    } while (0)
    REFUSED("piece 16 is empty", write_piece(&file, "", 0, DEBERTA_PIECE_NORMAL));
    REFUSED("'ab' occurs twice", write_piece(&file, "ab", 0, DEBERTA_PIECE_NORMAL));
    REFUSED("both of type UNKNOWN", write_piece(&file, "zz", 0, DEBERTA_PIECE_UNKNOWN));
    REFUSED("piece 16 is not valid UTF-8", write_piece(&file, "\xC3", 0, DEBERTA_PIECE_NORMAL));
    REFUSED("the score of piece 16 is inf", write_piece(&file, "zz", INFINITY, DEBERTA_PIECE_NORMAL));
    REFUSED("the score of piece 16 is", write_piece(&file, "zz", NAN, DEBERTA_PIECE_NORMAL));
    REFUSED("byte_fallback is off", write_piece(&file, "<0x00>", 0, DEBERTA_PIECE_BYTE));
    REFUSED("piece <0x00> is missing", write_string(&file, 2, "\x98\x02\x01", 3));
    REFUSED("but its text is 'zz'", write_byte_pieces(&file), write_piece(&file, "zz", 0, DEBERTA_PIECE_BYTE));
    REFUSED("is BPE", write_string(&file, 2, "\x18\x02", 2));
    REFUSED("damaged", write_bytes(&file, "\x0A\x7F", 2));
    REFUSED("damaged", write_bytes(&file, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 11));
    REFUSED("damaged", write_bytes(&file, "\x0B", 1));
    REFUSED("precompiled_charsmap", write_string(&file, 3, "\x12\x03zzz", 5));
    REFUSED("claims a trie of 4096", write_string(&file, 3, "\x12\x06\x00\x10\x00\x00zz", 8));
    file.size = 0;
    check_refused(&file, "none of the 0 pieces");
}

/* The blob of the charsmap with one 32-bit word of it changed. */
static void check_charsmap_errors(void)
{
    static struct file normalizer;
    normalizer.size = 0;
    write_charsmap(&normalizer, rules, COUNT(rules));
    size_t start = 0; /* behind tag and length */
    while (normalizer.data[start] != 0 || normalizer.data[start + 1] == 0)
        start++;
    const char *blob = (const char *)normalizer.data + start;
    size_t size = normalizer.size - start;
    struct charsmap map;
    CHECK(charsmap_init(&map, blob, size) == DEBERTA_OK);
    struct replacement r = charsmap_longest(&map, "\xEF\xAC\x81z", 4);
    CHECK(r.consumed == 3 && r.size == 2 && memcmp(r.text, "fi", 2) == 0);
    CHECK(charsmap_longest(&map, "\xEF\xAC", 2).consumed == 0);
    charsmap_release(&map);
    static char bad[1 << 16];
    for (size_t at = 0; at + 4 <= size; at += at < 4100 ? 1 : 37)
        for (int kind = 0; kind < 3; kind++) {
            memcpy(bad, blob, size);
            uint32_t word = kind == 0 ? UINT32_MAX : kind == 1 ? 0x7FFFFFFF : draw(UINT32_MAX);
            memcpy(bad + at, &word, 4);
            char *exact = malloc(size); /* so that the sanitizer sees a read past the end */
            CHECK(exact);
            memcpy(exact, bad, size);
            if (charsmap_init(&map, exact, size) == DEBERTA_OK) {
                char text[512];
                size_t length = draw_text(text, 20);
                for (size_t i = 0; i < length; i++) {
                    charsmap_longest(&map, text + i, length - i);
                    charsmap_shortest(&map, text + i, length - i);
                }
                charsmap_keeps_ascii(&map);
                charsmap_release(&map);
            }
            free(exact);
        }
}

/* The file is either invalid or encodes without a bad access. */
static void try_file(const unsigned char *data, size_t size)
{
    unsigned char *exact = malloc(size ? size : 1);
    CHECK(exact);
    memcpy(exact, data, size);
    static const char sample[] = "ab a,x \t\xEF\xAC\x81 e\xCC\x81[MASK]" MARK "c \xE2\x80\x8B[UNK] AB\xFF";
    struct deberta_text text = {sample, sizeof sample - 1};
    struct deberta_encode_options options = {
        .add_special_tokens = true, .truncation = DEBERTA_LONGEST_FIRST, .max_length = 12};
    const struct spm_options *kinds[] = {&hf4, &fallback, &lowered};
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct deberta_tokenizer *t;
        enum deberta_status status = read_spm(exact, size, kinds[k], &t);
        if (status != DEBERTA_OK) {
            CHECK(status == DEBERTA_FORMAT && !t);
            break;
        }
        struct deberta_encodings out;
        CHECK(encode_rows(t, &text, &text, 1, &options, &out) == DEBERTA_OK);
        for (int64_t i = 0; i < out.offsets[1]; i++)
            CHECK(out.ids[i] >= 0 && (size_t)out.ids[i] < deberta_tokenizer_size(t));
        deberta_encodings_release(&out);
        deberta_tokenizer_free(t);
    }
    free(exact);
}

static void check_damaged(void)
{
    static struct file whole, file;
    write_small_with_rules(&whole);
    size_t dense = 400; /* the pieces, byte by byte; the many zeros of the trie, here and there */
    for (size_t size = 0; size < whole.size; size += size < dense ? 1 : 97)
        try_file(whole.data, size);
    for (size_t at = 0; at < whole.size; at += at < dense ? 1 : 61)
        for (unsigned mask = 1; mask < 256; mask = mask * 2 + 1) {
            file = whole;
            file.data[at] ^= (unsigned char)mask;
            try_file(file.data, file.size);
        }
}

static void check_out_of_memory(void)
{
    static struct file file;
    write_small_with_rules(&file);
    write_piece(&file, "user", 0, DEBERTA_PIECE_USER_DEFINED);
    static char text[4000];
    struct deberta_text firsts[] = {{text, draw_text(text, 600)}, text_of("ab [MASK]")};
    struct deberta_encode_options options = {.add_special_tokens = true, .truncation = DEBERTA_KEEP, .max_length = 0};
    const struct spm_options *kinds[] = {&hf4, &fallback, &lowered};
    threads_set(1);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        bool done = false;
        for (long nth = 1; !done; nth++) {
            CHECK(nth < 1000);
            struct deberta_tokenizer *t;
            struct deberta_encodings out = {0};
            memory_fail_at(nth);
            enum deberta_status status = read_spm(file.data, file.size, kinds[k], &t);
            if (status == DEBERTA_OK)
                status = encode_rows(t, firsts, firsts, 2, &options, &out);
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
    check_unicode();
    check_trie();
    check_normalizer();
    check_small();
    check_other_rules();
    check_bytes_and_user_defined();
    check_three_ways();
    check_long_word();
    check_errors();
    check_charsmap_errors();
    check_damaged();
    check_out_of_memory();
    puts("text: ok");
    return 0;
}
