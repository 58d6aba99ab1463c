/* SPDX-License-Identifier: Apache-2.0 */
#include "text/models/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define BLOCK 256u
#define NO_LABEL 256u
#define MAX_UNITS ((size_t)1 << 23) /* units that a link can address */
#define OPEN_BLOCKS 8u              /* only the last blocks are searched for free units: older ones are nearly full */
#define NONE UINT32_MAX

/* State of building. Free units of open blocks form a ring. */
struct builder {
    struct trie_unit *units;
    uint32_t *next, *previous;
    bool *base_taken;
    size_t count, capacity;
    uint32_t head; /* of the ring, or NONE */
    struct pending {
        uint32_t node;
        uint32_t first, last; /* keys that pass through the node */
        uint32_t depth;
    } *stack;
    size_t stack_size, stack_capacity;
};

static enum deberta_status grow(void **block, size_t used, size_t capacity, size_t item)
{
    return memory_grow(used * item, capacity, item, block);
}

static enum deberta_status builder_grow(struct builder *b)
{
    size_t capacity = max_size(64 * BLOCK, 2 * b->capacity);
    void *units = b->units, *next = b->next, *previous = b->previous, *taken = b->base_taken;
    enum deberta_status status = grow(&units, b->count, capacity, sizeof *b->units);
    b->units = units;
    if (status == DEBERTA_OK)
        status = grow(&next, b->count, capacity, sizeof *b->next);
    b->next = next;
    if (status == DEBERTA_OK)
        status = grow(&previous, b->count, capacity, sizeof *b->previous);
    b->previous = previous;
    if (status == DEBERTA_OK)
        status = grow(&taken, b->count, capacity, sizeof *b->base_taken);
    b->base_taken = taken;
    if (status == DEBERTA_OK)
        b->capacity = capacity;
    return status;
}

static void ring_insert(struct builder *b, uint32_t unit)
{
    if (b->head == NONE) {
        b->head = b->next[unit] = b->previous[unit] = unit;
        return;
    }
    uint32_t last = b->previous[b->head];
    b->next[last] = unit;
    b->previous[unit] = last;
    b->next[unit] = b->head;
    b->previous[b->head] = unit;
}

static void ring_remove(struct builder *b, uint32_t unit)
{
    if (b->next[unit] == unit) {
        b->head = NONE;
    } else {
        b->next[b->previous[unit]] = b->next[unit];
        b->previous[b->next[unit]] = b->previous[unit];
        if (b->head == unit)
            b->head = b->next[unit];
    }
    b->next[unit] = NONE;
}

static enum deberta_status add_block(struct builder *b)
{
    if (b->count + BLOCK > MAX_UNITS)
        return fail(DEBERTA_FORMAT, "the pieces need more than %zu trie nodes", MAX_UNITS);
    if (b->count + BLOCK > b->capacity)
        TRY(builder_grow(b));
    uint32_t start = (uint32_t)b->count;
    b->count += BLOCK;
    for (uint32_t unit = start; unit < start + BLOCK; unit++) {
        b->units[unit] = (struct trie_unit){NO_LABEL, -1};
        b->base_taken[unit] = false;
        ring_insert(b, unit);
    }
    if (start >= OPEN_BLOCKS * BLOCK)
        for (uint32_t unit = start - OPEN_BLOCKS * BLOCK; unit < start - (OPEN_BLOCKS - 1) * BLOCK; unit++)
            if (b->next[unit] != NONE)
                ring_remove(b, unit);
    return DEBERTA_OK;
}

static bool base_fits(const struct builder *b, uint32_t base, const unsigned char *labels, size_t count)
{
    if (b->base_taken[base])
        return false;
    for (size_t i = 1; i < count; i++)
        if (b->next[base ^ labels[i]] == NONE)
            return false;
    return true;
}

static enum deberta_status find_base(struct builder *b, const unsigned char *labels, size_t count, uint32_t *base)
{
    if (b->head != NONE) {
        uint32_t unit = b->head;
        do {
            *base = unit ^ labels[0];
            if (base_fits(b, *base, labels, count))
                return DEBERTA_OK;
            unit = b->next[unit];
        } while (unit != b->head);
    }
    *base = (uint32_t)b->count ^ labels[0];
    return add_block(b);
}

static enum deberta_status push(struct builder *b, struct pending pending)
{
    if (b->stack_size == b->stack_capacity) {
        size_t capacity = max_size(256, 2 * b->stack_capacity);
        void *stack = b->stack;
        TRY(grow(&stack, b->stack_size, capacity, sizeof *b->stack));
        b->stack = stack;
        b->stack_capacity = capacity;
    }
    b->stack[b->stack_size++] = pending;
    return DEBERTA_OK;
}

/* The byte of a key at `depth`; usually read from its head, without a cache miss. */
static unsigned char byte_at(const struct trie_key *key, uint32_t depth)
{
    if (depth < 8)
        return (unsigned char)(key->head >> (56 - 8 * depth) & 0xFF);
    return (unsigned char)key->text[depth];
}

