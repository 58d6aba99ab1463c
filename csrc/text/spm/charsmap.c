/* SPDX-License-Identifier: Apache-2.0 */
#include "text/spm/charsmap.h"

#include <string.h>

#include "base/memory.h"
#include "text/unicode/unicode.h"

/* A unit holds the label of the edge that leads to it, the way to its children, and whether a key ends at it; the
 * number of that key is the unit at its children's base itself, distinguished from an edge by bit 31. */
#define IS_VALUE 0x80000000u

static uint32_t label(uint32_t unit)
{
    return unit & 0x800000FFu;
}

static bool ends_key(uint32_t unit)
{
    return unit >> 8 & 1;
}

static uint32_t offset(uint32_t unit)
{
    return unit >> 10 << (unit >> 6 & 8); /* bit 9 set: in steps of 256 units */
}

static uint32_t value(uint32_t unit)
{
    return unit & ~IS_VALUE;
}

static enum deberta_status check(const struct charsmap *charsmap, size_t strings_size)
{
    if (strings_size == 0 || charsmap->strings[strings_size - 1] != 0)
        return fail(DEBERTA_FORMAT, "spm.model: the strings of precompiled_charsmap do not end with a NUL");
    if (!utf8_valid(charsmap->strings, strings_size))
        return fail(DEBERTA_FORMAT, "spm.model: the strings of precompiled_charsmap are not valid UTF-8");
    if (charsmap->units[0] & IS_VALUE)
        return fail(DEBERTA_FORMAT, "spm.model: the trie of precompiled_charsmap has no root");
    for (size_t i = 0; i < charsmap->count; i++) {
        uint32_t unit = charsmap->units[i];
        if (unit & IS_VALUE)
            continue;
        size_t base = i ^ offset(unit);
        if (base >= charsmap->count)
            return fail(DEBERTA_FORMAT, "spm.model: unit %zu of precompiled_charsmap points to unit %zu of %zu", i,
                        base, charsmap->count);
        if (!ends_key(unit))
            continue;
        uint32_t start = value(charsmap->units[base]);
        if (start >= strings_size || utf8_continues(charsmap->strings[start]))
            return fail(DEBERTA_FORMAT, "spm.model: unit %zu of precompiled_charsmap points to no string", base);
    }
    return DEBERTA_OK;
}

enum deberta_status charsmap_init(struct charsmap *charsmap, const char *blob, size_t size)
{
    *charsmap = (struct charsmap){0};
    if (size == 0)
        return DEBERTA_OK;
    const unsigned char *byte = (const unsigned char *)blob;
    size_t trie_size = 0;
    if (size > 4)
        trie_size = byte[0] | (size_t)byte[1] << 8 | (size_t)byte[2] << 16 | (size_t)byte[3] << 24;
    /* Blocks of 256 units: that no base lies outside is then enough to keep every step inside. */
    if (trie_size == 0 || trie_size % 1024 != 0 || trie_size >= size - 4)
        return fail(DEBERTA_FORMAT, "spm.model: precompiled_charsmap of %zu bytes claims a trie of %zu bytes", size,
                    trie_size);
    void *units, *strings;
    TRY(memory_alloc(trie_size, 1, &units));
    charsmap->units = units;
    charsmap->count = trie_size / 4;
    size_t strings_size = size - 4 - trie_size;
    enum deberta_status status = memory_alloc(strings_size, 1, &strings);
    if (status == DEBERTA_OK) {
        charsmap->strings = strings;
        memcpy(strings, blob + 4 + trie_size, strings_size);
        memcpy(units, blob + 4, trie_size); /* little-endian, as this machine is */
        status = check(charsmap, strings_size);
    }
    if (status != DEBERTA_OK)
        charsmap_release(charsmap);
    return status;
}

void charsmap_release(struct charsmap *charsmap)
{
    memory_free(charsmap->units);
    memory_free(charsmap->strings);
    *charsmap = (struct charsmap){0};
}

static inline struct replacement lookup(const struct charsmap *charsmap, const char *text, size_t size, bool longest)
{
    struct replacement found = {0, NULL, 0};
    if (!charsmap->units)
        return found;
    uint32_t at = offset(charsmap->units[0]);
    for (size_t i = 0; i < size; i++) {
        at ^= (unsigned char)text[i];
        uint32_t unit = charsmap->units[at];
        if (text[i] == 0 || label(unit) != (unsigned char)text[i])
            break;
        at ^= offset(unit);
        if (!ends_key(unit))
            continue;
        found.consumed = i + 1;
        found.text = charsmap->strings + value(charsmap->units[at]);
        if (!longest)
            break;
    }
    if (found.consumed != 0)
        found.size = strlen(found.text);
    return found;
}

struct replacement charsmap_shortest(const struct charsmap *charsmap, const char *text, size_t size)
{
    return lookup(charsmap, text, size, false);
}

struct replacement charsmap_longest(const struct charsmap *charsmap, const char *text, size_t size)
{
    return lookup(charsmap, text, size, true);
}

bool charsmap_keeps_ascii(const struct charsmap *charsmap)
{
    if (!charsmap->units)
        return true;
    for (uint32_t first = 0x20; first < 0x7F; first++) {
        uint32_t at = offset(charsmap->units[0]) ^ first;
        uint32_t unit = charsmap->units[at];
        if (label(unit) != first)
            continue;
        if (ends_key(unit))
            return false;
        for (uint32_t second = 1; second < 0x80; second++)
            if (label(charsmap->units[at ^ offset(unit) ^ second]) == second)
                return false;
    }
    return true;
}

size_t charsmap_plain_run(const char *text, size_t size)
{
    size_t run = printable_run(text, size);
    return run == size || run == 0 || (unsigned char)text[run] < 0x80 ? run : run - 1;
}

struct replacement charsmap_next(const struct charsmap *charsmap, const char *text, size_t size, size_t *cluster)
{
    if (*cluster == 0) {
        *cluster = unicode_cluster(text, size);
        struct replacement whole = {0, NULL, 0};
        if (*cluster < 6)
            whole = charsmap_shortest(charsmap, text, *cluster);
        if (whole.consumed != 0) {
            whole.consumed = *cluster;
            *cluster = 0;
            return whole;
        }
    }
    struct character c = utf8_decode(text, *cluster);
    *cluster -= c.size;
    struct replacement found = charsmap_shortest(charsmap, text, c.size);
    if (found.consumed != 0)
        return (struct replacement){c.size, found.text, found.size};
    if (!c.valid)
        return (struct replacement){1, "\xEF\xBF\xBD", 3};
    return (struct replacement){c.size, text, c.size};
}
