/* SPDX-License-Identifier: Apache-2.0 */
/* Most stages rewrite the text from its start: they copy the run that stays unchanged, then a step changes the next
 * characters, until the text ends. A text that stays unchanged is not copied. */
#include "text/stages/normalizers.h"

#include <stdio.h>
#include <string.h>

#include "base/watch.h"
#include "text/spm/spm_normalizer.h"
#include "text/unicode/normal_forms.h"
#include "text/unicode/unicode.h"

#define LONGEST 3 /* most code points that a stage replaces one character by */

/* Of a text that is not empty. */
typedef enum deberta_status apply_of(const struct normalizer_stage *stage, struct aligned *text, struct aligned *spare);
typedef size_t run_of(const struct normalizer_stage *stage, const char *text, size_t size);
typedef enum deberta_status step_of(const struct normalizer_stage *stage, const struct aligned *from, size_t *at,
                                    struct aligned *to);
/* Whether a character changes, into how many code points, and which. */
typedef bool touches_of(uint32_t code);
typedef size_t change_of(uint32_t code, uint32_t out[LONGEST]);

/* A regular expression: a run of spaces, or one of a few characters. */
struct expression {
    const char *text;
    bool any_space; /* White_Space; otherwise U+0020 */
    size_t least;   /* characters of the run */
    const char *singles;
};

struct normalizer_stage {
    char name[24]; /* as in the file */
    apply_of *apply;
    run_of *run; /* of a stage that rewrites */
    step_of *step;
    touches_of *touches; /* of a stage that changes characters one by one */
    change_of *change;
    bool ascii[128]; /* whether it changes these bytes */
    bool plain;      /* it does not change printable ASCII */
    enum unicode_form form;
    unsigned flags;
    const struct expression *expression; /* NULL: the pattern is replaced literally */
    struct bytes pattern, content;
    struct spm_normalizer normalizer; /* of Precompiled and Spm */
};

static void swap(struct aligned *a, struct aligned *b)
{
    struct aligned old = *a;
    *a = *b;
    *b = old;
}

static enum deberta_status rewrite(const struct normalizer_stage *stage, struct aligned *text, struct aligned *spare)
{
    const char *bytes = text->text.data;
    size_t size = text->text.size, at = 0;
    size_t run = stage->run(stage, bytes, size);
    if (run == size)
        return watch_look(run);
    aligned_clear(spare);
    while (at < size) {
        TRY(watch_look(1 + run));
        TRY(aligned_copy(spare, text, at, at + run));
        at += run;
        if (at < size)
            TRY(stage->step(stage, text, &at, spare));
        run = stage->run(stage, bytes + at, size - at);
    }
    swap(text, spare);
    return DEBERTA_OK;
}

/* ---- one character after the other ---- */

static size_t run_untouched(const struct normalizer_stage *stage, const char *text, size_t size)
{
    size_t at = 0, asked = 0;
    while (at < size) {
        if (watch_pass(at, &asked) != DEBERTA_OK)
            return size;
        if (stage->plain)
            at += printable_run(text + at, size - at);
        while (at < size && (unsigned char)text[at] < 0x80 && !stage->ascii[(unsigned char)text[at]])
            at++;
        if (at == size || (unsigned char)text[at] < 0x80)
            break;
        struct character c = utf8_decode_long(text + at, size - at);
        if (stage->touches(c.code))
            break;
        at += c.size;
    }
    return at;
}

static enum deberta_status step_character(const struct normalizer_stage *stage, const struct aligned *from, size_t *at,
                                          struct aligned *to)
{
    struct character c = utf8_decode(from->text.data + *at, from->text.size - *at);
    uint32_t codes[LONGEST];
    char bytes[4 * LONGEST];
    size_t written = 0, count = stage->change(c.code, codes);
    for (size_t i = 0; i < count; i++)
        written += utf8_encode(codes[i], bytes + written);
    TRY(aligned_put(to, bytes, written, aligned_span(from, *at)));
    *at += c.size;
    return DEBERTA_OK;
}

static size_t change_to_nothing(uint32_t code, uint32_t out[LONGEST])
{
    (void)code, (void)out;
    return 0;
}

static size_t change_lower(uint32_t code, uint32_t out[LONGEST])
{
    return unicode_lower(code, out);
}

static bool touches_unclean(uint32_t code)
{
    return unicode_control(code) || (code != ' ' && unicode_space(code));
}

