/* SPDX-License-Identifier: Apache-2.0 */
/* The tokenizer on small models built here; parity with other libraries is the Python tests' matter. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "check.h"
#include "spm_writer.h"
#include "text/tokenizer.h"
#include "text/truncation.h"
#include "text/unicode.h"

#define MARK "\xE2\x96\x81" /* U+2581 */
#define COUNT(array) (sizeof(array) / sizeof *(array))

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

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
    write_piece(file, MARK, -3, SPM_NORMAL);
    write_piece(file, "a", -4, SPM_NORMAL);
    write_piece(file, "b", -5, SPM_NORMAL);
    write_piece(file, "ab", -9, SPM_NORMAL);
    write_piece(file, MARK "ab", -12, SPM_NORMAL);
    write_piece(file, "ba", -7, SPM_NORMAL);
    write_piece(file, "fi", -6, SPM_NORMAL);
    write_piece(file, "\xC3\xA9", -8, SPM_NORMAL);
    write_piece(file, MARK "c", -8, SPM_NORMAL);
    write_piece(file, ",", -8, SPM_NORMAL);
    write_piece(file, "\xC2\xB4", -8, SPM_NORMAL);
    write_piece(file, MARK "aba", -13, SPM_NORMAL);
}

static void write_small_with_rules(struct file *file)
{
    write_small(file);
    write_normalizer(file, rules, COUNT(rules));
}

static const struct deberta_tokenizer_options hf4 = {false, false, false};
static const struct deberta_tokenizer_options lowered = {true, false, false};
static const struct deberta_tokenizer_options punctuated = {false, true, false};
static const struct deberta_tokenizer_options fallback = {false, false, true};
static const struct deberta_tokenizer_options fallback_punctuated = {false, true, true};

static struct deberta_tokenizer *make(const struct file *file, const struct deberta_tokenizer_options *options)
{
    struct deberta_tokenizer *tokenizer;
    enum deberta_status status = deberta_tokenizer_new(file->data, file->size, options, &tokenizer);
    if (status != DEBERTA_OK)
        fprintf(stderr, "%s\n", status_message());
    CHECK(status == DEBERTA_OK);
    return tokenizer;
}

static struct deberta_text text_of(const char *string)
{
    return (struct deberta_text){string, strlen(string)};
}

