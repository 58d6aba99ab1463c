/* SPDX-License-Identifier: Apache-2.0 */
/* The models on vocabularies made here: words worked out by hand, definitions by brute force, long words, bad
 * vocabularies, failing allocations. The Python tests check parity with the library. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "check.h"
#include "spm_writer.h"
#include "text/models/subword.h"
#include "texts.h"

#define SMILE "\xF0\x9F\x98\x80"      /* U+1F600 */
#define E_ACUTE "\xC3\xA9"            /* U+00E9 */
#define BYTE_SPACE "\xC4\xA0"         /* U+0120, which stands for a space in byte level */
#define BYTE_C3_A9 "\xC3\x83\xC2\xA9" /* U+00C3 U+00A9, which stand for the bytes of U+00E9 */
#define MOST 512

/* ---- vocabularies ---- */

/* A vocabulary with its own memory. Ids are places in the list. */
struct made {
    struct deberta_vocabulary v;
    struct deberta_text tokens[MOST], merges[2 * MOST];
    int32_t ids[MOST];
    double scores[MOST];
};

static void add_token(struct made *made, const char *token, double score)
{
    size_t i = made->v.count++;
    CHECK(i < MOST);
    made->tokens[i] = text_of(token);
    made->ids[i] = (int32_t)i;
    made->scores[i] = score;
}

static void add_merge(struct made *made, const char *left, const char *right)
{
    CHECK(made->v.merge_count < MOST);
    made->merges[2 * made->v.merge_count] = text_of(left);
    made->merges[2 * made->v.merge_count++ + 1] = text_of(right);
}

/* The tokens <0x00> to <0xFF> but `missing` (256: all). */
static void add_bytes(struct made *made, unsigned missing, double score)
{
    static char names[256][7];
    for (unsigned byte = 0; byte < 256; byte++) {
        snprintf(names[byte], sizeof names[byte], "<0x%02X>", byte);
        if (byte != missing)
            add_token(made, names[byte], score);
    }
}

static struct made *make(struct made *made, enum deberta_model_type type, const char *const *tokens)
{
    memset(made, 0, sizeof *made);
    made->v = (struct deberta_vocabulary){
        .type = type, .tokens = made->tokens, .ids = made->ids, .scores = made->scores, .merges = made->merges};
    made->v.unknown = -1;
    made->v.longest_word = 100;
    for (; *tokens; tokens++)
        add_token(made, *tokens, 0);
    return made;
}

#define TOKENS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A model with its buffers. */
struct model {
    struct subword subword;
    struct subword_scratch scratch;
    struct ids ids;
    struct spans ranges;
};

static void model_init(struct model *model, const struct made *made, bool byte_level)
{
    memset(model, 0, sizeof *model);
    enum deberta_status status = subword_init(&model->subword, &made->v, byte_level);
    if (status != DEBERTA_OK)
        fprintf(stderr, "%s\n", status_message());
    CHECK(status == DEBERTA_OK);
}

static void model_release(struct model *model)
{
    subword_release(&model->subword);
    subword_scratch_release(&model->scratch);
    memory_free(model->ids.data);
    memory_free(model->ranges.data);
}

static void encode(struct model *model, const char *word, size_t size, bool ranges)
{
    struct spans *to = ranges ? &model->ranges : NULL;
    model->ids.size = model->ranges.size = 0;
    enum deberta_status status = subword_encode(&model->subword, &model->scratch, word, size, &model->ids, to);
    if (status != DEBERTA_OK)
        fprintf(stderr, "%s\n", status_message());
    CHECK(status == DEBERTA_OK);
    CHECK(!ranges || model->ranges.size == model->ids.size);
}

/* `wanted` is such as "7:0-2 3:2-3". Runs three times, because a model may have a cache. */
static void check_word(struct model *model, const char *word, const char *wanted)
{
    for (int round = 0; round < 3; round++) {
        char got[1000];
        size_t used = 0;
        got[0] = '\0';
        encode(model, word, strlen(word), true);
        for (size_t i = 0; i < model->ids.size; i++)
            used += (size_t)snprintf(got + used, sizeof got - used, "%s%d:%u-%u", i ? " " : "", model->ids.data[i],
                                     model->ranges.data[i].start, model->ranges.data[i].end);
        if (strcmp(got, wanted) != 0)
            fprintf(stderr, "'%s' became '%s', not '%s'\n", word, got, wanted);
        CHECK(strcmp(got, wanted) == 0);
        struct ids with = model->ids;
        model->ids = (struct ids){0};
        encode(model, word, strlen(word), false);
        CHECK(with.size == model->ids.size);
        CHECK(with.size == 0 || memcmp(with.data, model->ids.data, with.size * sizeof *with.data) == 0);
        memory_free(with.data);
    }
}

