/* SPDX-License-Identifier: Apache-2.0 */
/* A stage first changes spaces (Metaspace, ByteLevel), then cuts. To cut, it divides a piece into segments, each of
 * which matches or not; the behavior defines which segments stay together. */
#include "text/stages/pretokenizers.h"

#include <assert.h>
#include <string.h>

#include "base/watch.h"
#include "text/unicode/unicode.h"

/* Of a character. */
enum kind {
    OTHER,
    LETTER,
    NUMBER,
    SPACE,
    MARK, /* always a segment of its own */
    LONG, /* only in the table: a byte of a character that is not ASCII */
};

typedef enum kind kind_of(uint32_t code);
/* Bytes of the first segment of a text that is not empty. */
typedef size_t segment_of(const struct pretokenizer_stage *stage, const char *text, size_t size, bool *matched);

enum prepending { NEVER, FIRST, ALWAYS };

struct pretokenizer_stage {
    bool replaces;              /* spaces by the pattern */
    enum prepending prepending; /* prepends the pattern to pieces that do not begin with it */
    segment_of *segment;        /* NULL: does not cut */
    kind_of *kind;
    unsigned char kinds[256]; /* of every byte, for speed */
    enum kind looked_for;
    enum deberta_behavior behavior;
    bool invert;
    bool byte_level;
    struct bytes pattern;
};

enum deberta_status pieces_append(struct pieces *pieces, struct piece piece)
{
    void *data = pieces->data;
    TRY(array_reserve(&data, pieces->size, &pieces->capacity, 1, sizeof *pieces->data));
    pieces->data = data;
    pieces->data[pieces->size++] = piece;
    return DEBERTA_OK;
}

void cut_clear(struct cut *cut)
{
    aligned_clear(&cut->text);
    cut->pieces.size = 0;
}

void cut_release(struct cut *cut)
{
    aligned_release(&cut->text);
    memory_free(cut->pieces.data);
    cut->pieces = (struct pieces){0};
}

/* ---- segments ---- */

static enum kind kind_at(const struct pretokenizer_stage *stage, const char *text, size_t size, size_t *length)
{
    *length = 1;
    enum kind kind = stage->kinds[(unsigned char)*text];
    if (kind != LONG)
        return kind;
    struct character c = utf8_decode_long(text, size);
    *length = c.size;
    return stage->kind(c.code);
}

/* Bytes at the start that are characters of one kind. */
static size_t run(const struct pretokenizer_stage *stage, const char *text, size_t size, enum kind kind)
{
    size_t at = 0, length, asked = 0;
    for (; at < size; at += length) {
        if (watch_pass(at, &asked) != DEBERTA_OK)
            return size;
        while (at < size && stage->kinds[(unsigned char)text[at]] == kind)
            at++;
        if (at == size || kind_at(stage, text + at, size - at, &length) != kind)
            break;
    }
    return at;
}

static size_t segment_by_kind(const struct pretokenizer_stage *stage, const char *text, size_t size, bool *matched)
{
    size_t length;
    enum kind kind = kind_at(stage, text, size, &length);
    *matched = kind == stage->looked_for;
    return kind == MARK ? length : run(stage, text, size, kind);
}

static enum kind space_kind(uint32_t code)
{
    return unicode_space(code) ? SPACE : OTHER;
}

static enum kind bert_kind(uint32_t code)
{
    return unicode_space(code) ? SPACE : unicode_punctuation(code) ? MARK : OTHER;
}

static enum kind word_kind(uint32_t code)
{
    return unicode_word(code) ? LETTER : unicode_space(code) ? SPACE : OTHER;
}

static enum kind punctuation_kind(uint32_t code)
{
    return unicode_punctuation(code) ? MARK : OTHER;
}

static enum kind digit_kind(uint32_t code)
{
    return unicode_digit(code) ? MARK : OTHER;
}

/* memmem for a pattern of one character: memmem's own set-up takes too long for short words. */
static const char *find_character(const char *text, size_t size, const char *pattern, size_t length)
{
    for (size_t at = 0; at + length <= size; at++) {
        const char *found = memchr(text + at, pattern[0], size - length + 1 - at);
        if (!found || memcmp(found, pattern, length) == 0)
            return found;
        at = (size_t)(found - text);
    }
    return NULL;
}

static const char *find_pattern(const struct pretokenizer_stage *stage, const char *text, size_t size)
{
    const struct bytes *pattern = &stage->pattern;
    return pattern->size <= 4 ? find_character(text, size, pattern->data, pattern->size)
                              : memmem(text, size, pattern->data, pattern->size);
}

