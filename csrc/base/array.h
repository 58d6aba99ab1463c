/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays that grow. They start as {0}. Growing keeps the items; clearing keeps the memory. */
#ifndef DEBERTA_BASE_ARRAY_H
#define DEBERTA_BASE_ARRAY_H

#include <stdint.h>
#include <string.h>

#include "base/memory.h"

struct bytes {
    char *data;
    size_t size, capacity;
};

struct ids {
    int32_t *data;
    size_t size, capacity;
};

/* Makes room for `more` items beyond the `used` ones, and never leaves `data` NULL: an offset may be added to it. Grows
 * by half, so that appending costs constant time. */
MUST_USE static inline enum deberta_status array_reserve(void **data, size_t used, size_t *capacity, size_t more,
                                                         size_t item)
{
    if (*data && more <= *capacity - used)
        return DEBERTA_OK;
    size_t wanted = max_size(used + more, *capacity + *capacity / 2 + 64 / item);
    TRY(memory_grow(used * item, wanted, item, data));
    *capacity = wanted;
    return DEBERTA_OK;
}

MUST_USE static inline enum deberta_status bytes_reserve(struct bytes *bytes, size_t more)
{
    void *data = bytes->data;
    enum deberta_status status = array_reserve(&data, bytes->size, &bytes->capacity, more, sizeof *bytes->data);
    bytes->data = data;
    return status;
}

MUST_USE static inline enum deberta_status ids_reserve(struct ids *ids, size_t more)
{
    void *data = ids->data;
    enum deberta_status status = array_reserve(&data, ids->size, &ids->capacity, more, sizeof *ids->data);
    ids->data = data;
    return status;
}

/* Appends without a check: the room must be reserved. */
static inline void bytes_put(struct bytes *bytes, const char *from, size_t size)
{
    memcpy(bytes->data + bytes->size, from, size);
    bytes->size += size;
}

MUST_USE static inline enum deberta_status bytes_append(struct bytes *bytes, const char *from, size_t size)
{
    TRY(bytes_reserve(bytes, size));
    if (size != 0)
        bytes_put(bytes, from, size);
    return DEBERTA_OK;
}

MUST_USE static inline enum deberta_status ids_append(struct ids *ids, int32_t id)
{
    TRY(ids_reserve(ids, 1));
    ids->data[ids->size++] = id;
    return DEBERTA_OK;
}

#endif
