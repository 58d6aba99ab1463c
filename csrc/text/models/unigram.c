/* SPDX-License-Identifier: Apache-2.0 */
#include "text/models/unigram.h"

#include <float.h>
#include <math.h>

#include "base/watch.h"
#include "text/rows/output.h"
#include "text/unicode/unicode.h"

#define UNSET UINT32_MAX
#define SPAN                                                                                                           \
    2048u /* bytes after which a text is cut at the next place that no piece spans, so that the cells stay in the      \
             cache */
#define PENALTY 10.0
#define LOWEST (-100000.0) /* the score at which sentencepiece (0.2.3, by its results) starts again from zero */

/* ---- setting up ---- */

static enum deberta_status make_room(struct unigram *unigram, size_t ids)
{
    void *block;
    TRY(memory_alloc(ids, sizeof *unigram->scores, &block));
    unigram->scores = block;
    TRY(memory_calloc(ids, sizeof *unigram->encodes_to_itself, &block));
    unigram->encodes_to_itself = block;
    return DEBERTA_OK;
}

/* Of sorted keys. */
static enum deberta_status build_trie(struct unigram *unigram, const struct trie_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        unigram->longest = max_size(unigram->longest, keys[i].size);
    TRY(trie_init_sorted(&unigram->trie, keys, count));
    unigram->has_mark = trie_walk(&unigram->trie, &unigram->mark, SPACE_MARK, 3);
    return DEBERTA_OK;
}

static enum deberta_status count_ids(const struct deberta_vocabulary *vocabulary, size_t *ids)
{
    *ids = 0;
    for (size_t i = 0; i < vocabulary->count; i++) {
        struct deberta_text token = vocabulary->tokens[i];
        size_t id = (size_t)vocabulary->ids[i];
        if (id / 16 > vocabulary->count)
            return fail(DEBERTA_FORMAT, "Unigram: piece '%.*s' has id %zu in a vocabulary of %zu pieces",
                        (int)min_size(token.size, 100), token.bytes, id, vocabulary->count);
        if (!isfinite(vocabulary->scores[i]))
            return fail(DEBERTA_FORMAT, "Unigram: piece '%.*s' has score %g", (int)min_size(token.size, 100),
                        token.bytes, vocabulary->scores[i]);
        *ids = max_size(*ids, id + 1);
    }
    return DEBERTA_OK;
}

static enum deberta_status init(struct unigram *unigram, const struct deberta_vocabulary *vocabulary)
{
    size_t ids;
    void *block;
    TRY(count_ids(vocabulary, &ids));
    TRY(make_room(unigram, ids));
    TRY(memory_alloc(vocabulary->count, sizeof(struct trie_key), &block));
    struct trie_key *keys = block;
    double smallest = INFINITY;
    for (size_t i = 0; i < vocabulary->count; i++) {
        struct deberta_text token = vocabulary->tokens[i];
        keys[i] = (struct trie_key){token.bytes, token.size, vocabulary->ids[i], 0};
        unigram->scores[vocabulary->ids[i]] = vocabulary->scores[i];
        smallest = fmin(smallest, vocabulary->scores[i]);
    }
    unigram->unknown_score = smallest - PENALTY;
    enum deberta_status status = trie_sort(keys, vocabulary->count);
    if (status == DEBERTA_OK)
        status = build_trie(unigram, keys, vocabulary->count);
    memory_free(keys);
    TRY(status);
    trie_find_bytes(&unigram->trie, unigram->bytes);
    return DEBERTA_OK;
}

enum deberta_status unigram_init(struct unigram *unigram, const struct deberta_vocabulary *vocabulary)
{
    *unigram = (struct unigram){.rule = UNIGRAM_TOKENIZERS, .unknown = vocabulary->unknown};
    unigram->byte_fallback = vocabulary->byte_fallback;
    enum deberta_status status = init(unigram, vocabulary);
    if (status != DEBERTA_OK)
        unigram_release(unigram);
    return status;
}

static bool matches(enum deberta_piece_type type)
{
    return type == DEBERTA_PIECE_NORMAL || type == DEBERTA_PIECE_USER_DEFINED;
}

/* sentencepiece lets user-defined pieces win with a score near zero: the largest of all scores, with a maximum that
 * starts at FLT_MIN, above zero. */
static void set_scores(struct unigram *unigram, const struct deberta_spm *spm)
{
    bool any = false;
    float smallest = 0.0f, largest = FLT_MIN;
    for (size_t id = 0; id < spm->count; id++) {
        float score = (float)spm->scores[id];
        unigram->scores[id] = (double)score;
        if (spm->types[id] != DEBERTA_PIECE_NORMAL)
            continue;
        smallest = any && smallest < score ? smallest : score;
        largest = largest > score ? largest : score;
        any = true;
    }
    for (size_t id = 0; id < spm->count; id++)
        if (spm->types[id] == DEBERTA_PIECE_USER_DEFINED)
            unigram->scores[id] = (double)(float)((double)((float)spm->tokens[id].size * largest) - 0.1);
    unigram->unknown_score = (double)(smallest - (float)PENALTY);
}

