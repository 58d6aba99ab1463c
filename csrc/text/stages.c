/* SPDX-License-Identifier: Apache-2.0 */
#include "text/stages.h"

#include "base/watch.h"
#include "text/unicode/unicode.h"

/* ---- setting up ---- */

/* The added tokens of one kind. Those for normalised text get their normalised form, kept in `forms`. */
static enum deberta_status choose_added(const struct stages *stages, const struct deberta_tokenizer_spec *spec,
                                        bool normalized, struct deberta_added_token *chosen, size_t *count,
                                        struct bytes *forms)
{
    struct aligned text = {0}, spare = {0};
    enum deberta_status status = DEBERTA_OK;
    for (size_t i = 0; i < spec->added_count && status == DEBERTA_OK; i++) {
        struct deberta_added_token token = spec->added[i];
        if (token.normalized != normalized)
            continue;
        if (normalized) {
            aligned_clear(&text);
            status = aligned_read(&text, token.text.bytes, token.text.size, 0);
            if (status == DEBERTA_OK)
                status = normalizers_apply(&stages->normalizers, &text, &spare);
            if (status == DEBERTA_OK)
                status = bytes_append(forms, text.text.data, text.text.size);
            token.text = (struct deberta_text){NULL, text.text.size};
        }
        chosen[(*count)++] = token;
    }
    aligned_release(&text);
    aligned_release(&spare);
    return status == DEBERTA_ARGUMENT ? fail(DEBERTA_FORMAT, "an added token: %s", status_message()) : status;
}

static enum deberta_status init_added(const struct stages *stages, const struct deberta_tokenizer_spec *spec,
                                      bool normalized, struct added_tokens *added)
{
    void *block;
    struct bytes forms = {0};
    size_t count = 0;
    TRY(memory_alloc(spec->added_count, sizeof(struct deberta_added_token), &block));
    struct deberta_added_token *chosen = block;
    enum deberta_status status = choose_added(stages, spec, normalized, chosen, &count, &forms);
    for (size_t i = 0, start = 0; normalized && i < count && status == DEBERTA_OK; start += chosen[i++].text.size)
        chosen[i].text.bytes = forms.data + start;
    if (status == DEBERTA_OK)
        status = added_tokens_init(added, chosen, count);
    memory_free(chosen);
    memory_free(forms.data);
    return status;
}

static enum deberta_status init(struct stages *stages, const struct deberta_tokenizer_spec *spec)
{
    TRY(normalizers_init(&stages->normalizers, spec->normalizers, spec->normalizer_count,
                         spec->vocabulary.sentencepiece));
    TRY(pretokenizers_init(&stages->pretokenizers, spec->pretokenizers, spec->pretokenizer_count));
    TRY(init_added(stages, spec, false, &stages->raw));
    TRY(init_added(stages, spec, true, &stages->normalized));
    return subword_init(&stages->subword, &spec->vocabulary, pretokenizers_have_byte_level(&stages->pretokenizers));
}

enum deberta_status stages_init(struct stages *stages, const struct deberta_tokenizer_spec *spec)
{
    *stages = (struct stages){.marks_apart = spec->marks_apart};
    enum deberta_status status = init(stages, spec);
    if (status != DEBERTA_OK)
        stages_release(stages);
    return status;
}

void stages_release(struct stages *stages)
{
    added_tokens_release(&stages->raw);
    added_tokens_release(&stages->normalized);
    normalizers_release(&stages->normalizers);
    pretokenizers_release(&stages->pretokenizers);
    subword_release(&stages->subword);
}

void stages_scratch_release(struct stages_scratch *scratch)
{
    aligned_release(&scratch->text);
    aligned_release(&scratch->spare);
    cut_release(&scratch->cut);
    cut_release(&scratch->spare_cut);
    subword_scratch_release(&scratch->subword);
    memory_free(scratch->ranges.data);
}

/* ---- up to the pre-tokenizers ---- */

/* The state of cutting a text. */
struct reading {
    const struct stages *stages;
    struct stages_scratch *scratch;
    const char *text;
    uint32_t code_points; /* before the next segment */
    bool split_special;   /* special tokens are not found */
};

static uint32_t count_code_points(const char *text, size_t size)
{
    uint32_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += !utf8_continues(text[i]);
    return count;
}

/* Appends bytes [start, end) of the normalised segment as one piece. */
static enum deberta_status append_piece(struct stages_scratch *scratch, size_t start, size_t end, int32_t token)
{
    struct cut *cut = &scratch->cut;
    if (start == end)
        return DEBERTA_OK;
    size_t at = cut->text.text.size;
    TRY(watch_look(end - start));
    TRY(aligned_copy(&cut->text, &scratch->text, start, end));
    return pieces_append(&cut->pieces, (struct piece){at, cut->text.text.size, token});
}

/* Reads [start, end) of the given text into scratch->text. */
static enum deberta_status read_segment(struct reading *r, size_t start, size_t end)
{
    struct aligned *text = &r->scratch->text;
    aligned_clear(text);
    TRY(aligned_read(text, r->text + start, end - start, r->code_points));
    if (text->tracked)
        r->code_points += count_code_points(r->text + start, end - start);
    return DEBERTA_OK;
}

static enum deberta_status normalize_segment(struct reading *r, size_t start, size_t end)
{
    struct stages_scratch *scratch = r->scratch;
    const struct added_tokens *normalized = &r->stages->normalized;
    if (start == end)
        return DEBERTA_OK;
    TRY(read_segment(r, start, end));
    TRY(normalizers_apply(&r->stages->normalizers, &scratch->text, &scratch->spare));
    const struct bytes *text = &scratch->text.text;
    for (size_t at = 0; at < text->size;) {
        struct added_match match = added_tokens_find(normalized, text->data, text->size, at, r->split_special);
        TRY(append_piece(scratch, at, match.start, -1));
        TRY(append_piece(scratch, match.start, match.end, match.id));
        at = match.end;
    }
    return DEBERTA_OK;
}

