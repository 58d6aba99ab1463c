/* SPDX-License-Identifier: Apache-2.0 */
/* A set of byte strings, each with a number, as a double array: a step from a node along a byte is one load. */
#ifndef DEBERTA_TEXT_TRIE_H
#define DEBERTA_TEXT_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A unit is the node that its label leads to. The children of a node lie at its base XOR their label, in one aligned
 * block of 256 units, so that no step can leave the array. No two nodes share a base. */
struct trie_unit {
    uint32_t link;  /* base << 9 | label; label 256 marks a unit that is no node */
    int32_t number; /* of the string that ends here, or -1 */
};

struct trie {
    struct trie_unit *units; /* the root is unit 0 */
    size_t count;            /* 0 when the set is empty */
};

struct trie_key {
    const char *text;
    size_t size;
    int32_t number;
    uint64_t head; /* set by trie_sort: the first eight bytes, zeros after the end */
};

/* Sorts the keys by their bytes. A string that occurs twice is an error. */
MUST_USE enum deberta_status trie_sort(struct trie_key *keys, size_t count);
/* Sorts the keys and builds. An empty string is never found. */
MUST_USE enum deberta_status trie_init(struct trie *trie, struct trie_key *keys, size_t count);
void trie_release(struct trie *trie);

/* Moves `node` along `byte`; false when no string goes on that way, and the node is then spoilt. */
static inline bool trie_step(const struct trie *trie, uint32_t *node, char byte)
{
    uint32_t label = (unsigned char)byte;
    uint32_t child = (trie->units[*node].link >> 9) ^ label;
    *node = child;
    return (trie->units[child].link & 0x1FF) == label;
}

/* The longest string that `text` begins with: its size, or 0. */
size_t trie_longest(const struct trie *trie, const char *text, size_t size, int32_t *number);

#endif
