/* SPDX-License-Identifier: Apache-2.0 */
#include "text/unigram.h"

#include <float.h>

#include "text/unicode.h"

#define UNSET UINT32_MAX
#define SPAN 2048u /* bytes after which a text may be cut where no piece straddles: keeps the cells in the cache */
#define PENALTY 10.0
#define SPACE_MARK "\xE2\x96\x81" /* U+2581 */

enum { STANDS = 1, FALLS };

/* ---- setting up ---- */

static bool matches(enum unigram_rule rule, enum spm_type type)
{
    return rule == UNIGRAM_TOKENIZERS || type == SPM_NORMAL || type == SPM_USER_DEFINED;
}

/* sentencepiece lets the pieces that the user defined win by a score near zero: it takes the largest of all scores,
 * where it starts from FLT_MIN, which is above zero. */
static void set_scores(struct unigram *unigram, const struct spm *spm)
{
    bool all = unigram->rule == UNIGRAM_TOKENIZERS, any = false;
    float smallest = 0.0f, largest = FLT_MIN;
    for (size_t id = 0; id < spm->count; id++) {
        float score = spm->pieces[id].score;
        unigram->scores[id] = (double)score;
        if (!all && spm->pieces[id].type != SPM_NORMAL)
            continue;
        smallest = any && smallest < score ? smallest : score;
        largest = largest > score ? largest : score;
        any = true;
    }
    for (size_t id = 0; id < spm->count && !all; id++)
        if (spm->pieces[id].type == SPM_USER_DEFINED)
            unigram->scores[id] = (double)(float)((double)((float)spm->pieces[id].size * largest) - 0.1);
    unigram->unknown_score = all ? (double)smallest - PENALTY : (double)(smallest - (float)PENALTY);
}

static enum deberta_status build_trie(struct unigram *unigram, const struct spm *spm, struct trie_key *keys)
{
    for (size_t id = 0; id < spm->count; id++)
        keys[id] = (struct trie_key){spm->pieces[id].text, spm->pieces[id].size, (int32_t)id, 0};
    if (unigram->rule == UNIGRAM_TOKENIZERS)
        return trie_init(&unigram->trie, keys, spm->count);
    TRY(trie_sort(keys, spm->count)); /* all pieces must differ, also those that cannot match */
    size_t count = 0;
    for (size_t id = 0; id < spm->count; id++)
        if (matches(unigram->rule, spm->pieces[id].type))
            keys[count++] = (struct trie_key){spm->pieces[id].text, spm->pieces[id].size, (int32_t)id, 0};
    return trie_init(&unigram->trie, keys, count);
}

static enum deberta_status init(struct unigram *unigram, const struct spm *spm)
{
    void *block;
    TRY(memory_alloc(spm->count, sizeof *unigram->scores, &block));
    unigram->scores = block;
    set_scores(unigram, spm);
    TRY(memory_calloc(spm->count, sizeof *unigram->stands, &block));
    unigram->stands = block;
    for (size_t id = 0; id < spm->count; id++)
        unigram->longest = max_size(unigram->longest, spm->pieces[id].size);
    TRY(memory_alloc(spm->count, sizeof(struct trie_key), &block));
    enum deberta_status status = build_trie(unigram, spm, block);
    memory_free(block);
    TRY(status);
    unigram->has_mark = trie_step(&unigram->trie, &unigram->mark, SPACE_MARK[0]) &&
                        trie_step(&unigram->trie, &unigram->mark, SPACE_MARK[1]) &&
                        trie_step(&unigram->trie, &unigram->mark, SPACE_MARK[2]);
    return DEBERTA_OK;
}

enum deberta_status unigram_init(struct unigram *unigram, const struct spm *spm, enum unigram_rule rule)
{
    *unigram = (struct unigram){.rule = rule, .unknown = spm->unknown};
    unigram->byte_fallback = rule == UNIGRAM_SENTENCEPIECE && spm->byte_fallback;
    memcpy(unigram->bytes, spm->bytes, sizeof unigram->bytes);
    enum deberta_status status = init(unigram, spm);
    if (status != DEBERTA_OK)
        unigram_release(unigram);
    return status;
}

void unigram_release(struct unigram *unigram)
{
    trie_release(&unigram->trie);
    memory_free(unigram->scores);
    memory_free((void *)unigram->stands);
    *unigram = (struct unigram){0};
}

void unigram_scratch_release(struct unigram_scratch *scratch)
{
    memory_free(scratch->cells);
    memory_free(scratch->word.data);
    *scratch = (struct unigram_scratch){0};
}

/* ---- encoding ---- */

static enum deberta_status reserve_cells(struct unigram_scratch *scratch, size_t used, size_t count)
{
    if (count <= scratch->capacity)
        return DEBERTA_OK;
    size_t capacity = max_size(count, 2 * scratch->capacity);
    void *cells = scratch->cells;
    TRY(memory_grow(used * sizeof *scratch->cells, capacity, sizeof *scratch->cells, &cells));
    scratch->cells = cells;
    scratch->capacity = capacity;
    return DEBERTA_OK;
}

static void reverse(int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        int32_t swap = ids[i];
        ids[i] = ids[count - 1 - i];
        ids[count - 1 - i] = swap;
    }
}

