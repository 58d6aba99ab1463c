/* SPDX-License-Identifier: Apache-2.0 */
#include "text/rows/template.h"

static enum deberta_status check_parts(const struct deberta_template_part *parts, size_t count, bool pair)
{
    const char *name = pair ? "pair" : "single text";
    size_t firsts = 0, seconds = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].id < 0 && parts[i].id != DEBERTA_SEQUENCE_A && parts[i].id != DEBERTA_SEQUENCE_B)
            return fail(DEBERTA_FORMAT, "part %zu of the template of a %s has the id %d", i, name, (int)parts[i].id);
        firsts += parts[i].id == DEBERTA_SEQUENCE_A;
        seconds += parts[i].id == DEBERTA_SEQUENCE_B;
    }
    if (firsts != 1 || seconds != pair)
        return fail(DEBERTA_FORMAT,
                    "the template of a %s has the first text %zu times and the second %zu times; it must have %s", name,
                    firsts, seconds, pair ? "each once" : "the first once, and no second");
    return DEBERTA_OK;
}

static enum deberta_status copy_parts(struct template_parts *to, const struct deberta_template_part *parts,
                                      size_t count)
{
    void *block;
    TRY(memory_alloc(count, sizeof *parts, &block));
    to->data = block;
    memcpy(to->data, parts, count * sizeof *parts);
    to->size = count;
    for (size_t i = 0; i < count; i++)
        to->special += parts[i].id >= 0;
    return DEBERTA_OK;
}

enum deberta_status template_init(struct template *template, const struct deberta_tokenizer_spec *spec)
{
    *template = (struct template){0};
    TRY(check_parts(spec->single, spec->single_count, false));
    TRY(check_parts(spec->pair, spec->pair_count, true));
    TRY(copy_parts(&template->single, spec->single, spec->single_count));
    return copy_parts(&template->pair, spec->pair, spec->pair_count);
}

void template_release(struct template *template)
{
    memory_free(template->single.data);
    memory_free(template->pair.data);
    *template = (struct template){0};
}

static const struct template_parts *parts_of(const struct template *template, bool pair)
{
    return pair ? &template->pair : &template->single;
}

size_t template_added(const struct template *template, bool pair)
{
    return parts_of(template, pair)->special;
}

/* ---- rows ---- */

enum deberta_status row_buffer_reserve(struct row_buffer *rows, size_t more)
{
    TRY(tokens_reserve(&rows->tokens, more));
    TRY(bytes_reserve(&rows->types, more));
    return rows->tokens.wanted & DEBERTA_WANT_SEQUENCES ? bytes_reserve(&rows->sequences, more) : DEBERTA_OK;
}

void row_buffer_release(struct row_buffer *rows)
{
    tokens_release(&rows->tokens);
    memory_free(rows->types.data);
    memory_free(rows->sequences.data);
    rows->types = rows->sequences = (struct bytes){0};
}

/* Appends ids and types; the room is reserved. */
static void put_tokens(const struct template_parts *parts, bool special, const struct stretch *first,
                       const struct stretch *second, struct row_buffer *rows)
{
    int32_t *ids = rows->tokens.ids.data + rows->tokens.ids.size;
    char *types = rows->types.data + rows->types.size;
    size_t size = 0;
    for (size_t i = 0; i < parts->size; i++) {
        struct deberta_template_part part = parts->data[i];
        if (part.id >= 0) {
            if (special) {
                ids[size] = part.id;
                types[size++] = (char)part.type;
            }
            continue;
        }
        const struct stretch *text = part.id == DEBERTA_SEQUENCE_A ? first : second;
        size_t count = text->end - text->start;
        if (count == 0)
            continue;
        memcpy(ids + size, text->tokens->ids.data + text->start, count * sizeof *ids);
        memset(types + size, part.type, count);
        size += count;
    }
    rows->tokens.ids.size += size;
    rows->types.size += size;
}

static void put_sequence(struct bytes *sequences, int number, size_t count)
{
    if (count != 0)
        memset(sequences->data + sequences->size, number, count);
    sequences->size += count;
}

/* Appends the other wanted columns of the same tokens. */
static enum deberta_status append_columns(const struct template_parts *parts, bool special, const struct stretch *first,
                                          const struct stretch *second, struct row_buffer *rows)
{
    bool sequences = rows->tokens.wanted & DEBERTA_WANT_SEQUENCES;
    for (size_t i = 0; i < parts->size; i++) {
        int32_t id = parts->data[i].id;
        if (id >= 0) {
            if (special)
                tokens_append_empty(&rows->tokens);
            if (sequences)
                put_sequence(&rows->sequences, -1, special);
            continue;
        }
        const struct stretch *text = id == DEBERTA_SEQUENCE_A ? first : second;
        TRY(tokens_append_columns(&rows->tokens, text->tokens, text->start, text->end));
        if (sequences)
            put_sequence(&rows->sequences, id == DEBERTA_SEQUENCE_B, text->end - text->start);
    }
    return DEBERTA_OK;
}

enum deberta_status template_apply(const struct template *template, bool special, const struct stretch *first,
                                   const struct stretch *second, struct row_buffer *rows)
{
    const struct template_parts *parts = parts_of(template, second != NULL);
    size_t texts = first->end - first->start + (second ? second->end - second->start : 0);
    TRY(row_buffer_reserve(rows, texts + parts->special));
    put_tokens(parts, special, first, second, rows);
    return rows->tokens.wanted ? append_columns(parts, special, first, second, rows) : DEBERTA_OK;
}