static size_t change_unclean(uint32_t code, uint32_t out[LONGEST])
{
    out[0] = ' ';
    return unicode_control(code) ? 0 : 1;
}

static size_t change_chinese(uint32_t code, uint32_t out[LONGEST])
{
    out[0] = out[2] = ' ';
    out[1] = code;
    return 3;
}

static bool vanishes_in_nmt(uint32_t code)
{
    return (code >= 0x01 && code <= 0x08) || code == 0x0B || (code >= 0x0E && code <= 0x1F) || code == 0x7F ||
           code == 0x8F || code == 0x9F;
}

static bool touches_nmt(uint32_t code)
{
    return vanishes_in_nmt(code) || code == 0x09 || code == 0x0A || code == 0x0C || code == 0x0D || code == 0x1680 ||
           (code >= 0x200B && code <= 0x200F) || code == 0x2028 || code == 0x2029 || code == 0x2581 || code == 0xFEFF ||
           code == REPLACEMENT_CHARACTER;
}

static size_t change_nmt(uint32_t code, uint32_t out[LONGEST])
{
    out[0] = ' ';
    return vanishes_in_nmt(code) ? 0 : 1;
}

static void use_characters(struct normalizer_stage *stage, touches_of *touches, change_of *change)
{
    stage->apply = rewrite;
    stage->run = run_untouched;
    stage->step = step_character;
    stage->touches = touches;
    stage->change = change;
    stage->plain = true;
    for (uint32_t code = 0; code < 128; code++) {
        stage->ascii[code] = touches(code);
        stage->plain &= !stage->ascii[code] || code < 0x20 || code == 0x7F;
    }
}

/* ---- normal forms ---- */

static size_t run_of_form(const struct normalizer_stage *stage, const char *text, size_t size)
{
    return normal_forms_run(stage->form, text, size);
}

static enum deberta_status step_form(const struct normalizer_stage *stage, const struct aligned *from, size_t *at,
                                     struct aligned *to)
{
    return form_apply(stage->form, from, at, to);
}

static void use_form(struct normalizer_stage *stage, enum unicode_form form)
{
    stage->apply = rewrite;
    stage->run = run_of_form;
    stage->step = step_form;
    stage->form = form;
}

/* ---- Replace ---- */

static size_t match_expression(const struct expression *expression, const char *text, size_t size)
{
    size_t length = 0, count = 0;
    for (; length < size; count++) {
        struct character c = utf8_decode(text + length, size - length);
        if (expression->any_space ? !unicode_space(c.code) : c.code != ' ')
            break;
        length += c.size;
    }
    if (count >= expression->least)
        return length;
    return *text != '\0' && strchr(expression->singles, *text) ? 1 : 0;
}

static size_t run_to_expression(const struct normalizer_stage *stage, const char *text, size_t size)
{
    size_t at = 0, asked = 0;
    while (at < size) {
        if (watch_pass(at, &asked) != DEBERTA_OK)
            return size;
        if (text[at] > ' ') { /* ASCII except the space */
            at++;
            continue;
        }
        struct character c = utf8_decode(text + at, size - at);
        if (unicode_space(c.code) && match_expression(stage->expression, text + at, size - at) != 0)
            break;
        at += c.size;
    }
    return at;
}

/* The start of every match of the pattern. */
static size_t run_to_pattern(const struct normalizer_stage *stage, const char *text, size_t size)
{
    const char *found = size ? memmem(text, size, stage->pattern.data, stage->pattern.size) : NULL;
    return found ? (size_t)(found - text) : size;
}

/* The replacement gets the span of the last character of the match. */
static enum deberta_status step_replace(const struct normalizer_stage *stage, const struct aligned *from, size_t *at,
                                        struct aligned *to)
{
    const char *text = from->text.data + *at;
    size_t length = stage->pattern.size;
    if (stage->expression)
        length = match_expression(stage->expression, text, from->text.size - *at);
    *at += length;
    return aligned_put(to, stage->content.data, stage->content.size, aligned_span(from, *at - 1));
}

static const struct expression *find_expression(const struct deberta_text *text)
{
    static const struct expression known[] = {
        {" {2,}", false, 2, ""},
        {" +", false, 1, ""},
        {"\\s{2,}|[\\n\\r\\t]", true, 2, "\n\r\t"},
        {"\\s+", true, 1, ""},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text->size == strlen(known[i].text) && memcmp(text->bytes, known[i].text, text->size) == 0)
            return &known[i];
    return NULL;
}