static size_t segment_by_pattern(const struct pretokenizer_stage *stage, const char *text, size_t size, bool *matched)
{
    const struct bytes *pattern = &stage->pattern;
    *matched = size >= pattern->size && memcmp(text, pattern->data, pattern->size) == 0;
    if (*matched)
        return pattern->size;
    const char *next = find_pattern(stage, text, size);
    return next ? (size_t)(next - text) : size;
}

/* The expression that ByteLevel cuts with. */
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

static enum kind gpt2_kind(uint32_t code)
{
    return unicode_letter(code) ? LETTER : unicode_number(code) ? NUMBER : unicode_space(code) ? SPACE : OTHER;
}

static size_t contraction(const char *text, size_t size)
{
    static const char endings[][3] = {"s", "t", "re", "ve", "m", "ll", "d"};
    for (size_t i = 0; text[0] == '\'' && i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);
        if (length < size && memcmp(text + 1, endings[i], length) == 0)
            return 1 + length;
    }
    return 0;
}

static size_t segment_gpt2(const struct pretokenizer_stage *stage, const char *text, size_t size, bool *matched)
{
    *matched = true; /* the expression leaves nothing out */
    size_t length = contraction(text, size);
    if (length != 0)
        return length;
    size_t blank = size > 1 && text[0] == ' ';
    enum kind kind = kind_at(stage, text + blank, size - blank, &length);
    if (kind != SPACE)
        return blank + run(stage, text + blank, size - blank, kind);
    size_t end = run(stage, text, size, SPACE), last = end - 1;
    while (utf8_continues(text[last]))
        last--;
    /* The last space before another segment belongs to that segment or is a segment of its own. */
    return end == size || last == 0 ? end : last;
}

/* ---- cutting ---- */

/* Whether a segment joins the one before it. */
static bool joins(enum deberta_behavior behavior, bool before, bool matched)
{
    switch (behavior) {
    case DEBERTA_MERGED_WITH_PREVIOUS:
        return matched && !before;
    case DEBERTA_MERGED_WITH_NEXT:
        return before && !matched;
    case DEBERTA_CONTIGUOUS:
        return before == matched;
    default:
        return false;
    }
}

static enum deberta_status close_piece(const struct pretokenizer_stage *stage, size_t start, size_t end, bool matched,
                                       struct pieces *out)
{
    if (matched && stage->behavior == DEBERTA_REMOVED)
        return DEBERTA_OK;
    return pieces_append(out, (struct piece){start, end, -1});
}

static enum deberta_status cut_piece(const struct pretokenizer_stage *stage, const char *text,
                                     const struct piece *piece, struct pieces *out)
{
    size_t start = piece->start, end = start, asked = start;
    bool before = false;
    while (end < piece->end) {
        TRY(watch_pass(end, &asked));
        bool matched;
        size_t size = stage->segment(stage, text + end, piece->end - end, &matched);
        matched = matched != stage->invert;
        if (end > start && !joins(stage->behavior, before, matched)) {
            TRY(close_piece(stage, start, end, before, out));
            start = end;
        }
        end += size;
        before = matched;
    }
    return close_piece(stage, start, end, before, out);
}

static enum deberta_status cut_pieces(const struct pretokenizer_stage *stage, const struct cut *cut, struct pieces *out)
{
    out->size = 0;
    for (size_t i = 0; i < cut->pieces.size; i++) {
        const struct piece *piece = &cut->pieces.data[i];
        TRY(watch_look(piece->end - piece->start));
        if (piece->token >= 0)
            TRY(pieces_append(out, *piece));
        else
            TRY(cut_piece(stage, cut->text.text.data, piece, out));
    }
    return DEBERTA_OK;
}

/* ---- spaces ---- */

static bool prepends(const struct pretokenizer_stage *stage, const struct aligned *from, const struct piece *piece)
{
    assert(stage->prepending != FIRST || from->tracked);
    if (stage->prepending == NEVER || (stage->prepending == FIRST && aligned_span(from, piece->start).start != 0))
        return false;
    const char *text = from->text.data + piece->start;
    const struct bytes *mark = &stage->pattern;
    bool marked = piece->end - piece->start >= mark->size && memcmp(text, mark->data, mark->size) == 0;
    return !marked && text[0] != ' ';
}

/* The place of the next byte; the room is reserved. */
struct cursor {
    char *text;
    struct span *spans; /* NULL when not tracked */
};

static inline void put(struct cursor *to, const char *text, size_t size, struct span span)
{
    for (size_t i = 0; i < size; i++) {
        *to->text++ = text[i];
        if (to->spans)
            *to->spans++ = span;
    }
}

static enum deberta_status open_room(struct aligned *text, size_t size, struct cursor *to)
{
    TRY(aligned_reserve(text, size));
    to->text = text->text.data + text->text.size;
    to->spans = text->tracked ? text->spans.data + text->spans.size : NULL;
    return DEBERTA_OK;
}

