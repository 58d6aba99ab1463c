/* SPDX-License-Identifier: Apache-2.0 */
#include "text/added.h"

#include <string.h>

enum deberta_status added_init(struct added *added, struct trie_key *tokens, size_t count)
{
    *added = (struct added){.only_start = -1};
    TRY(trie_init(&added->trie, tokens, count));
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char byte = (unsigned char)tokens[i].text[0];
        distinct += !added->starts[byte];
        added->starts[byte] = true;
        added->only_start = distinct == 1 ? byte : -1;
    }
    return DEBERTA_OK;
}

void added_release(struct added *added)
{
    trie_release(&added->trie);
}

static size_t next_start(const struct added *added, const char *text, size_t size, size_t from)
{
    if (added->only_start >= 0) {
        const char *at = from < size ? memchr(text + from, added->only_start, size - from) : NULL;
        return at ? (size_t)(at - text) : size;
    }
    while (from < size && !added->starts[(unsigned char)text[from]])
        from++;
    return from;
}

struct added_match added_find(const struct added *added, const char *text, size_t size, size_t from)
{
    for (size_t i = from; (i = next_start(added, text, size, i)) < size; i++) {
        int32_t id;
        size_t length = trie_longest(&added->trie, text + i, size - i, &id);
        if (length != 0)
            return (struct added_match){i, i + length, id};
    }
    return (struct added_match){size, size, -1};
}
