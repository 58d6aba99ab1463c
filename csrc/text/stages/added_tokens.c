/* SPDX-License-Identifier: Apache-2.0 */
#include "text/stages/added_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/watch.h"
#include "text/unicode/unicode.h"

/* By text, then by index. */
static int compare(const void *left, const void *right)
{
    const struct trie_key *a = left, *b = right;
    int order = memcmp(a->text, b->text, min_size(a->size, b->size));
    if (order == 0)
        order = (a->size > b->size) - (a->size < b->size);
    return order ? order : (a->number > b->number) - (a->number < b->number);
}

static size_t drop_repeated(struct trie_key *keys, size_t count)
{
    size_t kept = 0;
    qsort(keys, count, sizeof *keys, compare);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || keys[kept - 1].size != keys[i].size || memcmp(keys[kept - 1].text, keys[i].text, keys[i].size))
            keys[kept++] = keys[i];
    return kept;
}

static enum deberta_status build(struct added_tokens *added, const struct deberta_added_token *tokens, size_t count)
{
    void *block;
    TRY(memory_alloc(count, sizeof *added->tokens, &block));
    added->tokens = block;
    TRY(memory_alloc(count, sizeof(struct trie_key), &block));
    struct trie_key *keys = block;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        added->tokens[i] = (struct added_token){tokens[i].id, tokens[i].single_word, tokens[i].lstrip, tokens[i].rstrip,
                                                tokens[i].special};
        if (tokens[i].text.size != 0)
            keys[used++] = (struct trie_key){tokens[i].text.bytes, tokens[i].text.size, (int32_t)i, 0};
    }
    enum deberta_status status = trie_init(&added->trie, keys, drop_repeated(keys, used));
    memory_free(keys);
    return status;
}

static void find_starts(struct added_tokens *added, const struct deberta_added_token *tokens, size_t count)
{
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        if (tokens[i].text.size == 0)
            continue;
        unsigned char byte = (unsigned char)tokens[i].text.bytes[0];
        distinct += !added->starts[byte];
        added->starts[byte] = true;
        added->only_start = distinct == 1 ? byte : -1;
    }
}

enum deberta_status added_tokens_init(struct added_tokens *added, const struct deberta_added_token *tokens,
                                      size_t count)
{
    *added = (struct added_tokens){.only_start = -1};
    if (count == 0)
        return DEBERTA_OK;
    find_starts(added, tokens, count);
    enum deberta_status status = build(added, tokens, count);
    if (status != DEBERTA_OK)
        added_tokens_release(added);
    return status;
}

void added_tokens_release(struct added_tokens *added)
{
    trie_release(&added->trie);
    memory_free(added->tokens);
    *added = (struct added_tokens){.only_start = -1};
}

static size_t next_start(const struct added_tokens *added, const char *text, size_t size, size_t from)
{
    if (added->only_start >= 0) {
        const char *at = from < size ? memchr(text + from, added->only_start, size - from) : NULL;
        return at ? (size_t)(at - text) : size;
    }
    while (from < size && !added->starts[(unsigned char)text[from]])
        from++;
    return from;
}

/* The character that ends before `at`, which is above `from`. */
static struct character character_before(const char *text, size_t at, size_t from)
{
    size_t start = at - 1;
    while (start > from && at - start < 4 && utf8_continues(text[start]))
        start--;
    struct character c = utf8_decode(text + start, at - start);
    return c.size == at - start ? c : (struct character){REPLACEMENT_CHARACTER, 1, false};
}

static bool stands_alone(const char *text, size_t size, size_t start, size_t end)
{
    if (start > 0 && unicode_word(character_before(text, start, 0).code))
        return false;
    return end == size || !unicode_word(utf8_decode(text + end, size - end).code);
}

/* Extends the match over the white space on the token's sides (lstrip, rstrip), on the left not beyond `from`. */
static void widen(const struct added_token *token, const char *text, size_t size, size_t from, size_t *start,
                  size_t *end)
{
    while (token->lstrip && *start > from) {
        struct character c = character_before(text, *start, from);
        if (!unicode_space(c.code))
            break;
        *start -= c.size;
    }
    while (token->rstrip && *end < size) {
        struct character c = utf8_decode(text + *end, size - *end);
        if (!unicode_space(c.code))
            break;
        *end += c.size;
    }
}

struct added_match added_tokens_find(const struct added_tokens *added, const char *text, size_t size, size_t from,
                                     bool split_special)
{
    size_t at = added->trie.count == 0 ? size : from, asked = at;
    while ((at = next_start(added, text, size, at)) < size && watch_pass(at, &asked) == DEBERTA_OK) {
        int32_t place;
        size_t length = trie_longest(&added->trie, text + at, size - at, &place);
        size_t start = at, end = at + length;
        at += max_size(length, 1);
        if (length == 0)
            continue;
        const struct added_token *token = &added->tokens[place];
        if ((split_special && token->special) || (token->single_word && !stands_alone(text, size, start, end)))
            continue;
        widen(token, text, size, from, &start, &end);
        return (struct added_match){start, end, token->id};
    }
    return (struct added_match){size, size, -1};
}