static struct made made;
static struct model model;

/* ---- WordPiece ---- */

static void check_wordpiece(void)
{
    make(&made, DEBERTA_WORDPIECE,
         TOKENS("[UNK]", "a", "ab", "##b", "##bc", "##", "c", "abcd", "##" E_ACUTE, SMILE, "##d"));
    made.v.unknown = 0;
    made.v.continuing_prefix = text_of("##");
    made.v.longest_word = 6;
    model_init(&model, &made, false);
    check_word(&model, "", "");
    check_word(&model, "a", "1:0-1");
    check_word(&model, "abc", "0:0-3"); /* ab, and then nothing: there is no way back to a ##bc */
    check_word(&model, "abb", "2:0-2 3:2-3");
    check_word(&model, "abbc", "2:0-2 4:2-4");
    check_word(&model, "abcd", "7:0-4");
    check_word(&model, "abcdd", "7:0-4 10:4-5");
    check_word(&model, "a" E_ACUTE "b", "1:0-1 8:1-3 3:3-4");
    check_word(&model, SMILE E_ACUTE, "9:0-4 8:4-6");
    check_word(&model, "##", "5:0-2");
    check_word(&model, "x", "0:0-1");
    check_word(&model, "a" SMILE, "0:0-5");
    check_word(&model, "a" E_ACUTE E_ACUTE E_ACUTE E_ACUTE E_ACUTE, "1:0-1 8:1-3 8:3-5 8:5-7 8:7-9 8:9-11");
    check_word(&model, "a" E_ACUTE E_ACUTE E_ACUTE E_ACUTE E_ACUTE "b", "0:0-12");
    model_release(&model);
    made.v.continuing_prefix = text_of(""); /* every token goes on, too */
    made.v.longest_word = 0;
    model_init(&model, &made, false);
    check_word(&model, "a", "0:0-1");
    model_release(&model);
    made.v.longest_word = 100;
    model_init(&model, &made, false);
    check_word(&model, "abaab##b", "2:0-2 1:2-3 2:3-5 3:5-8");
    model_release(&model);
    made.ids[1] = (1 << 30) - 1; /* ids need not be close */
    model_init(&model, &made, false);
    check_word(&model, "a", "1073741823:0-1");
    model_release(&model);
}

/* ---- BPE ---- */

static void make_letters(void)
{
    make(&made, DEBERTA_BPE, TOKENS("<unk>", "a", "b", "c", "ab", "bc", "abc", "ca", "cab"));
    add_merge(&made, "b", "c");
    add_merge(&made, "a", "b");
    add_merge(&made, "ab", "c");
    add_merge(&made, "c", "a");
}

static void check_joining(void)
{
    make_letters();
    model_init(&model, &made, false);
    check_word(&model, "", "");
    check_word(&model, "a", "1:0-1");
    check_word(&model, "ab", "4:0-2");
    check_word(&model, "abc", "1:0-1 5:1-3"); /* b c comes first, and a bc is no pair */
    check_word(&model, "cab", "3:0-1 4:1-3"); /* a token that joining never makes */
    check_word(&model, "cacab", "7:0-2 3:2-3 4:3-5");
    check_word(&model, "aab", "1:0-1 4:1-3");
    check_word(&model, "axb", "4:0-2"); /* unknown: dropped, and what follows moves up */
    check_word(&model, "x", "");
    model_release(&model);
    add_merge(&made, "b", "c"); /* the later one counts */
    model_init(&model, &made, false);
    check_word(&model, "abc", "6:0-3");
    model_release(&model);
    made.v.ignore_merges = true;
    model_init(&model, &made, false);
    check_word(&model, "cab", "8:0-3");
    check_word(&model, "cabb", "3:0-1 4:1-3 2:3-4");
    model_release(&model);
}