static enum deberta_status init_replace(struct normalizer_stage *stage, const struct deberta_stage *given)
{
    const struct deberta_text *pattern = &given->pattern, *content = &given->content;
    stage->apply = rewrite;
    stage->run = run_to_pattern;
    stage->step = step_replace;
    TRY(bytes_append(&stage->content, content->bytes, content->size));
    if (!(given->flags & DEBERTA_REGEX)) {
        if (pattern->size == 0)
            return fail(DEBERTA_FORMAT, "the normalizer 'Replace' has an empty pattern");
        return bytes_append(&stage->pattern, pattern->bytes, pattern->size);
    }
    stage->expression = find_expression(pattern);
    if (!stage->expression)
        return fail(DEBERTA_FORMAT, "the normalizer 'Replace': the expression '%.*s' is not known",
                    (int)min_size(pattern->size, 200), pattern->size ? pattern->bytes : "");
    if (content->size != 0 && memchr(content->bytes, '$', content->size))
        return fail(DEBERTA_FORMAT,
                    "the normalizer 'Replace': a content with '$' (a group of the match) is not supported");
    if (stage->expression->any_space) {
        stage->run = run_to_expression;
        return DEBERTA_OK;
    }
    return bytes_append(&stage->pattern, "  ", stage->expression->least);
}

/* ---- Precompiled ---- */

/* State of the replacements. A character gets the span at the cursor, which is its own place in the old text, except
 * when characters were removed before anything was written: tokenizers does not count these, and the spans of all later
 * characters are too early. */
struct replacing {
    const struct aligned *from;
    struct aligned *to;
    size_t cursor;
    bool added; /* the last written character shares its span with the one before */
};

static void advance(struct replacing *r)
{
    r->cursor += utf8_size(r->from->text.data[r->cursor]);
}

static enum deberta_status place(struct replacing *r, const char *text, size_t size)
{
    TRY(aligned_put(r->to, text, size, aligned_span(r->from, r->cursor)));
    r->added = false;
    advance(r);
    return DEBERTA_OK;
}

/* Copies characters [start, end) of the old text. */
static enum deberta_status keep(struct replacing *r, size_t start, size_t end)
{
    if (start == end)
        return DEBERTA_OK;
    if (!r->to->tracked || r->cursor == start) {
        r->cursor = end;
        r->added = false;
        return aligned_copy(r->to, r->from, start, end);
    }
    for (size_t size; start < end; start += size) {
        size = utf8_size(r->from->text.data[start]);
        TRY(place(r, r->from->text.data + start, size));
    }
    return DEBERTA_OK;
}

/* Removes `count` characters after the last written one, which gets the span of the first of them if it shared its
 * span. */
static void vanish(struct replacing *r, size_t count)
{
    size_t last = r->to->text.size;
    if (last == 0)
        return;
    while (r->added) {
        r->to->spans.data[--last] = aligned_span(r->from, r->cursor);
        r->added = utf8_continues(r->to->text.data[last]);
    }
    while (count-- > 0)
        advance(r);
}

/* Replaces `count` characters of the old text. */
static enum deberta_status substitute(struct replacing *r, size_t count, const struct replacement *replacement)
{
    if (!r->to->tracked)
        return aligned_put(r->to, replacement->text, replacement->size, (struct span){0, 0});
    for (size_t at = 0, size; at < replacement->size; at += size) {
        const char *text = replacement->text + at;
        size = utf8_size(*text);
        if (count > 0) {
            TRY(place(r, text, size));
            count--;
        } else {
            TRY(aligned_put(r->to, text, size, aligned_span(r->from, r->cursor - 1)));
            r->added = true;
        }
    }
    if (count > 0)
        vanish(r, count);
    return DEBERTA_OK;
}

static size_t count_characters(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += !utf8_continues(text[i]);
    return count;
}