/* Ids of one text without special tokens; terminated by -1 when compared. */
static void check_ids(const struct deberta_tokenizer *tokenizer, const char *string, const int32_t *wanted)
{
    struct deberta_text text = text_of(string);
    struct deberta_encode_options options = {.add_special_tokens = false};
    struct deberta_encodings out;
    CHECK(deberta_tokenizer_encode(tokenizer, &text, NULL, 1, &options, &out) == DEBERTA_OK);
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
    static char alike[40][12]; /* the first eight bytes tell nothing */
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

typedef enum deberta_status (*normalize)(const struct normalizer *, const char *, size_t, struct bytes *);

static void check_normal(const struct normalizer *normalizer, normalize fn, const char *text, const char *wanted)
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
    struct spm spm;
    struct normalizer n;
    CHECK(spm_init(&spm, file.data, file.size) == DEBERTA_OK);
    CHECK(normalizer_init(&n, &spm) == DEBERTA_OK);
    CHECK(n.keeps_ascii);
    check_normal(&n, normalizer_replace, "a\t \nb", "a b");
    check_normal(&n, normalizer_replace, "a\r\nb", "a b");
    check_normal(&n, normalizer_replace, "x\x01y\xEF\xAC\x81", "xyfi");
    check_normal(&n, normalizer_replace, "e\xCC\x81", "\xC3\xA9");
    /* The shortest key takes the whole cluster below six bytes; from six on, characters stand alone. */
    check_normal(&n, normalizer_replace, "e\xCC\x81\xCC\x82", "\xC3\xA9");
    check_normal(&n, normalizer_replace, "e\xCC\x81\xCC\x82\xCC\x83", "e\xCC\x81\xCC\x82\xCC\x83");
    check_normal(&n, normalizer_replace, "\xEF\xAC\x81\xCC\x81", "fi");
    check_normal(&n, normalizer_replace, "a\xFF", "a\xEF\xBF\xBD");
    /* sentencepiece takes the longest key and loses nothing. */
    check_normal(&n, normalizer_spm, "e\xCC\x81\xCC\x82", MARK "\xC3\xA9\xCC\x82");
    check_normal(&n, normalizer_spm, "e\xCC\x82\xCC\x81", MARK "E");
    check_normal(&n, normalizer_spm, " \t a \xE2\x80\x8B b \n", MARK "a" MARK "b");
    check_normal(&n, normalizer_spm, " \t ", "");
    check_normal(&n, normalizer_spm, "\x01", "");
    check_normal(&n, normalizer_spm, "a\xC2\xA8", MARK "a" MARK "\xCC\x88");
    n.treat_whitespace_as_suffix = true;
    check_normal(&n, normalizer_spm, " a b ", "a" MARK "b" MARK);
    n.remove_extra_whitespaces = false;
    check_normal(&n, normalizer_spm, " a  b", MARK "a" MARK MARK "b" MARK);
    n.add_dummy_prefix = n.escape_whitespaces = false;
    check_normal(&n, normalizer_spm, " a", " a");
    normalizer_release(&n);
    spm_release(&spm);
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
    t = make(&file, &fallback); /* without byte pieces it is sentencepiece's way with [UNK] */
    check_ids(t, "x\xE2\x80\x8B", IDS(4, 3));
    check_ids(t, "a [UNK] b", IDS(4, 5, 3, 4, 6));
    deberta_tokenizer_free(t);
    t = make(&file, &fallback_punctuated); /* each mark and what lies between two is a text of its own */
    check_ids(t, "a , b,x", IDS(4, 5, 4, 13, 4, 6, 4, 13, 4, 3));
    deberta_tokenizer_free(t);
}

/* What the file says of white space, and a charsmap with ASCII keys, which closes the short way. */
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
    CHECK(!t->has_plain);
    check_ids(t, "x xb", IDS(4, 5, 8));
    deberta_tokenizer_free(t);
    write_small(&file);
    write_normalizer(&file, two, 1); /* no cluster of its own: never found, but not looked into either */
    t = make(&file, &hf4);
    CHECK(!t->has_plain);
    check_ids(t, "xy", IDS(4, 3));
    deberta_tokenizer_free(t);
    deberta_tokenizer_free(NULL);
}