static void check_unknown(void)
{
    make_letters();
    made.v.unknown = 0;
    model_init(&model, &made, false);
    check_word(&model, SMILE "xb", "0:0-4 0:4-5 2:5-6");
    model_release(&model);
    made.v.fuse_unknown = true;
    model_init(&model, &made, false);
    check_word(&model, SMILE "xb", "0:0-5 2:5-6");
    check_word(&model, "a" SMILE "xby", "1:0-1 0:1-6 2:6-7 0:7-8");
    model_release(&model);
    made.v.byte_fallback = true;
    add_bytes(&made, 0x98, 0);
    model_init(&model, &made, false);
    int x = 9 + 'x'; /* its byte lies below the missing one */
    char wanted[100];
    snprintf(wanted, sizeof wanted, "1:0-1 %d:1-2 0:2-6", x); /* the unknown token comes after the byte */
    check_word(&model, "a" SMILE "x", wanted);
    snprintf(wanted, sizeof wanted, "%d:0-1 %d:1-2", 9 + 0xC3 - 1, 9 + 0xA9 - 1);
    check_word(&model, E_ACUTE, wanted);
    model_release(&model);
}

static void check_affixes(void)
{
    make(&made, DEBERTA_BPE, TOKENS("a", "##a", "##b", "ab", "##b</w>", "a</w>", "aba", "ab</w>", "##ab", "##ab</w>"));
    made.v.continuing_prefix = text_of("##");
    made.v.word_suffix = text_of("</w>");
    add_merge(&made, "a", "##b");
    add_merge(&made, "##a", "##b</w>");
    add_merge(&made, "a", "##b</w>");
    model_init(&model, &made, false);
    check_word(&model, "a", "5:0-1");
    check_word(&model, "ab", "7:0-2");
    check_word(&model, "abab", "3:0-2 9:2-4");
    check_word(&model, "aba", "3:0-2"); /* there is no ##a</w> */
    model_release(&model);
    made.v.byte_fallback = true;
    add_bytes(&made, 256, 0);
    model_init(&model, &made, false);
    char wanted[200];
    snprintf(wanted, sizeof wanted, "0:0-1 %d:1-2 %d:2-2 %d:2-2 %d:2-2 %d:2-2 %d:2-2 %d:2-2", 10 + '#', 10 + '#',
             10 + 'x', 10 + '<', 10 + '/', 10 + 'w', 10 + '>');
    check_word(&model, "ax", wanted); /* more bytes than the word has */
    model_release(&model);
}

static void check_byte_level(void)
{
    make(&made, DEBERTA_BPE,
         TOKENS("a", "b", BYTE_SPACE, BYTE_SPACE "a", "\xC3\x83", "\xC2\xA9", BYTE_C3_A9, E_ACUTE, MARK, "ab"));
    add_merge(&made, BYTE_SPACE, "a");
    add_merge(&made, "\xC3\x83", "\xC2\xA9");
    model_init(&model, &made, true);
    check_word(&model, " a", "3:0-2");
    check_word(&model, " ab", "3:0-2 1:2-3");
    check_word(&model, E_ACUTE, "6:0-2");
    check_word(&model, "a" E_ACUTE "b", "0:0-1 6:1-3 1:3-4");
    check_word(&model, MARK, ""); /* its bytes are no tokens; the character stands for none */
    model_release(&model);
    made.v.ignore_merges = true;
    model_init(&model, &made, true);
    check_word(&model, "ab", "9:0-2");
    check_word(&model, "\xE9", "7:0-1"); /* a word that is cut inside of a character cannot come, but does no harm */
    model_release(&model);
    make(&made, DEBERTA_BPE, TOKENS("a", "a</w>", "b</w>", "ab</w>", BYTE_SPACE "</w>", "ab"));
    made.v.word_suffix = text_of("</w>");
    add_merge(&made, "a", "b</w>");
    model_init(&model, &made, true);
    check_word(&model, "ab", "3:0-2");
    check_word(&model, "a", "1:0-1");
    check_word(&model, "a ", "0:0-1 4:1-2");
    model_release(&model);
}