/* All pieces must differ, even those that cannot match. */
static enum deberta_status build_trie_spm(struct unigram *unigram, const struct deberta_spm *spm, struct trie_key *keys)
{
    size_t count = 0;
    for (size_t id = 0; id < spm->count; id++)
        keys[id] = (struct trie_key){spm->tokens[id].bytes, spm->tokens[id].size, (int32_t)id, 0};
    TRY(trie_sort(keys, spm->count));
    for (size_t i = 0; i < spm->count; i++)
        if (matches(spm->types[keys[i].number]))
            keys[count++] = keys[i];
    return build_trie(unigram, keys, count);
}

enum deberta_status unigram_init_spm(struct unigram *unigram, const struct deberta_spm *spm)
{
    *unigram = (struct unigram){.rule = UNIGRAM_SENTENCEPIECE, .unknown = spm->unknown};
    unigram->byte_fallback = spm->byte_fallback;
    memcpy(unigram->bytes, spm->bytes, sizeof unigram->bytes);
    enum deberta_status status = make_room(unigram, spm->count);
    if (status == DEBERTA_OK) {
        void *keys;
        set_scores(unigram, spm);
        status = memory_alloc(spm->count, sizeof(struct trie_key), &keys);
        if (status == DEBERTA_OK)
            status = build_trie_spm(unigram, spm, keys);
        memory_free(keys);
    }
    if (status != DEBERTA_OK)
        unigram_release(unigram);
    return status;
}

void unigram_release(struct unigram *unigram)
{
    trie_release(&unigram->trie);
    memory_free(unigram->scores);
    memory_free((void *)unigram->encodes_to_itself);
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

static void reverse_ranges(struct span *ranges, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct span swap = ranges[i];
        ranges[i] = ranges[count - 1 - i];
        ranges[count - 1 - i] = swap;
    }
}

static bool have_bytes(const struct unigram *unigram, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (unigram->bytes[(unsigned char)text[i]] < 0)
            return false;
    return true;
}

/* Appends the ids of an unknown part of the text, from its end to its start. */
static enum deberta_status append_unknown(const struct unigram *unigram, const char *text, size_t start, size_t end,
                                          struct output out)
{
    bool whole = unigram->rule == UNIGRAM_TOKENIZERS;
    if (unigram->byte_fallback) {
        int32_t piece = whole ? trie_find(&unigram->trie, text + start, end - start) : -1;
        if (piece >= 0)
            return output_append(out, piece, start, end);
        if (have_bytes(unigram, text + start, end - start)) {
            for (size_t i = end; i > start; i--)
                TRY(output_append(out, unigram->bytes[(unsigned char)text[i - 1]], start,
                                  whole || i == end ? end : start));
            return DEBERTA_OK;
        }
    }
    if (unigram->unknown < 0)
        return fail(DEBERTA_ARGUMENT, "no pieces match '%.*s', and the model has no unk_id",
                    (int)min_size(end - start, 100), text + start);
    return output_append(out, unigram->unknown, start, end);
}

/* The start of the unknown part whose last cell starts at `start`. Byte pieces of sentencepiece cover one character. */
static size_t stretch_start(const struct unigram *unigram, const struct unigram_cell *cells, size_t start)
{
    if (unigram->rule == UNIGRAM_SENTENCEPIECE && unigram->byte_fallback)
        return start;
    while (start != 0 && cells[start].id == unigram->unknown)
        start = cells[start].start;
    return start;
}

/* Merges an unknown token at `id` with an unknown token before it. */
static void join_unknown(const struct unigram *unigram, size_t id, size_t range, struct output out)
{
    struct ids *ids = out.ids;
    if (id == ids->size || ids->data[id - 1] != unigram->unknown || ids->data[id] != unigram->unknown)
        return;
    memmove(ids->data + id, ids->data + id + 1, (--ids->size - id) * sizeof *ids->data);
    if (!out.ranges)
        return;
    struct span *at = out.ranges->data + range;
    at[-1].end = at->end;
    memmove(at, at + 1, (--out.ranges->size - range) * sizeof *at);
}

/* Follows the cells back from the end of a part of the text, [base, base + size), and appends the pieces. The ids of
 * the text begin at `first`. */
static enum deberta_status append_path(const struct unigram *unigram, const struct unigram_cell *cells,
                                       const char *text, size_t base, size_t size, size_t first, struct output out)
{
    size_t id = out.ids->size, range = out.ranges ? out.ranges->size : 0;
    for (size_t end = size, start; end != 0; end = start) {
        start = cells[end].start;
        if (cells[end].id != unigram->unknown) {
            TRY(output_append(out, cells[end].id, base + start, base + end));
        } else {
            start = stretch_start(unigram, cells, start);
            TRY(append_unknown(unigram, text, base + start, base + end, out));
        }
    }
    if (id == out.ids->size)
        return DEBERTA_OK;
    reverse(out.ids->data + id, out.ids->size - id);
    if (out.ranges)
        reverse_ranges(out.ranges->data + range, out.ranges->size - range);
    if (id != first)
        join_unknown(unigram, id, range, out);
    return DEBERTA_OK;
}