static void close_room(struct aligned *text, const struct cursor *to)
{
    text->text.size = (size_t)(to->text - text->text.data);
    text->spans.size = text->tracked ? text->text.size : 0;
}

/* Writes a piece or, if `cuts`, one piece per mark, which begins with the mark. */
static enum deberta_status replace_spaces(const struct pretokenizer_stage *stage, const struct aligned *from,
                                          const struct piece *piece, bool cuts, struct cut *to)
{
    const char *bytes = from->text.data, *mark = stage->pattern.data;
    size_t length = stage->pattern.size, start = to->text.text.size, asked = piece->start;
    struct cursor cursor;
    TRY(open_room(&to->text, (piece->end - piece->start + 1) * length, &cursor));
    if (prepends(stage, from, piece))
        put(&cursor, mark, length, aligned_span(from, piece->start));
    for (size_t at = piece->start; at < piece->end; at++) {
        if (bytes[at] != ' ') {
            put(&cursor, &bytes[at], 1, aligned_span(from, at));
            continue;
        }
        TRY(watch_pass(at, &asked));
        size_t end = (size_t)(cursor.text - to->text.text.data);
        if (cuts && end != start) {
            TRY(pieces_append(&to->pieces, (struct piece){start, end, -1}));
            start = end;
        }
        put(&cursor, mark, length, aligned_span(from, at));
    }
    close_room(&to->text, &cursor);
    return pieces_append(&to->pieces, (struct piece){start, to->text.text.size, -1});
}

static enum deberta_status replace_all_spaces(const struct pretokenizer_stage *stage, const struct cut *from, bool cuts,
                                              struct cut *to)
{
    cut_clear(to);
    for (size_t i = 0; i < from->pieces.size; i++) {
        const struct piece *piece = &from->pieces.data[i];
        TRY(watch_look(piece->end - piece->start));
        if (piece->token < 0) {
            TRY(replace_spaces(stage, &from->text, piece, cuts, to));
            continue;
        }
        size_t start = to->text.text.size;
        TRY(aligned_copy(&to->text, &from->text, piece->start, piece->end));
        TRY(pieces_append(&to->pieces, (struct piece){start, to->text.text.size, piece->token}));
    }
    return DEBERTA_OK;
}

static void swap_cuts(struct cut *a, struct cut *b)
{
    struct cut swap = *a;
    *a = *b;
    *b = swap;
}

static enum deberta_status apply(const struct pretokenizer_stage *stage, struct cut *cut, struct cut *spare)
{
    const struct bytes *text = &cut->text.text;
    bool cuts = false;
    if (stage->replaces) {
        /* If the text has no mark, only the marks written here are cut at. */
        cuts = stage->segment == segment_by_pattern && text->size != 0 && !find_pattern(stage, text->data, text->size);
        TRY(replace_all_spaces(stage, cut, cuts, spare));
        swap_cuts(cut, spare);
    }
    if (stage->segment && !cuts) {
        TRY(cut_pieces(stage, cut, &spare->pieces));
        struct pieces swap = cut->pieces;
        cut->pieces = spare->pieces;
        spare->pieces = swap;
    }
    return DEBERTA_OK;
}

enum deberta_status pretokenizers_apply(const struct pretokenizers *pretokenizers, struct cut *cut, struct cut *spare)
{
    for (size_t i = 0; i < pretokenizers->count; i++)
        TRY(apply(&pretokenizers->stages[i], cut, spare));
    return DEBERTA_OK;
}

/* ---- from a tokenizer.json ---- */

static void use_kinds(struct pretokenizer_stage *stage, segment_of *segment, kind_of *kind)
{
    stage->segment = segment;
    stage->kind = kind;
    for (uint32_t byte = 0; byte < 256; byte++)
        stage->kinds[byte] = (unsigned char)(byte < 128 ? kind(byte) : LONG);
}

static bool is(const char *type, const char *name)
{
    return strcmp(type, name) == 0;
}