/* Every byte, alone and as a token's only byte, through the characters of ByteLevel. */
static void check_all_bytes(void)
{
    static char characters[256][5];
    make(&made, DEBERTA_BPE, (const char *const[]){NULL});
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool visible = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
        uint32_t code = visible ? byte : next++;
        characters[byte][code < 0x80 ? 0 : 1] = (char)(code < 0x80 ? code : 0x80 | (code & 0x3F));
        if (code >= 0x80)
            characters[byte][0] = (char)(0xC0 | code >> 6);
        add_token(&made, characters[byte], 0);
    }
    model_init(&model, &made, true);
    char word[256];
    for (int byte = 0; byte < 256; byte++) {
        word[byte] = (char)byte;
        encode(&model, &word[byte], 1, true);
        CHECK(model.ids.size == 1 && model.ids.data[0] == byte);
    }
    encode(&model, word, sizeof word, true);
    for (int byte = 0; byte < 256; byte++)
        CHECK(model.ids.data[byte] == byte && model.ranges.data[byte].end == (uint32_t)byte + 1);
    CHECK(model.subword.bpe.trie.count > 0);
    model_release(&model);
}

/* By the definition: the neighbours of lowest rank, the leftmost of them, are joined. */
static size_t join_slowly(const struct made *m, int32_t *ids, size_t count)
{
    for (;;) {
        size_t best_rank = SIZE_MAX, best = 0;
        for (size_t i = 0; i + 1 < count; i++)
            for (size_t rank = 0; rank < m->v.merge_count; rank++) {
                struct deberta_text l = m->merges[2 * rank], r = m->merges[2 * rank + 1];
                struct deberta_text a = m->tokens[ids[i]], b = m->tokens[ids[i + 1]];
                if (rank < best_rank && l.size == a.size && r.size == b.size && memcmp(l.bytes, a.bytes, a.size) == 0 &&
                    memcmp(r.bytes, b.bytes, b.size) == 0) {
                    best_rank = rank;
                    best = i;
                }
            }
        if (best_rank == SIZE_MAX)
            return count;
        struct deberta_text l = m->tokens[ids[best]], r = m->tokens[ids[best + 1]];
        for (size_t id = 0; id < m->v.count; id++)
            if (m->tokens[id].size == l.size + r.size && memcmp(m->tokens[id].bytes, l.bytes, l.size) == 0 &&
                memcmp(m->tokens[id].bytes + l.size, r.bytes, r.size) == 0)
                ids[best] = (int32_t)id;
        memmove(ids + best + 1, ids + best + 2, (count - best - 2) * sizeof *ids);
        count--;
    }
}

/* Letters, and tokens made of two others; the ranks in any order. */
static void draw_merges(void)
{
    static char strings[40][16];
    make(&made, DEBERTA_BPE, TOKENS("a", "b", "c"));
    for (size_t used = 0, tries = 0; used < COUNT(strings) && tries < 1000; tries++) {
        uint32_t left = draw((uint32_t)made.v.count), right = draw((uint32_t)made.v.count);
        if (made.tokens[left].size + made.tokens[right].size > 12)
            continue;
        snprintf(strings[used], sizeof strings[used], "%s%s", made.tokens[left].bytes, made.tokens[right].bytes);
        bool known = false;
        for (size_t i = 0; i < made.v.count; i++)
            known |= strcmp(made.tokens[i].bytes, strings[used]) == 0;
        add_merge(&made, made.tokens[left].bytes, made.tokens[right].bytes);
        if (!known)
            add_token(&made, strings[used++], 0);
    }
    for (size_t i = made.v.merge_count - 1; i > 0 && draw(2); i--) {
        size_t k = draw((uint32_t)i + 1);
        for (size_t side = 0; side < 2; side++) {
            struct deberta_text swap = made.merges[2 * i + side];
            made.merges[2 * i + side] = made.merges[2 * k + side];
            made.merges[2 * k + side] = swap;
        }
    }
}

/* Twice the same pair would make join_slowly prefer the earlier one. */
static void drop_repeated_merges(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < made.v.merge_count; i++) {
        bool known = false;
        for (size_t k = 0; k < kept; k++)
            known |= strcmp(made.merges[2 * k].bytes, made.merges[2 * i].bytes) == 0 &&
                     strcmp(made.merges[2 * k + 1].bytes, made.merges[2 * i + 1].bytes) == 0;
        made.merges[2 * kept] = made.merges[2 * i];
        made.merges[2 * kept + 1] = made.merges[2 * i + 1];
        kept += !known;
    }
    made.v.merge_count = kept;
}