static enum deberta_status apply_precompiled(const struct normalizer_stage *stage, struct aligned *text,
                                             struct aligned *spare)
{
    const struct spm_normalizer *normalizer = &stage->normalizer;
    struct replacing r = {.from = text, .to = spare};
    const char *bytes = text->text.data;
    size_t size = text->text.size, kept = 0, cluster = 0; /* [kept, at) stays unchanged */
    bool changed = false;
    aligned_clear(spare);
    for (size_t at = 0; at < size;) {
        size_t run = normalizer->keeps_ascii && cluster == 0 ? charsmap_plain_run(bytes + at, size - at) : 0;
        at += run;
        if (run != 0)
            continue;
        struct replacement next = charsmap_next(&normalizer->charsmap, bytes + at, size - at, &cluster);
        if (next.text != bytes + at) {
            TRY(keep(&r, kept, at));
            TRY(substitute(&r, count_characters(bytes + at, next.consumed), &next));
            kept = at + next.consumed;
            changed = true;
        }
        at += next.consumed;
        TRY(watch_look(next.consumed));
    }
    if (!changed)
        return DEBERTA_OK;
    TRY(keep(&r, kept, size));
    swap(text, spare);
    return DEBERTA_OK;
}

static enum deberta_status init_charsmap(struct normalizer_stage *stage, const struct deberta_stage *given)
{
    struct spm_normalizer *normalizer = &stage->normalizer;
    TRY(charsmap_init(&normalizer->charsmap, given->pattern.bytes, given->pattern.size));
    normalizer->keeps_ascii = charsmap_keeps_ascii(&normalizer->charsmap);
    return DEBERTA_OK;
}

/* ---- the whole text ---- */

static enum deberta_status apply_strip(const struct normalizer_stage *stage, struct aligned *text,
                                       struct aligned *spare)
{
    (void)spare;
    char *bytes = text->text.data;
    size_t start = 0, end = text->text.size;
    if (stage->flags & DEBERTA_STRIP_LEFT)
        start = spm_normalizer_strip_left(bytes, start, end);
    if (stage->flags & DEBERTA_STRIP_RIGHT)
        end = spm_normalizer_strip_right(bytes, start, end);
    text->text.size = end - start;
    if (start != 0)
        memmove(bytes, bytes + start, end - start);
    if (!text->tracked)
        return DEBERTA_OK;
    text->spans.size = end - start;
    if (start != 0)
        memmove(text->spans.data, text->spans.data + start, (end - start) * sizeof *text->spans.data);
    return DEBERTA_OK;
}

/* The prepended text gets the span of the first character. */
static enum deberta_status apply_prepend(const struct normalizer_stage *stage, struct aligned *text,
                                         struct aligned *spare)
{
    aligned_clear(spare);
    TRY(aligned_put(spare, stage->content.data, stage->content.size, aligned_span(text, 0)));
    TRY(aligned_copy(spare, text, 0, text->text.size));
    swap(text, spare);
    return DEBERTA_OK;
}

/* The span before byte `at`; the text is not empty. */
static uint32_t origin(const struct aligned *text, size_t at)
{
    return at < text->text.size ? aligned_span(text, at).start : aligned_span(text, at - 1).end;
}

/* As in sentencepiece: the span of a byte ends where that of the next one starts. */
static enum deberta_status apply_spm(const struct normalizer_stage *stage, struct aligned *text, struct aligned *spare)
{
    struct spans *spans = spare->tracked ? &spare->spans : NULL;
    aligned_clear(spare);
    TRY(spm_normalizer_apply_from(&stage->normalizer, text->text.data, text->text.size, &spare->text, spans));
    for (size_t i = 0; spans && i < spans->size; i++)
        spans->data[i].start = origin(text, spans->data[i].start);
    for (size_t i = 0; spans && i + 1 < spans->size; i++)
        spans->data[i].end = spans->data[i + 1].start;
    if (spans)
        spans->size = spare->text.size;
    swap(text, spare);
    return DEBERTA_OK;
}

/* ---- from a tokenizer.json ---- */

static bool is(const char *type, const char *name)
{
    return strcmp(type, name) == 0;
}

/* BertNormalizer becomes several stages; returns their number. */
static size_t init_bert(struct normalizer_stage *stages, unsigned flags)
{
    size_t count = 0;
    if (flags & DEBERTA_CLEAN_TEXT)
        use_characters(&stages[count++], touches_unclean, change_unclean);
    if (flags & DEBERTA_CHINESE_CHARS)
        use_characters(&stages[count++], unicode_chinese, change_chinese);
    if (flags & DEBERTA_STRIP_ACCENTS) {
        use_form(&stages[count++], UNICODE_NFD);
        use_characters(&stages[count++], unicode_accent, change_to_nothing);
    }
    if (flags & DEBERTA_LOWERCASE)
        use_characters(&stages[count++], unicode_upper, change_lower);
    return count;
}