/* Drops the unknown ids at or after `from` that follow one at or after `start`. */
static void fuse_unknown(struct ids *ids, size_t start, size_t from, int32_t unknown)
{
    size_t to = from;
    for (size_t i = from; i < ids->size; i++)
        if (ids->data[i] != unknown || to == start || ids->data[to - 1] != unknown)
            ids->data[to++] = ids->data[i];
    ids->size = to;
}

/* Follows the cells back from the end of a text whose ids begin at `start`, and appends. */
static enum deberta_status append_path(const struct unigram *unigram, const struct unigram_cell *cells,
                                       const char *text, size_t size, size_t start, struct ids *ids)
{
    TRY(ids_reserve(ids, size));
    size_t from = ids->size;
    bool any_unknown = false;
    for (size_t end = size; end != 0; end = cells[end].start) {
        if (cells[end].id != unigram->unknown) {
            ids->data[ids->size++] = cells[end].id;
        } else if (unigram->byte_fallback) {
            for (size_t i = end; i > cells[end].start; i--)
                ids->data[ids->size++] = unigram->bytes[(unsigned char)text[i - 1]];
        } else {
            any_unknown = true;
            ids->data[ids->size++] = unigram->unknown;
        }
    }
    reverse(ids->data + from, ids->size - from);
    if (any_unknown)
        fuse_unknown(ids, start, from, unigram->unknown);
    return DEBERTA_OK;
}

struct frontier {
    struct unigram_cell *cells;
    size_t furthest; /* cells up to here are in use */
};

/* Ties keep what was found first. A sum in single precision is kept in a double. */
static inline void relax(struct frontier *f, size_t end, double score, size_t start, int32_t id, bool single)
{
    while (f->furthest < end)
        f->cells[++f->furthest].start = UNSET;
    struct unigram_cell *cell = &f->cells[end];
    score = single ? (double)(float)score : score;
    if (cell->start == UNSET || score > cell->score)
        *cell = (struct unigram_cell){score, (uint32_t)start, id};
}

/* Enters every piece that the text begins with, and the unknown piece when none is the first character. */
static inline void advance(const struct unigram *unigram, struct frontier *f, size_t start, const char *text,
                           size_t size, size_t character, bool single)
{
    double score = f->cells[start].score;
    bool known = false;
    uint32_t node = 0;
    for (size_t i = 0; i < size && trie_step(&unigram->trie, &node, text[i]); i++) {
        int32_t id = unigram->trie.units[node].number;
        if (id < 0)
            continue;
        relax(f, start + i + 1, score + unigram->scores[id], start, id, single);
        known |= i + 1 == character;
    }
    if (known)
        return;
    double unknown = unigram->unknown_score;
    unknown = single ? (double)((float)unknown + (float)score) : unknown + score;
    relax(f, start + character, unknown, start, unigram->unknown, single);
}

static inline enum deberta_status viterbi(const struct unigram *unigram, struct unigram_scratch *scratch,
                                          const char *text, size_t size, struct ids *ids, bool single)
{
    size_t first_id = ids->size, base = 0;
    TRY(reserve_cells(scratch, 0, SPAN + unigram->longest + 5));
    struct frontier f = {scratch->cells, 0};
    f.cells[0].score = 0.0;
    for (size_t i = 0; i < size;) {
        size_t at = i - base;
        if (at >= SPAN && f.furthest == at) {
            TRY(append_path(unigram, f.cells, text + base, at, first_id, ids));
            f.cells[0].score = f.cells[at].score;
            f.furthest = at = 0;
            base = i;
        }
        TRY(reserve_cells(scratch, f.furthest + 1, at + unigram->longest + 5));
        f.cells = scratch->cells;
        if (at > UINT32_MAX - 1)
            return fail(DEBERTA_ARGUMENT, "a word of 4 GB is too long");
        size_t character = min_size(utf8_size(text[i]), size - i);
        advance(unigram, &f, at, text + i, size - i, character, single);
        i += character;
    }
    return append_path(unigram, f.cells, text + base, size - base, first_id, ids);
}

enum deberta_status unigram_encode(const struct unigram *unigram, struct unigram_scratch *scratch, const char *text,
                                   size_t size, struct ids *ids)
{
    if (unigram->rule == UNIGRAM_TOKENIZERS)
        return viterbi(unigram, scratch, text, size, ids, false);
    return viterbi(unigram, scratch, text, size, ids, true);
}

/* The piece that U+2581 and the word are together, or -1. */
static int32_t find_piece(const struct unigram *unigram, const char *word, size_t size)
{
    uint32_t node = unigram->mark;
    if (!unigram->has_mark || size > unigram->longest)
        return -1;
    for (size_t i = 0; i < size; i++)
        if (!trie_step(&unigram->trie, &node, word[i]))
            return -1;
    return unigram->trie.units[node].number;
}

enum deberta_status unigram_encode_word(const struct unigram *unigram, struct unigram_scratch *scratch,
                                        const char *word, size_t size, struct ids *ids)
{
    int32_t piece = find_piece(unigram, word, size);
    if (piece >= 0 && unigram->stands[piece] == STANDS)
        return ids_append(ids, piece);
    scratch->word.size = 0;
    TRY(bytes_append(&scratch->word, SPACE_MARK, 3));
    TRY(bytes_append(&scratch->word, word, size));
    size_t first = ids->size;
    TRY(viterbi(unigram, scratch, scratch->word.data, scratch->word.size, ids, false));
    if (piece >= 0)
        unigram->stands[piece] = ids->size == first + 1 && ids->data[first] == piece ? STANDS : FALLS;
    return DEBERTA_OK;
}