static void check_bpe_definition(void)
{
    for (int round = 0; round < 60; round++) {
        draw_merges();
        drop_repeated_merges();
        bool byte_level = round & 1;
        model_init(&model, &made, byte_level);
        for (int word = 0; word < 40; word++) {
            char text[300];
            int32_t wanted[300];
            size_t size = 1 + draw(word % 4 == 0 ? 299 : 12);
            for (size_t i = 0; i < size; i++)
                wanted[i] = text[i] = (char)draw(1 + (uint32_t)word % 3);
            for (size_t i = 0; i < size; i++)
                text[i] = "abc"[(unsigned char)text[i]];
            size_t count = join_slowly(&made, wanted, size);
            for (int again = 0; again < 2; again++) {
                encode(&model, text, size, true);
                CHECK(model.ids.size == count && memcmp(model.ids.data, wanted, count * sizeof *wanted) == 0);
                for (size_t i = 0, at = 0; i < count; i++) {
                    CHECK(model.ranges.data[i].start == at);
                    at += made.tokens[wanted[i]].size;
                    CHECK(model.ranges.data[i].end == at);
                }
            }
        }
        model_release(&model);
    }
}

/* More words than the cache holds. */
static void check_many_words(void)
{
    make_letters();
    model_init(&model, &made, false);
    static int32_t before[30000][4];
    for (int round = 0; round < 2; round++)
        for (uint32_t word = 0; word < COUNT(before); word++) {
            char text[24];
            size_t size = 10 + word % 14;
            for (size_t i = 0; i < size; i++)
                text[i] = "abc"[(word * 2654435761u >> i) % 3];
            encode(&model, text, size, true);
            CHECK(model.ids.size >= 3);
            int32_t now[4] = {(int32_t)model.ids.size, model.ids.data[0], model.ids.data[model.ids.size - 1],
                              (int32_t)model.ranges.data[1].end};
            CHECK(round == 0 || memcmp(now, before[word], sizeof now) == 0);
            memcpy(before[word], now, sizeof now);
        }
    model_release(&model);
}

/* ---- unigram ---- */

/* Ids 0 to 6. */
static void make_pieces(void)
{
    make(&made, DEBERTA_UNIGRAM, TOKENS("<unk>", "a", "b", "ab", MARK, MARK "ab", "cd"));
    const double scores[] = {0, -2, -2, -3, -2, -4.5, -1};
    memcpy(made.scores, scores, sizeof scores);
    made.v.unknown = 0;
}

static void check_unigram(void)
{
    make_pieces();
    model_init(&model, &made, false);
    check_word(&model, "", "");
    check_word(&model, "a", "1:0-1");
    check_word(&model, "aab", "1:0-1 3:1-3");
    check_word(&model, MARK "ab", "5:0-5");
    check_word(&model, MARK "abx" SMILE "b", "5:0-5 0:5-10 2:10-11");
    check_word(&model, "c", "0:0-1");
    check_word(&model, "cd", "6:0-2");
    check_word(&model, "x<unk>y", "0:0-7"); /* the unknown piece itself is unknown, too */
    check_word(&model, "<unk>", "0:0-5");
    model_release(&model);
    made.scores[5] = -6; /* now two pieces are better */
    model_init(&model, &made, false);
    check_word(&model, MARK "ab", "4:0-3 3:3-5");
    struct ids ids = {0};
    for (int round = 0; round < 2; round++) {
        ids.size = 0;
        CHECK(unigram_encode_word(&model.subword.unigram, &model.scratch.unigram, "ab", 2, &ids) == DEBERTA_OK);
        CHECK(ids.size == 2 && ids.data[0] == 4 && ids.data[1] == 3);
    }
    memory_free(ids.data);
    model_release(&model);
    made.v.unknown = -1;
    model_init(&model, &made, false);
    check_word(&model, "ab", "3:0-2");
    model.ids.size = 0;
    CHECK(subword_encode(&model.subword, &model.scratch, "ax", 2, &model.ids, NULL) == DEBERTA_ARGUMENT);
    CHECK(strstr(status_message(), "'x'"));
    model_release(&model);
}