static bool init_simple(struct normalizer_stage *stage, const char *type)
{
    static const char *const forms[] = {"NFC", "NFD", "NFKC", "NFKD"}; /* as enum unicode_form */
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (is(type, forms[i]))
            use_form(stage, (enum unicode_form)i);
    if (is(type, "Lowercase"))
        use_characters(stage, unicode_upper, change_lower);
    if (is(type, "StripAccents"))
        use_characters(stage, unicode_mark, change_to_nothing);
    if (is(type, "Nmt"))
        use_characters(stage, touches_nmt, change_nmt);
    if (is(type, "Strip"))
        stage->apply = apply_strip;
    return stage->apply;
}

static enum deberta_status init_stage(struct normalizer_stage *stage, const struct deberta_stage *given,
                                      const struct deberta_spm *spm)
{
    snprintf(stage->name, sizeof stage->name, "%s", given->type);
    stage->flags = given->flags;
    if (init_simple(stage, given->type))
        return DEBERTA_OK;
    if (is(given->type, "Replace"))
        return init_replace(stage, given);
    if (spm && is(given->type, "Spm")) {
        stage->apply = apply_spm;
        return spm_normalizer_init(&stage->normalizer, spm);
    }
    if (is(given->type, "Precompiled")) {
        stage->apply = apply_precompiled;
        return init_charsmap(stage, given);
    }
    if (is(given->type, "Prepend")) {
        stage->apply = apply_prepend;
        return bytes_append(&stage->content, given->content.bytes, given->content.size);
    }
    return fail(DEBERTA_FORMAT, "the normalizer '%.100s' is not known", given->type);
}

enum deberta_status normalizers_init(struct normalizers *normalizers, const struct deberta_stage *stages, size_t count,
                                     const struct deberta_spm *spm)
{
    *normalizers = (struct normalizers){0};
    size_t most = 0;
    for (size_t i = 0; i < count; i++)
        most += is(stages[i].type, "BertNormalizer") ? 5 : 1;
    void *block;
    TRY(memory_calloc(most, sizeof *normalizers->stages, &block));
    normalizers->stages = block;
    for (size_t i = 0; i < count; i++) {
        struct normalizer_stage *next = &normalizers->stages[normalizers->count];
        if (is(stages[i].type, "BertNormalizer")) {
            size_t made = init_bert(next, stages[i].flags);
            for (size_t k = 0; k < made; k++)
                memcpy(next[k].name, "BertNormalizer", sizeof "BertNormalizer");
            normalizers->count += made;
            continue;
        }
        normalizers->count++;
        enum deberta_status status = init_stage(next, &stages[i], spm);
        if (status != DEBERTA_OK) {
            normalizers_release(normalizers);
            return status;
        }
    }
    return DEBERTA_OK;
}

void normalizers_release(struct normalizers *normalizers)
{
    for (size_t i = 0; i < normalizers->count; i++) {
        struct normalizer_stage *stage = &normalizers->stages[i];
        memory_free(stage->pattern.data);
        memory_free(stage->content.data);
        spm_normalizer_release(&stage->normalizer);
    }
    memory_free(normalizers->stages);
    *normalizers = (struct normalizers){0};
}

/* The limit of a text: a series of stages that double it would fill any memory. */
static size_t most_bytes(size_t size)
{
    enum { GROWTH = 64, FREE = 1 << 20 };
    return min_size(FREE + GROWTH * size, INT32_MAX);
}

static enum deberta_status apply_all(const struct normalizers *normalizers, struct aligned *text, struct aligned *spare)
{
    for (size_t i = 0; i < normalizers->count && text->text.size != 0; i++) {
        const struct normalizer_stage *stage = &normalizers->stages[i];
        enum deberta_status status = stage->apply(stage, text, spare);
        if (status == DEBERTA_ARGUMENT)
            return fail(status, "the normalizer '%s' (number %zu of %zu): %s; the limit is 64 times its size plus 1 MB",
                        stage->name, i + 1, normalizers->count, status_message());
        TRY(status);
    }
    return DEBERTA_OK;
}

enum deberta_status normalizers_apply(const struct normalizers *normalizers, struct aligned *text,
                                      struct aligned *spare)
{
    text->most = spare->most = most_bytes(text->text.size);
    enum deberta_status status = apply_all(normalizers, text, spare);
    text->most = spare->most = 0;
    return status;
}