/* Cuts the text between two tokens found in the given text. */
static enum deberta_status cut_segment(struct reading *r, size_t start, size_t end)
{
    size_t asked = start;
    for (size_t i = start; r->stages->marks_apart && i < end;) {
        TRY(watch_pass(i, &asked));
        struct character c = utf8_decode(r->text + i, end - i);
        if (unicode_punctuation(c.code)) {
            TRY(normalize_segment(r, start, i));
            TRY(normalize_segment(r, i, i + c.size));
            start = i + c.size;
        }
        i += c.size;
    }
    return normalize_segment(r, start, end);
}

static enum deberta_status cut_text(struct reading *r, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct added_match match = added_tokens_find(&r->stages->raw, r->text, size, at, r->split_special);
        TRY(cut_segment(r, at, match.start));
        if (match.id >= 0) {
            TRY(read_segment(r, match.start, match.end));
            TRY(append_piece(r->scratch, 0, r->scratch->text.text.size, match.id));
        }
        at = match.end;
    }
    return DEBERTA_OK;
}

/* ---- from words to tokens ---- */

static enum deberta_status append_string(struct tokens *tokens, const char *text, size_t size)
{
    if (!(tokens->wanted & DEBERTA_WANT_STRINGS))
        return DEBERTA_OK;
    TRY(bytes_append(&tokens->strings, text, size));
    return ids_append(&tokens->string_end, (int32_t)tokens->strings.size);
}

/* The span that bytes [start, end) come from; for an empty range, the place where it begins. */
static struct span span_of(const struct aligned *text, size_t start, size_t end)
{
    if (start < end)
        return (struct span){aligned_span(text, start).start, aligned_span(text, end - 1).end};
    uint32_t at = start < text->text.size ? aligned_span(text, start).start
                  : start > 0             ? aligned_span(text, start - 1).end
                                          : 0;
    return (struct span){at, at};
}

/* The string of an added token, and of Unigram's unknown token, is the text itself; other tokens have their own. */
static enum deberta_status describe(const struct stages *stages, const struct cut *cut, struct piece piece, int32_t id,
                                    struct span range, struct tokens *tokens)
{
    size_t start = piece.start + range.start, end = piece.start + range.end;
    bool own = piece.token < 0 && (stages->subword.type != DEBERTA_UNIGRAM || id != stages->subword.unigram.unknown);
    TRY(append_string(tokens, cut->text.text.data + start, own ? 0 : end - start));
    if (!(tokens->wanted & DEBERTA_WANT_SPANS))
        return DEBERTA_OK;
    return spans_append(&tokens->spans, span_of(&cut->text, start, end));
}

static enum deberta_status encode_piece(const struct stages *stages, struct stages_scratch *scratch, struct piece piece,
                                        int32_t word, struct tokens *tokens)
{
    TRY(watch_look(piece.end - piece.start));
    size_t before = tokens->ids.size;
    bool ranges = tokens->wanted & (DEBERTA_WANT_SPANS | DEBERTA_WANT_STRINGS);
    scratch->ranges.size = 0;
    if (piece.token >= 0) {
        TRY(ids_append(&tokens->ids, piece.token));
        TRY(spans_append(&scratch->ranges, (struct span){0, (uint32_t)(piece.end - piece.start)}));
    } else {
        TRY(subword_encode(&stages->subword, &scratch->subword, scratch->cut.text.text.data + piece.start,
                           piece.end - piece.start, &tokens->ids, ranges ? &scratch->ranges : NULL));
    }
    size_t count = tokens->ids.size - before, asked = 0;
    for (size_t i = 0; ranges && i < count; i++) {
        TRY(watch_pass(i, &asked));
        TRY(describe(stages, &scratch->cut, piece, tokens->ids.data[before + i], scratch->ranges.data[i], tokens));
    }
    for (size_t i = 0; (tokens->wanted & DEBERTA_WANT_WORDS) && i < count; i++)
        TRY(ids_append(&tokens->words, word));
    return DEBERTA_OK;
}

enum deberta_status stages_encode(const struct stages *stages, struct stages_scratch *scratch, struct deberta_text text,
                                  bool split_special, struct tokens *tokens)
{
    if (text.size >= INT32_MAX)
        return fail(DEBERTA_ARGUMENT, "a text of %zu bytes is too long; the limit is 2 GB", text.size);
    bool tracked = (tokens->wanted & DEBERTA_WANT_SPANS) || pretokenizers_need_spans(&stages->pretokenizers);
    scratch->text.tracked = scratch->spare.tracked = tracked;
    scratch->cut.text.tracked = scratch->spare_cut.text.tracked = tracked;
    cut_clear(&scratch->cut);
    struct reading reading = {stages, scratch, text.bytes, 0, split_special};
    TRY(cut_text(&reading, text.size));
    TRY(pretokenizers_apply(&stages->pretokenizers, &scratch->cut, &scratch->spare_cut));
    const struct pieces *pieces = &scratch->cut.pieces;
    int32_t word = tokens->words.size ? tokens->words.data[tokens->words.size - 1] + 1 : 0;
    for (size_t i = 0; i < pieces->size; i++)
        TRY(encode_piece(stages, scratch, pieces->data[i], word + (int32_t)i, tokens));
    return DEBERTA_OK;
}