static void check_unigram_bytes(void)
{
    char wanted[200];
    make_pieces();
    made.v.byte_fallback = true;
    add_bytes(&made, 0x98, -20);
    model_init(&model, &made, false);
    snprintf(wanted, sizeof wanted, "1:0-1 %d:1-3 %d:1-3 2:3-4", 7 + 'x', 7 + 'y');
    check_word(&model, "axyb", wanted);
    check_word(&model, "ax" SMILE "b", "1:0-1 0:1-6 2:6-7"); /* all bytes of the stretch, or none */
    check_word(&model, "<unk>", "0:0-5");
    snprintf(wanted, sizeof wanted, "%d:0-6", 7 + 'x');
    check_word(&model, "<0x78>", wanted);
    model_release(&model);
    /* a stretch across the place where a long text would be cut */
    static char text[6001];
    memset(text, 'x', sizeof text - 1);
    memcpy(text + 3000, SMILE, 4);
    model_init(&model, &made, false);
    check_word(&model, text, "0:0-6000");
    memset(text, 'x', sizeof text - 1);
    encode(&model, text, 6000, true);
    CHECK(model.ids.size == 6000 && model.ids.data[5999] == 7 + 'x' && model.ranges.data[3000].end == 6000);
    model_release(&model);
    made.v.byte_fallback = false;
    model_init(&model, &made, false);
    check_word(&model, text, "0:0-6000");
    text[0] = text[5999] = 'a';
    check_word(&model, text, "1:0-1 0:1-5999 1:5999-6000");
    model_release(&model);
}

static void check_sentencepiece_bytes(void)
{
    static struct file file;
    file.size = 0;
    write_special(&file);
    write_piece(&file, "a", -2, DEBERTA_PIECE_NORMAL);
    write_piece(&file, "b", -2, DEBERTA_PIECE_NORMAL);
    for (int bytes = 0; bytes < 2; bytes++) {
        if (bytes)
            write_byte_pieces(&file);
        struct deberta_spm spm;
        memset(&model, 0, sizeof model);
        CHECK(deberta_spm_read(&spm, file.data, file.size) == DEBERTA_OK);
        CHECK(unigram_init_spm(&model.subword.unigram, &spm) == DEBERTA_OK);
        char wanted[200] = "4:0-1 3:1-4 5:4-5";
        if (bytes)
            snprintf(wanted, sizeof wanted, "4:0-1 %d:1-1 %d:1-3 %d:3-4 5:4-5", 6 + 0xC3, 6 + 0xA9, 6 + 'x');
        check_word(&model, "a" E_ACUTE "xb", wanted);
        deberta_spm_release(&spm);
        model_release(&model);
    }
}

