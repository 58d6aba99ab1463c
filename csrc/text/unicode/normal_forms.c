/* SPDX-License-Identifier: Apache-2.0 */
#include "text/unicode/normal_forms.h"

#include <stdlib.h>

#define FEW 64

struct unit {
    uint32_t code, class;
    uint32_t place; /* among the units, before marks are ordered */
    uint32_t taken; /* characters of the text that it comes from; 0 except for the first of a decomposition */
};

size_t normal_forms_run(enum unicode_form form, const char *text, size_t size)
{
    size_t at = 0, last = 0; /* last: the start of the character before */
    while (at < size) {
        size_t ascii = ascii_run(text + at, size - at);
        at += ascii;
        last = ascii ? at - 1 : last;
        if (at == size)
            break;
        struct character c = utf8_decode_long(text + at, size - at);
        if (unicode_joins(c.code))
            return last;
        if (unicode_changes(form, c.code))
            return at;
        last = at;
        at += c.size;
    }
    return size;
}

/* The end of the first character of a text and those that combine with it. */
static size_t joined(const char *text, size_t size)
{
    size_t end = utf8_decode(text, size).size;
    while (end < size) {
        struct character c = utf8_decode(text + end, size - end);
        if (!unicode_joins(c.code))
            break;
        end += c.size;
    }
    return end;
}

/* Writes the decomposition unless `units` is NULL, and returns its length. */
static size_t decompose(enum unicode_form form, const char *text, size_t size, struct unit *units)
{
    size_t count = 0;
    for (size_t at = 0; at < size;) {
        struct character c = utf8_decode(text + at, size - at);
        uint32_t codes[UNICODE_LONGEST];
        size_t length = unicode_decompose(form, c.code, codes);
        for (size_t i = 0; units && i < length; i++)
            units[count + i] = (struct unit){codes[i], unicode_class(codes[i]), (uint32_t)(count + i), i == 0};
        count += length;
        at += c.size;
    }
    return count;
}

static int compare(const void *left, const void *right)
{
    const struct unit *a = left, *b = right;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* Marks in the order of their classes, between starters. */
static void order(struct unit *units, size_t count)
{
    for (size_t start = 0, end; start < count; start = end + 1) {
        bool ordered = true;
        for (end = start; end < count && units[end].class != 0; end++)
            ordered &= end == start || units[end - 1].class <= units[end].class;
        if (!ordered)
            qsort(units + start, end - start, sizeof *units, compare);
    }
}

/* Returns the number of units left. */
static size_t compose(struct unit *units, size_t count)
{
    struct unit *starter = NULL;
    size_t left = 0;
    uint32_t before = 0; /* class of the last unit after the starter */
    for (size_t i = 0; i < count; i++) {
        struct unit unit = units[i];
        bool reached = starter && (before == 0 || before < unit.class);
        uint32_t code = reached ? unicode_compose(starter->code, unit.code) : 0;
        if (code != 0) {
            starter->code = code;
            starter->taken += unit.taken;
            continue;
        }
        if (unit.class == 0)
            starter = &units[left];
        before = starter ? unit.class : 0;
        units[left++] = unit;
    }
    return left;
}

static enum deberta_status append(const struct aligned *from, size_t at, const struct unit *units, size_t count,
                                  struct aligned *to)
{
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        size_t size = utf8_encode(units[i].code, bytes);
        struct span span = {0, 0};
        if (units[i].taken != 0 || at > 0)
            span = aligned_span(from, units[i].taken ? at : at - 1);
        TRY(aligned_put(to, bytes, size, span));
        for (uint32_t k = 0; to->tracked && k < units[i].taken; k++)
            at += utf8_size(from->text.data[at]);
    }
    return DEBERTA_OK;
}

enum deberta_status form_apply(enum unicode_form form, const struct aligned *from, size_t *at, struct aligned *to)
{
    struct unit few[FEW], *units = few;
    void *block = NULL;
    const char *text = from->text.data + *at;
    size_t size = joined(text, from->text.size - *at);
    size_t count = decompose(form, text, size, NULL);
    if (count > FEW) {
        TRY(memory_alloc(count, sizeof *units, &block));
        units = block;
    }
    decompose(form, text, size, units);
    order(units, count);
    if (form == UNICODE_NFC || form == UNICODE_NFKC)
        count = compose(units, count);
    enum deberta_status status = append(from, *at, units, count, to);
    memory_free(block);
    *at += size;
    return status;
}
