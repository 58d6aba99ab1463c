/* SPDX-License-Identifier: Apache-2.0 */
/* A map from byte strings to numbers as a double array: a step from a node along a byte is one load. */
#ifndef DEBERTA_TEXT_TRIE_H
#define DEBERTA_TEXT_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A unit is the node that its label leads to. The children of a node are at its base XOR their label, in one aligned
 * block of 256 units, so that no step leaves the array. No two nodes share a base. */
struct trie_unit {
    uint32_t link;  /* base << 9 | label; label 256 marks a unit that is not a node */
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
/* The same for keys from trie_sort. */
MUST_USE enum deberta_status trie_init_sorted(struct trie *trie, const struct trie_key *keys, size_t count);
void trie_release(struct trie *trie);

/* Moves `node` along `byte`; false if no string continues so: the node is then invalid. */
static inline bool trie_step(const struct trie *trie, uint32_t *node, char byte)
{
    uint32_t label = (unsigned char)byte;
    uint32_t child = (trie->units[*node].link >> 9) ^ label;
    *node = child;
    return (trie->units[child].link & 0x1FF) == label;
}

/* The same along all bytes of a text. */
static inline bool trie_walk(const struct trie *trie, uint32_t *node, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!trie_step(trie, node, text[i]))
            return false;
    return true;
}

/* The number of a non-empty string, or -1. */
static inline int32_t trie_find(const struct trie *trie, const char *text, size_t size)
{
    uint32_t node = 0;
    return size != 0 && trie_walk(trie, &node, text, size) ? trie->units[node].number : -1;
}

/* The longest string that `text` begins with: its size, or 0. */
size_t trie_longest(const struct trie *trie, const char *text, size_t size, int32_t *number);
/* The numbers of the strings <0x00> to <0xFF>; -1 for missing ones. */
void trie_find_bytes(const struct trie *trie, int32_t numbers[256]);

#endif
