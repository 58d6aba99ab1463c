/* SPDX-License-Identifier: Apache-2.0 */
#include "text/rows/tokens.h"

void tokens_clear(struct tokens *tokens)
{
    tokens->ids.size = 0;
    tokens->spans.size = 0;
    tokens->words.size = 0;
    tokens->strings.size = 0;
    tokens->string_end.size = 0;
}

void tokens_release(struct tokens *tokens)
{
    memory_free(tokens->ids.data);
    memory_free(tokens->spans.data);
    memory_free(tokens->words.data);
    memory_free(tokens->strings.data);
    memory_free(tokens->string_end.data);
    *tokens = (struct tokens){.wanted = tokens->wanted};
}

enum deberta_status tokens_reserve(struct tokens *tokens, size_t more)
{
    TRY(ids_reserve(&tokens->ids, more));
    if (tokens->wanted & DEBERTA_WANT_SPANS)
        TRY(spans_reserve(&tokens->spans, more));
    if (tokens->wanted & DEBERTA_WANT_WORDS)
        TRY(ids_reserve(&tokens->words, more));
    if (tokens->wanted & DEBERTA_WANT_STRINGS)
        TRY(ids_reserve(&tokens->string_end, more));
    return DEBERTA_OK;
}

/* The room is reserved. */
static void put_ids(struct ids *to, const int32_t *from, size_t count)
{
    memcpy(to->data + to->size, from, count * sizeof *from);
    to->size += count;
}

static void put_spans(struct spans *to, const struct span *from, size_t count)
{
    memcpy(to->data + to->size, from, count * sizeof *from);
    to->size += count;
}

/* There is at least one string; the room for the ends is reserved. */
static enum deberta_status append_strings(struct tokens *to, const struct tokens *from, size_t start, size_t end)
{
    const int32_t *ends = from->string_end.data;
    size_t before = to->strings.size;
    size_t first = start == 0 ? 0 : (size_t)ends[start - 1];
    if (from->strings.size > INT32_MAX || before + ((size_t)ends[end - 1] - first) > INT32_MAX)
        return fail(DEBERTA_MEMORY, "out of memory: the strings of a text's tokens take more than 2 GB");
    if ((size_t)ends[end - 1] != first)
        TRY(bytes_append(&to->strings, from->strings.data + first, (size_t)ends[end - 1] - first));
    for (size_t i = start; i < end; i++)
        to->string_end.data[to->string_end.size++] = (int32_t)(before + ((size_t)ends[i] - first));
    return DEBERTA_OK;
}

enum deberta_status tokens_append_columns(struct tokens *to, const struct tokens *from, size_t start, size_t end)
{
    size_t count = end - start;
    if (count == 0)
        return DEBERTA_OK;
    if (to->wanted & DEBERTA_WANT_SPANS)
        put_spans(&to->spans, from->spans.data + start, count);
    if (to->wanted & DEBERTA_WANT_WORDS)
        put_ids(&to->words, from->words.data + start, count);
    return to->wanted & DEBERTA_WANT_STRINGS ? append_strings(to, from, start, end) : DEBERTA_OK;
}

void tokens_append_empty(struct tokens *to)
{
    if (to->wanted & DEBERTA_WANT_SPANS)
        put_spans(&to->spans, &(struct span){0, 0}, 1);
    if (to->wanted & DEBERTA_WANT_WORDS)
        put_ids(&to->words, &(int32_t){-1}, 1);
    if (to->wanted & DEBERTA_WANT_STRINGS)
        put_ids(&to->string_end, &(int32_t){(int32_t)to->strings.size}, 1);
}