static void check_bytes_and_user_defined(void)
{
    static struct file file;
    write_small(&file);
    write_byte_pieces(&file);                        /* from 16 on */
    write_piece(&file, "user", 0, SPM_USER_DEFINED); /* 272 */
    write_piece(&file, "ac", 0, SPM_UNUSED);         /* 273 */
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

/* A text of characters that meet in every way: words, spaces, keys, marks, tokens. */
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

/* The short way round the normalizer gives what the long way gives. */
static void check_plain_way(void)
{
    static struct file file;
    write_small_with_rules(&file);
    const struct deberta_tokenizer_options *options[] = {&hf4, &lowered, &punctuated};
    for (size_t k = 0; k < COUNT(options); k++) {
        struct deberta_tokenizer *fast = make(&file, options[k]), *slow = make(&file, options[k]);
        CHECK(fast->has_plain);
        slow->has_plain = false;
        struct tokenizer_scratch scratch = {0};
        struct ids one = {0}, two = {0};
        for (int round = 0; round < 20000; round++) {
            char text[512];
            struct deberta_text drawn = {text, draw_text(text, 1 + draw(30))};
            one.size = two.size = 0;
            CHECK(tokenizer_encode_text(fast, &scratch, drawn, &one) == DEBERTA_OK);
            CHECK(tokenizer_encode_text(slow, &scratch, drawn, &two) == DEBERTA_OK);
            bool same = one.size == two.size && memcmp(one.data, two.data, one.size * sizeof *one.data) == 0;
            if (!same)
                fprintf(stderr, "differs: '%.*s'\n", (int)drawn.size, drawn.bytes);
            CHECK(same);
        }
        memory_free(one.data);
        memory_free(two.data);
        tokenizer_scratch_release(&scratch);
        deberta_tokenizer_free(fast);
        deberta_tokenizer_free(slow);
    }
}

/* The definition of the best writing, by brute force over all last pieces. */
static size_t best_writing(const struct unigram *u, const struct spm *spm, const char *text, size_t size, int32_t *ids)
{
    static double best[5000];
    static int32_t last[5000];
    static size_t from[5000];
    best[0] = 0;
    for (size_t end = 1; end <= size; end++) {
        best[end] = -INFINITY;
        for (size_t start = 0; start < end; start++)
            for (size_t id = 0; id < spm->count; id++) {
                const struct spm_piece *p = &spm->pieces[id];
                if (p->size != end - start || memcmp(p->text, text + start, p->size) != 0)
                    continue;
                if (best[start] + u->scores[id] > best[end]) {
                    best[end] = best[start] + u->scores[id];
                    last[end] = (int32_t)id;
                    from[end] = start;
                }
            }
    }
    size_t count = 0;
    for (size_t end = size; end != 0; end = from[end])
        ids[count++] = last[end];
    return count;
}

static void check_viterbi(void)
{
    static struct file file;
    file.size = 0;
    write_special(&file);
    write_piece(&file, "a", -4.25f, SPM_NORMAL);
    write_piece(&file, "b", -5.1f, SPM_NORMAL);
    for (uint32_t i = 0, used = 0; i < 200 && used < 14; i++) {
        char text[8] = {0};
        for (size_t k = 0, size = 2 + i % 4; k < size; k++)
            text[k] = "ab"[(i * 2654435761u >> (k + 7)) & 1];
        bool known = false;
        static char seen[14][8];
        for (uint32_t k = 0; k < used; k++)
            known |= strcmp(seen[k], text) == 0;
        if (known)
            continue;
        memcpy(seen[used++], text, sizeof text);
        write_piece(&file, text, -4.0f * (float)strlen(text) + (float)draw(60) / 10.0f, SPM_NORMAL);
    }
    struct spm spm;
    struct unigram u;
    struct unigram_scratch scratch = {0};
    CHECK(spm_init(&spm, file.data, file.size) == DEBERTA_OK);
    CHECK(unigram_init(&u, &spm, UNIGRAM_TOKENIZERS) == DEBERTA_OK);
    struct ids ids = {0};
    static char text[4800];
    static int32_t wanted[4800];
    for (int round = 0; round < 202; round++) {
        size_t size = round < 200 ? 1 + draw(60) : sizeof text; /* the last two beyond the span that is kept */
        for (size_t i = 0; i < size; i++)
            text[i] = "ab"[round == 201 ? i % 2 : draw(2)];
        if (size > 1000)
            size = round == 201 ? 2600 : 2300;
        ids.size = 0;
        CHECK(unigram_encode(&u, &scratch, text, size, &ids) == DEBERTA_OK);
        size_t count = best_writing(&u, &spm, text, size, wanted);
        CHECK(count == ids.size);
        for (size_t i = 0; i < count; i++)
            CHECK(ids.data[i] == wanted[count - 1 - i]);
    }
    memory_free(ids.data);
    unigram_scratch_release(&scratch);
    unigram_release(&u);
    spm_release(&spm);
}

static void check_long_word(void)
{
    static struct file file;
    write_small_with_rules(&file);
    const size_t size = 1 << 20;
    char *text = malloc(size);
    CHECK(text);
    const struct deberta_tokenizer_options *options[] = {&hf4, &fallback};
    for (size_t k = 0; k < COUNT(options); k++)
        for (int kind = 0; kind < 3; kind++) {
            struct deberta_tokenizer *t = make(&file, options[k]);
            for (size_t i = 0; i < size; i++)
                text[i] = kind == 0 ? 'x' : kind == 1 ? 'a' : "ab"[i & 1];
            struct tokenizer_scratch scratch = {0};
            struct ids ids = {0};
            CHECK(tokenizer_encode_text(t, &scratch, (struct deberta_text){text, size}, &ids) == DEBERTA_OK);
            CHECK(kind == 0 ? ids.size == 2 && ids.data[1] == 3 : ids.size > size / 3);
            memory_free(ids.data);
            tokenizer_scratch_release(&scratch);
            deberta_tokenizer_free(t);
        }
    free(text);
}

/* ---- rows ---- */

/* One token after the other from the longer text; of two equal ones, from the one that was shorter at first. */
static struct lengths one_by_one(struct lengths n, size_t room)
{
    bool swapped = n.first > n.second;
    size_t shorter = swapped ? n.second : n.first, longer = swapped ? n.first : n.second;
    while (shorter + longer > room)
        if (longer > shorter)
            longer--;
        else
            shorter--;
    return swapped ? (struct lengths){longer, shorter} : (struct lengths){shorter, longer};
}

static void check_truncation(void)
{
    for (size_t first = 0; first < 14; first++)
        for (size_t second = 0; second < 14; second++)
            for (size_t max_length = 3; max_length < 32; max_length++) {
                struct deberta_encode_options options = {true, DEBERTA_LONGEST_FIRST, max_length};
                struct lengths n = {first, second}, wanted = one_by_one(n, max_length - 3);
                CHECK(truncation_apply(&options, true, 0, &n) == DEBERTA_OK);
                CHECK(n.first == wanted.first && n.second == wanted.second);
                size_t room = max_length - 3, total = first + second, surplus = total > room ? total - room : 0;
                options.truncation = DEBERTA_ONLY_SECOND;
                n = (struct lengths){first, second};
                bool possible = room == 0 || surplus == 0 || second > surplus;
                CHECK((truncation_apply(&options, true, 0, &n) == DEBERTA_OK) == possible);
                if (possible && room != 0)
                    CHECK(n.first == first && n.second == second - surplus);
                options.truncation = DEBERTA_ONLY_FIRST;
                n = (struct lengths){first, 0};
                CHECK(truncation_apply(&options, false, 0, &n) == DEBERTA_OK);
                CHECK(n.first == (first < max_length - 2 ? first : max_length - 2));
            }
    struct deberta_encode_options options = {true, DEBERTA_LONGEST_FIRST, 1};
    CHECK(truncation_check(&options, false) == DEBERTA_ARGUMENT && strstr(status_message(), "max_length is 1"));
    options.max_length = 2;
    CHECK(truncation_check(&options, false) == DEBERTA_OK && truncation_check(&options, true) == DEBERTA_ARGUMENT);
    options.add_special_tokens = false;
    CHECK(truncation_check(&options, true) == DEBERTA_OK);
    options = (struct deberta_encode_options){true, DEBERTA_ONLY_SECOND, 4};
    struct lengths n = {9, 0};
    CHECK(truncation_apply(&options, false, 7, &n) == DEBERTA_ARGUMENT);
    CHECK(strstr(status_message(), "row 7") && strstr(status_message(), "only_second"));
}

static void check_rows(void)
{
    static struct file file;
    write_small(&file);
    struct deberta_tokenizer *t = make(&file, &hf4);
    struct deberta_text firsts[] = {text_of("a b"), text_of(""), text_of("c")};
    struct deberta_text seconds[] = {text_of("c"), text_of(""), text_of("b")};
    struct deberta_encode_options options = {.add_special_tokens = true};
    struct deberta_encodings out;
    CHECK(deberta_tokenizer_encode(t, firsts, seconds, 3, &options, &out) == DEBERTA_OK);
    static const int32_t ids[] = {1, 4, 5, 4, 6, 2, 12, 2, 1, 2, 2, 1, 12, 2, 4, 6, 2};
    static const uint8_t types[] = {0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1};
    static const int64_t offsets[] = {0, 8, 11, 17};
    CHECK(memcmp(out.ids, ids, sizeof ids) == 0 && memcmp(out.types, types, sizeof types) == 0);
    CHECK(memcmp(out.offsets, offsets, sizeof offsets) == 0 && out.count == 3 && out.cut == 0);
    deberta_encodings_release(&out);
    options = (struct deberta_encode_options){true, DEBERTA_LONGEST_FIRST, 3};
    CHECK(deberta_tokenizer_encode(t, firsts, NULL, 3, &options, &out) == DEBERTA_OK);
    CHECK(out.offsets[3] == 8 && out.ids[1] == 4 && out.ids[2] == 2 && out.ids[6] == 12 && out.cut == 1);
    deberta_encodings_release(&out);
    CHECK(deberta_tokenizer_encode(t, NULL, NULL, 0, &options, &out) == DEBERTA_OK);
    CHECK(out.count == 0 && out.offsets[0] == 0);
    deberta_encodings_release(&out);
    options = (struct deberta_encode_options){true, DEBERTA_ONLY_FIRST, 4};
    CHECK(deberta_tokenizer_encode(t, seconds, firsts, 3, &options, &out) == DEBERTA_ARGUMENT);
    CHECK(strstr(status_message(), "row 0") && strstr(status_message(), "only_first"));
    CHECK(!out.ids && !out.types && !out.offsets);
    deberta_tokenizer_free(t);
}

/* Any number of threads, the same rows in the same order, and of several failures the first. */
static void check_threads(void)
{
    enum { ROWS = 20000 };
    static struct file file;
    write_small_with_rules(&file);
    struct deberta_tokenizer *t = make(&file, &hf4);
    static char texts[ROWS][64];
    static struct deberta_text firsts[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        firsts[i] = (struct deberta_text){texts[i], draw_text(texts[i], draw(10))};
    struct deberta_encode_options options = {true, DEBERTA_LONGEST_FIRST, 6};
    struct deberta_encodings one, four;
    threads_set(1);
    CHECK(deberta_tokenizer_encode(t, firsts, NULL, ROWS, &options, &one) == DEBERTA_OK);
    threads_set(4);
    CHECK(deberta_tokenizer_encode(t, firsts, NULL, ROWS, &options, &four) == DEBERTA_OK);
    CHECK(one.cut == four.cut && one.cut > 0);
    CHECK(memcmp(one.offsets, four.offsets, (ROWS + 1) * sizeof *one.offsets) == 0);
    CHECK(memcmp(one.ids, four.ids, (size_t)one.offsets[ROWS] * sizeof *one.ids) == 0);
    CHECK(memcmp(one.types, four.types, (size_t)one.offsets[ROWS]) == 0);
    deberta_encodings_release(&one);
    deberta_encodings_release(&four);
    firsts[15000] = firsts[11000] = text_of("a b a b a b a b");
    struct deberta_text *seconds = firsts;
    options = (struct deberta_encode_options){true, DEBERTA_ONLY_SECOND, 10};
    for (size_t i = 0; i < 11000; i++)
        firsts[i].size = 0;
    CHECK(deberta_tokenizer_encode(t, firsts, seconds, ROWS, &options, &four) == DEBERTA_ARGUMENT);
    CHECK(strstr(status_message(), "row 11000 "));
    threads_set(0);
    deberta_tokenizer_free(t);
}

/* ---- hostile files ---- */

static void check_refused(const struct file *file, const char *part_of_message)
{
    struct deberta_tokenizer *t;
    CHECK(deberta_tokenizer_new(file->data, file->size, &hf4, &t) == DEBERTA_FORMAT);
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
    REFUSED("piece 16 is empty", write_piece(&file, "", 0, SPM_NORMAL));
    REFUSED("'ab' occurs twice", write_piece(&file, "ab", 0, SPM_NORMAL));
    REFUSED("both of type UNKNOWN", write_piece(&file, "zz", 0, SPM_UNKNOWN));
    REFUSED("piece 16 is not valid UTF-8", write_piece(&file, "\xC3", 0, SPM_NORMAL));
    REFUSED("the score of piece 16 is inf", write_piece(&file, "zz", INFINITY, SPM_NORMAL));
    REFUSED("the score of piece 16 is", write_piece(&file, "zz", NAN, SPM_NORMAL));
    REFUSED("byte_fallback is off", write_piece(&file, "<0x00>", 0, SPM_BYTE));
    REFUSED("piece <0x00> is missing", write_string(&file, 2, "\x98\x02\x01", 3));
    REFUSED("but its text is 'zz'", write_byte_pieces(&file), write_piece(&file, "zz", 0, SPM_BYTE));
    REFUSED("is BPE", write_string(&file, 2, "\x18\x02", 2));
    REFUSED("damaged", write_bytes(&file, "\x0A\x7F", 2));
    REFUSED("damaged", write_bytes(&file, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 11));
    REFUSED("damaged", write_bytes(&file, "\x0B", 1));
    REFUSED("precompiled_charsmap", write_string(&file, 3, "\x12\x03zzz", 5));
    REFUSED("claims a trie of 4096", write_string(&file, 3, "\x12\x06\x00\x10\x00\x00zz", 8));
    file.size = 0;
    check_refused(&file, "none of the 0 pieces");
    write_piece(&file, "<unk>", 0, SPM_UNKNOWN);
    check_refused(&file, "no piece [PAD]");
    for (int name = 0; name < 4; name++) {
        static const char *const names[] = {"[PAD]", "[CLS]", "[SEP]", "[UNK]"};
        write_piece(&file, names[name], 0, SPM_NORMAL);
    }
    check_refused(&file, "type UNKNOWN is '<unk>', not [UNK]");
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

/* Either it is refused, or it encodes without touching what is not its own. */
static void try_file(const unsigned char *data, size_t size)
{
    unsigned char *exact = malloc(size ? size : 1);
    CHECK(exact);
    memcpy(exact, data, size);
    static const char sample[] = "ab a,x \t\xEF\xAC\x81 e\xCC\x81[MASK]" MARK "c \xE2\x80\x8B[UNK] AB\xFF";
    struct deberta_text text = {sample, sizeof sample - 1};
    struct deberta_encode_options options = {true, DEBERTA_LONGEST_FIRST, 12};
    const struct deberta_tokenizer_options *kinds[] = {&hf4, &fallback, &lowered};
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct deberta_tokenizer *t;
        enum deberta_status status = deberta_tokenizer_new(exact, size, kinds[k], &t);
        if (status != DEBERTA_OK) {
            CHECK(status == DEBERTA_FORMAT && !t);
            break;
        }
        struct deberta_encodings out;
        CHECK(deberta_tokenizer_encode(t, &text, &text, 1, &options, &out) == DEBERTA_OK);
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
    write_piece(&file, "user", 0, SPM_USER_DEFINED);
    static char text[4000];
    struct deberta_text firsts[] = {{text, draw_text(text, 600)}, text_of("ab [MASK]")};
    struct deberta_encode_options options = {true, DEBERTA_KEEP, 0};
    const struct deberta_tokenizer_options *kinds[] = {&hf4, &fallback, &lowered};
    threads_set(1);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        bool done = false;
        for (long nth = 1; !done; nth++) {
            CHECK(nth < 1000);
            struct deberta_tokenizer *t;
            struct deberta_encodings out = {0};
            memory_fail_at(nth);
            enum deberta_status status = deberta_tokenizer_new(file.data, file.size, kinds[k], &t);
            if (status == DEBERTA_OK)
                status = deberta_tokenizer_encode(t, firsts, firsts, 2, &options, &out);
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
    check_plain_way();
    check_viterbi();
    check_long_word();
    check_truncation();
    check_rows();
    check_threads();
    check_errors();
    check_charsmap_errors();
    check_damaged();
    check_out_of_memory();
    puts("text: ok");
    return 0;
}