struct frontier {
    struct unigram_cell *cells;
    size_t furthest; /* cells up to here are in use */
};

/* In a tie the first result stays. A double holds sums in single precision. */
static inline void relax(struct frontier *f, size_t end, double score, size_t start, int32_t id, bool single)
{
    while (f->furthest < end)
        f->cells[++f->furthest].start = UNSET;
    struct unigram_cell *cell = &f->cells[end];
    score = single ? (double)(float)score : score;
    if (cell->start == UNSET || score > cell->score)
        *cell = (struct unigram_cell){score, (uint32_t)start, id};
}

/* Adds every piece that the text begins with, and the unknown piece if none is exactly the first character. */
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

/* Whether the path up to `at` is final: no piece spans `at`. The bytes of an unknown part are known at its end only. */
static inline bool can_cut(const struct unigram *unigram, const struct frontier *f, size_t at)
{
    return f->furthest == at &&
           (unigram->rule == UNIGRAM_SENTENCEPIECE || !unigram->byte_fallback || f->cells[at].id != unigram->unknown);
}

/* Subtracts the score of the cell at `at`, which is so low that single precision is coarse. */
static void rebase(struct frontier *f, size_t at)
{
    float lowest = (float)f->cells[at].score;
    for (size_t i = at; i <= f->furthest; i++)
        if (f->cells[i].start != UNSET)
            f->cells[i].score = (double)((float)f->cells[i].score - lowest);
}

static inline enum deberta_status viterbi(const struct unigram *unigram, struct unigram_scratch *scratch,
                                          const char *text, size_t size, struct output out, bool single)
{
    size_t first = out.ids->size, base = 0, asked = 0;
    TRY(reserve_cells(scratch, 0, SPAN + unigram->longest + 5));
    struct frontier f = {scratch->cells, 0};
    f.cells[0].score = 0.0;
    for (size_t i = 0; i < size;) {
        size_t at = i - base;
        if (at >= SPAN && can_cut(unigram, &f, at)) {
            TRY(append_path(unigram, f.cells, text, base, at, first, out));
            f.cells[0].score = f.cells[at].score;
            f.furthest = at = 0;
            base = i;
        }
        TRY(reserve_cells(scratch, f.furthest + 1, at + unigram->longest + 5));
        f.cells = scratch->cells;
        if (single && f.cells[at].score < LOWEST)
            rebase(&f, at);
        size_t character = min_size(utf8_size(text[i]), size - i);
        TRY(watch_pass(i, &asked));
        advance(unigram, &f, at, text + i, size - i, character, single);
        i += character;
    }
    return append_path(unigram, f.cells, text, base, size - base, first, out);
}

/* Encodes a word; `piece` is the piece with the same bytes, or -1. */
static enum deberta_status encode_piece(const struct unigram *unigram, struct unigram_scratch *scratch,
                                        const char *word, size_t size, int32_t piece, struct output out)
{
    size_t first = out.ids->size;
    TRY(viterbi(unigram, scratch, word, size, out, false));
    if (piece >= 0 && out.ids->size == first + 1 && out.ids->data[first] == piece)
        unigram->encodes_to_itself[piece] = true;
    return DEBERTA_OK;
}

enum deberta_status unigram_encode(const struct unigram *unigram, struct unigram_scratch *scratch, const char *text,
                                   size_t size, struct ids *ids, struct spans *ranges)
{
    struct output out = {ids, ranges};
    if (size > UINT32_MAX - 1)
        return fail(DEBERTA_ARGUMENT, "a word of %zu bytes is too long", size);
    if (unigram->rule == UNIGRAM_SENTENCEPIECE)
        return viterbi(unigram, scratch, text, size, out, true);
    int32_t piece = size <= unigram->longest ? trie_find(&unigram->trie, text, size) : -1;
    if (piece >= 0 && unigram->encodes_to_itself[piece])
        return output_append(out, piece, 0, size);
    return encode_piece(unigram, scratch, text, size, piece, out);
}

/* The piece U+2581 + word, or -1. */
static int32_t find_piece(const struct unigram *unigram, const char *word, size_t size)
{
    uint32_t node = unigram->mark;
    bool found = unigram->has_mark && size <= unigram->longest && trie_walk(&unigram->trie, &node, word, size);
    return found ? unigram->trie.units[node].number : -1;
}

enum deberta_status unigram_encode_word(const struct unigram *unigram, struct unigram_scratch *scratch,
                                        const char *word, size_t size, struct ids *ids)
{
    int32_t piece = find_piece(unigram, word, size);
    if (piece >= 0 && unigram->encodes_to_itself[piece])
        return ids_append(ids, piece);
    if (size > UINT32_MAX - 4)
        return fail(DEBERTA_ARGUMENT, "a word of %zu bytes is too long", size);
    scratch->word.size = 0;
    TRY(bytes_append(&scratch->word, SPACE_MARK, 3));
    TRY(bytes_append(&scratch->word, word, size));
    return encode_piece(unigram, scratch, scratch->word.data, scratch->word.size, piece, (struct output){.ids = ids});
}