/* Places the children of a node and pushes each on the stack. */
static enum deberta_status expand(struct builder *b, const struct trie_key *keys, struct pending node)
{
    if (node.first < node.last && keys[node.first].size == node.depth)
        b->units[node.node].number = keys[node.first++].number;
    unsigned char labels[256];
    uint32_t starts[257];
    size_t count = 0;
    for (uint32_t k = node.first; k < node.last; k++) {
        unsigned char label = byte_at(&keys[k], node.depth);
        if (count == 0 || labels[count - 1] != label) {
            labels[count] = label;
            starts[count++] = k;
        }
    }
    if (count == 0)
        return DEBERTA_OK;
    starts[count] = node.last;
    uint32_t base;
    TRY(find_base(b, labels, count, &base));
    b->base_taken[base] = true;
    b->units[node.node].link = base << 9 | (b->units[node.node].link & 0x1FF);
    for (size_t i = 0; i < count; i++) {
        uint32_t child = base ^ labels[i];
        ring_remove(b, child);
        b->units[child] = (struct trie_unit){labels[i], -1};
        TRY(push(b, (struct pending){child, starts[i], starts[i + 1], node.depth + 1}));
    }
    return DEBERTA_OK;
}

static enum deberta_status build(struct builder *b, const struct trie_key *keys, size_t count)
{
    TRY(add_block(b));
    ring_remove(b, 0);       /* the root */
    b->base_taken[0] = true; /* the base of nodes without children: no unit of block 0 has its own number as label, so
                                that a step from such a node always fails */
    TRY(push(b, (struct pending){0, 0, (uint32_t)count, 0}));
    while (b->stack_size != 0)
        TRY(expand(b, keys, b->stack[--b->stack_size]));
    return DEBERTA_OK;
}

static int compare(const void *left, const void *right)
{
    const struct trie_key *a = left, *b = right;
    int order = memcmp(a->text, b->text, min_size(a->size, b->size));
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static uint64_t head_of(const struct trie_key *key)
{
    uint64_t head = 0;
    for (size_t i = 0; i < 8; i++)
        head = head << 8 | (i < key->size ? (unsigned char)key->text[i] : 0);
    return head;
}

/* For keys with the same first eight bytes. */
static void insertion_sort(struct trie_key *keys, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct trie_key key = keys[i];
        size_t at = i;
        for (; at > 0 && compare(&keys[at - 1], &key) > 0; at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

/* Radix sort on the first eight bytes, a byte at a time, then a comparison sort of keys that share them. */
static enum deberta_status sort(struct trie_key *keys, size_t count)
{
    void *block;
    TRY(memory_alloc(count, sizeof *keys, &block));
    struct trie_key *from = keys, *to = block;
    for (size_t i = 0; i < count; i++)
        keys[i].head = head_of(&keys[i]);
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t place[257] = {0};
        for (size_t i = 0; i < count; i++)
            place[(from[i].head >> shift & 0xFF) + 1]++;
        for (size_t digit = 0; digit < 256; digit++)
            place[digit + 1] += place[digit];
        for (size_t i = 0; i < count; i++)
            to[place[from[i].head >> shift & 0xFF]++] = from[i];
        struct trie_key *swap = from;
        from = to;
        to = swap;
    }
    memory_free(block); /* after eight rounds the order is in `keys` */
    for (size_t start = 0, end; start < count; start = end) {
        for (end = start + 1; end < count && keys[end].head == keys[start].head;)
            end++;
        if (end - start > 16)
            qsort(keys + start, end - start, sizeof *keys, compare);
        else
            insertion_sort(keys + start, end - start);
    }
    return DEBERTA_OK;
}

static enum deberta_status check_distinct(const struct trie_key *keys, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (keys[i - 1].head == keys[i].head && compare(&keys[i - 1], &keys[i]) == 0)
            return fail(DEBERTA_FORMAT, "piece '%.*s' occurs twice", (int)min_size(keys[i].size, 100), keys[i].text);
    return DEBERTA_OK;
}

enum deberta_status trie_sort(struct trie_key *keys, size_t count)
{
    TRY(sort(keys, count));
    return check_distinct(keys, count);
}

enum deberta_status trie_init(struct trie *trie, struct trie_key *keys, size_t count)
{
    *trie = (struct trie){0};
    TRY(trie_sort(keys, count));
    return trie_init_sorted(trie, keys, count);
}

enum deberta_status trie_init_sorted(struct trie *trie, const struct trie_key *keys, size_t count)
{
    *trie = (struct trie){0};
    if (count > INT32_MAX)
        return fail(DEBERTA_FORMAT, "%zu strings are too many", count);
    struct builder b = {.head = NONE};
    enum deberta_status status = build(&b, keys, count);
    if (status == DEBERTA_OK) {
        void *units;
        status = memory_alloc(b.count, sizeof *b.units, &units);
        if (status == DEBERTA_OK) {
            memcpy(units, b.units, b.count * sizeof *b.units);
            *trie = (struct trie){units, b.count};
        }
    }
    memory_free(b.units);
    memory_free(b.next);
    memory_free(b.previous);
    memory_free(b.base_taken);
    memory_free(b.stack);
    return status;
}

void trie_release(struct trie *trie)
{
    memory_free(trie->units);
    *trie = (struct trie){0};
}

size_t trie_longest(const struct trie *trie, const char *text, size_t size, int32_t *number)
{
    size_t longest = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < size && trie_step(trie, &node, text[i]); i++)
        if (trie->units[node].number >= 0) {
            longest = i + 1;
            *number = trie->units[node].number;
        }
    return longest;
}

void trie_find_bytes(const struct trie *trie, int32_t numbers[256])
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t byte = 0; byte < 256; byte++) {
        const char name[] = {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
        numbers[byte] = trie_find(trie, name, sizeof name);
    }
}
