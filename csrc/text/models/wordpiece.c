/* SPDX-License-Identifier: Apache-2.0 */
#include "text/models/wordpiece.h"

#include "base/watch.h"
#include "text/rows/output.h"
#include "text/unicode/unicode.h"

/* Copies the sorted keys that begin with the prefix and are longer, without the prefix. */
static size_t keep_continuing(struct trie_key *keys, size_t count, struct deberta_text prefix)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct trie_key key = keys[i];
        if (key.size <= prefix.size || (prefix.size && memcmp(key.text, prefix.bytes, prefix.size) != 0))
            continue;
        keys[kept++] = (struct trie_key){key.text + prefix.size, key.size - prefix.size, key.number, 0};
    }
    return kept;
}

static enum deberta_status init(struct wordpiece *wordpiece, const struct deberta_vocabulary *vocabulary)
{
    void *block;
    size_t count = vocabulary->count;
    TRY(memory_alloc(count, sizeof(struct trie_key), &block));
    struct trie_key *keys = block;
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct trie_key){vocabulary->tokens[i].bytes, vocabulary->tokens[i].size, vocabulary->ids[i], 0};
    enum deberta_status status = trie_init(&wordpiece->starts, keys, count);
    if (status == DEBERTA_OK) {
        count = keep_continuing(keys, count, vocabulary->continuing_prefix);
        status = trie_init(&wordpiece->continuing, keys, count);
    }
    memory_free(keys);
    return status;
}

enum deberta_status wordpiece_init(struct wordpiece *wordpiece, const struct deberta_vocabulary *vocabulary)
{
    *wordpiece = (struct wordpiece){.unknown = vocabulary->unknown, .longest_word = vocabulary->longest_word};
    if (vocabulary->unknown < 0)
        return fail(DEBERTA_FORMAT, "WordPiece: unk_token is not in the vocabulary");
    enum deberta_status status = init(wordpiece, vocabulary);
    if (status != DEBERTA_OK)
        wordpiece_release(wordpiece);
    return status;
}

void wordpiece_release(struct wordpiece *wordpiece)
{
    trie_release(&wordpiece->starts);
    trie_release(&wordpiece->continuing);
    *wordpiece = (struct wordpiece){0};
}

static bool too_long(const struct wordpiece *wordpiece, const char *word, size_t size)
{
    size_t code_points = 0;
    if (size <= wordpiece->longest_word)
        return false;
    for (size_t i = 0; i < size && code_points <= wordpiece->longest_word; i++)
        code_points += !utf8_continues(word[i]);
    return code_points > wordpiece->longest_word;
}

/* *known is false if a part of the word is not a piece; the caller then removes the ids appended so far. */
static enum deberta_status append_pieces(const struct wordpiece *wordpiece, const char *word, size_t size,
                                         struct output out, bool *known)
{
    const struct trie *trie = &wordpiece->starts;
    size_t asked = 0;
    *known = true;
    for (size_t at = 0, length; at < size; at += length) {
        TRY(watch_pass(at, &asked));
        int32_t id;
        length = trie_longest(trie, word + at, size - at, &id);
        *known = length != 0;
        if (!*known)
            return DEBERTA_OK;
        TRY(output_append(out, id, at, at + length));
        trie = &wordpiece->continuing;
    }
    return DEBERTA_OK;
}

enum deberta_status wordpiece_encode(const struct wordpiece *wordpiece, const char *word, size_t size, struct ids *ids,
                                     struct spans *ranges)
{
    struct output out = {ids, ranges};
    size_t first_id = ids->size, first_range = ranges ? ranges->size : 0;
    bool known = !too_long(wordpiece, word, size);
    if (known)
        TRY(append_pieces(wordpiece, word, size, out, &known));
    if (known)
        return DEBERTA_OK;
    ids->size = first_id;
    if (ranges)
        ranges->size = first_range;
    return output_append(out, wordpiece->unknown, 0, size);
}