/* The definition of the best writing, by brute force over all last pieces. */
static size_t write_slowly(const struct made *m, const char *text, size_t size, int32_t *ids)
{
    static double best[5000];
    static int32_t last[5000];
    static size_t from[5000];
    best[0] = 0;
    for (size_t end = 1; end <= size; end++) {
        best[end] = -INFINITY;
        for (size_t start = 0; start < end; start++)
            for (size_t id = 0; id < m->v.count; id++) {
                struct deberta_text p = m->tokens[id];
                if (p.size != end - start || memcmp(p.bytes, text + start, p.size) != 0)
                    continue;
                if (best[start] + m->scores[id] > best[end]) {
                    best[end] = best[start] + m->scores[id];
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

static void draw_pieces(void)
{
    static char strings[14][8];
    make(&made, DEBERTA_UNIGRAM, TOKENS("a", "b"));
    made.scores[0] = -4.25;
    made.scores[1] = -5.1;
    for (uint32_t i = 0, used = 0; i < 200 && used < COUNT(strings); i++) {
        char *text = memset(strings[used], 0, sizeof *strings);
        for (size_t k = 0, size = 2 + i % 4; k < size; k++)
            text[k] = "ab"[(i * 2654435761u >> (k + 7)) & 1];
        bool known = false;
        for (uint32_t k = 0; k < used; k++)
            known |= strcmp(strings[k], text) == 0;
        if (!known)
            add_token(&made, strings[used++], -4.0 * (double)strlen(text) + draw(60) / 10.0);
    }
}

static void check_viterbi(void)
{
    static char text[4800];
    static int32_t wanted[4800];
    draw_pieces();
    model_init(&model, &made, false);
    for (int round = 0; round < 202; round++) {
        size_t size = round < 200 ? 1 + draw(60) : round == 201 ? 2600 : 2300; /* beyond the span that is kept */
        for (size_t i = 0; i < size; i++)
            text[i] = "ab"[round == 201 ? i % 2 : draw(2)];
        encode(&model, text, size, true);
        size_t count = write_slowly(&made, text, size, wanted);
        CHECK(count == model.ids.size);
        for (size_t i = 0, at = 0; i < count; i++) {
            CHECK(model.ids.data[i] == wanted[count - 1 - i] && model.ranges.data[i].start == at);
            at += made.tokens[model.ids.data[i]].size;
            CHECK(model.ranges.data[i].end == at);
        }
    }
    model_release(&model);
}

/* ---- all of them ---- */

static void make_any(int kind)
{
    switch (kind) {
    case 0:
        make_pieces();
        break;
    case 1:
        make(&made, DEBERTA_WORDPIECE, TOKENS("[UNK]", "a", "##a", "##b", "##ab"));
        made.v.continuing_prefix = text_of("##");
        made.v.longest_word = SIZE_MAX;
        break;
    default:
        seed = 7;
        draw_merges();
        drop_repeated_merges();
        made.v.fuse_unknown = true;
    }
    made.v.unknown = 0;
}

static void check_long_words(void)
{
    const size_t size = 1 << 20;
    char *text = malloc(size);
    CHECK(text);
    for (int model_kind = 0; model_kind < 4; model_kind++)
        for (int kind = 0; kind < 4; kind++) {
            make_any(model_kind);
            model_init(&model, &made, model_kind == 3);
            for (size_t i = 0; i < size; i++)
                text[i] = kind == 0 ? 'x' : kind == 1 ? 'a' : kind == 2 ? "ab"[i & 1] : "abc"[draw(3)];
            clock_t start = clock();
            encode(&model, text, size, true);
            CHECK(clock() - start < 20 * CLOCKS_PER_SEC); /* far below this, except with the sanitizers */
            size_t at = 0;
            for (size_t i = 0; i < model.ranges.size; at = model.ranges.data[i++].end)
                CHECK(model.ranges.data[i].start == at && model.ranges.data[i].end > at);
            CHECK(at == size);
            CHECK(kind != 0 || (model.ids.size == 1 && model.ids.data[0] == 0));
            model_release(&model);
        }
    free(text);
}

static void check_refused(bool byte_level, enum deberta_status wanted, const char *part_of_message)
{
    struct subword subword;
    enum deberta_status status = subword_init(&subword, &made.v, byte_level);
    if (status != wanted || !strstr(status_message(), part_of_message))
        fprintf(stderr, "status %d, '%s'\n", (int)status, status_message());
    CHECK(status == wanted && strstr(status_message(), part_of_message));
    subword_release(&subword);
}

static void check_bad_merges(void)
{
    make_letters();
    add_merge(&made, "a", "d");
    check_refused(false, DEBERTA_FORMAT, "token 'd' of merge 4 is out of vocabulary");
    check_refused(true, DEBERTA_FORMAT, "token 'd' of merge 4");
    make_letters();
    add_merge(&made, "", "a");
    check_refused(false, DEBERTA_FORMAT, "token '' of merge 4");
    make_letters();
    add_merge(&made, "c", "b");
    check_refused(false, DEBERTA_FORMAT, "token 'cb' of merge 4");
    make_letters();
    made.v.continuing_prefix = text_of("##"); /* longer than the right parts of the merges */
    check_refused(false, DEBERTA_FORMAT, "of merge 0 is out of vocabulary");
    static char affix[1000];
    memset(affix, '#', sizeof affix - 1);
    made.v.continuing_prefix = text_of(affix);
    check_refused(false, DEBERTA_FORMAT, "continuing_subword_prefix of 999 bytes");
    made.v.continuing_prefix = text_of("");
    made.v.word_suffix = text_of(affix);
    check_refused(false, DEBERTA_FORMAT, "end_of_word_suffix of 999 bytes");
}

static void check_bad_vocabularies(void)
{
    for (int kind = 0; kind < 3; kind++) {
        make_any(kind);
        add_token(&made, "ab", 0);
        add_token(&made, "ab", 0);
        check_refused(false, DEBERTA_FORMAT, "'ab' occurs twice");
        make_any(kind);
        made.ids[1] = -1;
        check_refused(false, DEBERTA_FORMAT, "has id -1, not one from 0");
        made.ids[1] = 1 << 30;
        check_refused(false, DEBERTA_FORMAT, "has id 1073741824, not one from 0");
        made.ids[1] = 1;
        made.v.unknown = 1 << 30;
        check_refused(false, DEBERTA_FORMAT, "the unknown token has id 1073741824");
    }
    make_any(0);
    made.ids[1] = 100000;
    check_refused(false, DEBERTA_FORMAT, "'a' has id 100000 in a vocabulary of 7");
    made.ids[1] = 1;
    made.scores[1] = NAN;
    check_refused(false, DEBERTA_FORMAT, "'a' has score nan");
    make_any(0);
    check_refused(true, DEBERTA_FORMAT, "ByteLevel");
    make_any(1);
    made.v.unknown = -1;
    check_refused(false, DEBERTA_FORMAT, "unk_token");
    made.v.type = (enum deberta_model_type)7;
    check_refused(false, DEBERTA_ARGUMENT, "type 7");
    check_bad_merges();
}

/* Nothing in it at all. */
static void check_empty_vocabularies(void)
{
    const enum deberta_model_type types[] = {DEBERTA_UNIGRAM, DEBERTA_WORDPIECE, DEBERTA_BPE, DEBERTA_BPE};
    for (size_t kind = 0; kind < COUNT(types); kind++) {
        make(&made, types[kind], (const char *const[]){NULL});
        made.v.unknown = 5;
        model_init(&model, &made, kind == 3);
        check_word(&model, "", "");
        check_word(&model, "x", "5:0-1");
        model_release(&model);
    }
}

static void check_out_of_memory(void)
{
    static char long_word[5000];
    for (size_t i = 0; i < sizeof long_word; i++)
        long_word[i] = "abcx"[draw(4)];
    for (int kind = 0; kind < 8; kind++) {
        bool done = false;
        for (long nth = 1; !done; nth++) {
            CHECK(nth < 1000);
            make_any(kind % 4);
            made.v.byte_fallback = kind >= 4;
            memset(&model, 0, sizeof model);
            memory_fail_at(nth);
            enum deberta_status status = subword_init(&model.subword, &made.v, kind % 4 == 3);
            const char *const words[] = {"ab", "abx", "abcabcacbacb", long_word};
            const size_t sizes[] = {2, 3, 12, sizeof long_word};
            for (size_t i = 0; i < COUNT(words) && status == DEBERTA_OK; i++)
                status = subword_encode(&model.subword, &model.scratch, words[i], sizes[i], &model.ids, &model.ranges);
            memory_fail_at(0);
            CHECK(status == DEBERTA_OK || status == DEBERTA_MEMORY);
            done = status == DEBERTA_OK;
            model_release(&model);
        }
    }
}

static void check_steady_state(void)
{
    static char word[500];
    for (size_t i = 0; i < sizeof word; i++)
        word[i] = "abc"[draw(3)];
    for (int kind = 0; kind < 4; kind++) {
        make_any(kind);
        model_init(&model, &made, kind == 3);
        long after_first = 0;
        for (int round = 0; round < 3; round++) {
            encode(&model, word, sizeof word, true);
            encode(&model, word, 20, false);
            after_first = round == 0 ? memory_count() : after_first;
        }
        CHECK(memory_count() == after_first);
        model_release(&model);
    }
}

int main(void)
{
    check_wordpiece();
    check_joining();
    check_unknown();
    check_affixes();
    check_byte_level();
    check_all_bytes();
    check_bpe_definition();
    check_many_words();
    check_unigram();
    check_unigram_bytes();
    check_sentencepiece_bytes();
    check_viterbi();
    check_long_words();
    check_bad_vocabularies();
    check_empty_vocabularies();
    check_out_of_memory();
    check_steady_state();
    puts("subword: ok");
    return 0;
}
