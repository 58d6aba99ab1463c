/* SPDX-License-Identifier: Apache-2.0 */
#include "text/template.h"

size_t template_added(bool pair)
{
    return pair ? 3 : 2;
}

/* Into room that was reserved. */
static void put(struct ids *row, const struct ids *text, bool special, int32_t sep)
{
    if (text->size != 0)
        memcpy(row->data + row->size, text->data, text->size * sizeof *text->data);
    row->size += text->size;
    if (special)
        row->data[row->size++] = sep;
}

enum deberta_status template_apply(const struct template *template, bool special, const struct ids *first,
                                   const struct ids *second, struct ids *ids, struct bytes *types)
{
    size_t room = first->size + (second ? second->size : 0) + template_added(second != NULL);
    TRY(ids_reserve(ids, room));
    TRY(bytes_reserve(types, room));
    size_t start = ids->size;
    if (special)
        ids->data[ids->size++] = template->cls;
    put(ids, first, special, template->sep);
    size_t middle = ids->size;
    if (second)
        put(ids, second, special, template->sep);
    memset(types->data + start, 0, middle - start);
    memset(types->data + middle, 1, ids->size - middle);
    types->size = ids->size;
    return DEBERTA_OK;
}