static bool init_by_kind(struct pretokenizer_stage *stage, const struct deberta_stage *given)
{
    static const struct {
        const char *type;
        kind_of *kind;
        enum kind looked_for;
    } known[] = {
        {"BertPreTokenizer", bert_kind, SPACE}, {"Whitespace", word_kind, SPACE},
        {"WhitespaceSplit", space_kind, SPACE}, {"Punctuation", punctuation_kind, MARK},
        {"Digits", digit_kind, MARK},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (is(given->type, known[i].type)) {
            use_kinds(stage, segment_by_kind, known[i].kind);
            stage->looked_for = known[i].looked_for;
            stage->behavior = known[i].looked_for == SPACE ? DEBERTA_REMOVED : given->behavior;
            return true;
        }
    return false;
}

static enum deberta_status init_metaspace(struct pretokenizer_stage *stage, const struct deberta_stage *given)
{
    const struct deberta_text *mark = &given->content;
    struct character c = mark->size ? utf8_decode(mark->bytes, mark->size) : (struct character){0};
    if (!c.valid || c.size != mark->size)
        return fail(DEBERTA_FORMAT, "the replacement of Metaspace must be one character, not %zu bytes", mark->size);
    stage->replaces = true;
    stage->prepending = given->flags & DEBERTA_PREPEND_ALWAYS  ? ALWAYS
                        : given->flags & DEBERTA_PREPEND_FIRST ? FIRST
                                                               : NEVER;
    stage->segment = given->flags & DEBERTA_SPLIT ? segment_by_pattern : NULL;
    stage->behavior = DEBERTA_MERGED_WITH_NEXT;
    return bytes_append(&stage->pattern, mark->bytes, mark->size);
}

static enum deberta_status init_byte_level(struct pretokenizer_stage *stage, const struct deberta_stage *given)
{
    stage->byte_level = true;
    if (given->flags & DEBERTA_USE_REGEX)
        use_kinds(stage, segment_gpt2, gpt2_kind);
    if (!(given->flags & DEBERTA_PREFIX_SPACE))
        return DEBERTA_OK;
    stage->replaces = true;
    stage->prepending = ALWAYS;
    return bytes_append(&stage->pattern, " ", 1);
}

static enum deberta_status init_split(struct pretokenizer_stage *stage, const struct deberta_stage *given)
{
    const struct deberta_text *pattern = &given->pattern;
    stage->behavior = given->behavior;
    stage->invert = given->flags & DEBERTA_INVERT;
    if (given->flags & DEBERTA_REGEX) {
        if (pattern->size != strlen(GPT2) || memcmp(pattern->bytes, GPT2, pattern->size) != 0)
            return fail(DEBERTA_FORMAT, "pre-tokenizer Split: the expression '%.*s' is not known",
                        (int)min_size(pattern->size, 200), pattern->bytes);
        use_kinds(stage, segment_gpt2, gpt2_kind);
        return DEBERTA_OK;
    }
    if (pattern->size == 0 || !utf8_valid(pattern->bytes, pattern->size))
        return fail(DEBERTA_FORMAT, "pre-tokenizer Split: a pattern of %zu bytes is empty or not valid UTF-8",
                    pattern->size);
    stage->segment = segment_by_pattern;
    return bytes_append(&stage->pattern, pattern->bytes, pattern->size);
}

static enum deberta_status init_stage(struct pretokenizer_stage *stage, const struct deberta_stage *given)
{
    if (init_by_kind(stage, given))
        return DEBERTA_OK;
    if (is(given->type, "Metaspace"))
        return init_metaspace(stage, given);
    if (is(given->type, "ByteLevel"))
        return init_byte_level(stage, given);
    if (is(given->type, "Split"))
        return init_split(stage, given);
    return fail(DEBERTA_FORMAT, "the pre-tokenizer '%.100s' is not known", given->type);
}

enum deberta_status pretokenizers_init(struct pretokenizers *pretokenizers, const struct deberta_stage *stages,
                                       size_t count)
{
    *pretokenizers = (struct pretokenizers){0};
    void *block;
    TRY(memory_calloc(count, sizeof *pretokenizers->stages, &block));
    *pretokenizers = (struct pretokenizers){block, count};
    enum deberta_status status = DEBERTA_OK;
    for (size_t i = 0; status == DEBERTA_OK && i < count; i++) {
        status = init_stage(&pretokenizers->stages[i], &stages[i]);
        if (status == DEBERTA_OK && i > 0 && pretokenizers->stages[i - 1].byte_level)
            status = fail(DEBERTA_FORMAT, "the pre-tokenizer '%.100s' comes after ByteLevel", stages[i].type);
    }
    if (status != DEBERTA_OK)
        pretokenizers_release(pretokenizers);
    return status;
}

void pretokenizers_release(struct pretokenizers *pretokenizers)
{
    for (size_t i = 0; i < pretokenizers->count; i++)
        memory_free(pretokenizers->stages[i].pattern.data);
    memory_free(pretokenizers->stages);
    *pretokenizers = (struct pretokenizers){0};
}

bool pretokenizers_need_spans(const struct pretokenizers *pretokenizers)
{
    for (size_t i = 0; i < pretokenizers->count; i++)
        if (pretokenizers->stages[i].prepending == FIRST)
            return true;
    return false;
}

bool pretokenizers_have_byte_level(const struct pretokenizers *pretokenizers)
{
    for (size_t i = 0; i < pretokenizers->count; i++)
        if (pretokenizers->stages[i].byte_level)
            return true;
    return false;
}
