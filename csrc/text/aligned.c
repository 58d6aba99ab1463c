/* SPDX-License-Identifier: Apache-2.0 */
#include "text/aligned.h"

#include "base/watch.h"
#include "text/unicode/unicode.h"

void aligned_clear(struct aligned *aligned)
{
    aligned->text.size = 0;
    aligned->spans.size = 0;
}

void aligned_release(struct aligned *aligned)
{
    memory_free(aligned->text.data);
    memory_free(aligned->spans.data);
    *aligned = (struct aligned){.tracked = aligned->tracked};
}

enum deberta_status aligned_reserve(struct aligned *aligned, size_t more)
{
    if (aligned->most && (aligned->text.size > aligned->most || more > aligned->most - aligned->text.size))
        return fail(DEBERTA_ARGUMENT, "the text becomes longer than %zu bytes", aligned->most);
    TRY(bytes_reserve(&aligned->text, more));
    return aligned->tracked ? spans_reserve(&aligned->spans, more) : DEBERTA_OK;
}

static enum deberta_status read_ascii(struct aligned *aligned, const char *text, size_t size, uint32_t first)
{
    if (size == 0)
        return DEBERTA_OK;
    TRY(aligned_reserve(aligned, size));
    bytes_put(&aligned->text, text, size);
    if (!aligned->tracked)
        return DEBERTA_OK;
    struct span *span = aligned->spans.data + aligned->spans.size;
    for (uint32_t i = 0; i < size; i++)
        span[i] = (struct span){first + i, first + i + 1};
    aligned->spans.size += size;
    return DEBERTA_OK;
}

enum deberta_status aligned_read(struct aligned *aligned, const char *text, size_t size, uint32_t first)
{
    size_t asked = 0;
    TRY(aligned_reserve(aligned, size));
    for (size_t at = 0; at < size;) {
        TRY(watch_pass(at, &asked));
        size_t ascii = ascii_run(text + at, min_size(size - at, WATCH_WORK));
        TRY(read_ascii(aligned, text + at, ascii, first));
        at += ascii;
        first += (uint32_t)ascii;
        if (at == size || (unsigned char)text[at] < 0x80)
            continue;
        struct character c = utf8_decode_long(text + at, size - at);
        struct span span = {first, first + 1};
        first++;
        TRY(c.valid ? aligned_put(aligned, text + at, c.size, span) : aligned_put(aligned, "\xEF\xBF\xBD", 3, span));
        at += c.size;
    }
    return DEBERTA_OK;
}

enum deberta_status aligned_put(struct aligned *aligned, const char *text, size_t size, struct span span)
{
    if (size == 0)
        return DEBERTA_OK;
    TRY(aligned_reserve(aligned, size));
    bytes_put(&aligned->text, text, size);
    for (size_t i = 0; aligned->tracked && i < size; i++)
        aligned->spans.data[aligned->spans.size++] = span;
    return DEBERTA_OK;
}

enum deberta_status aligned_copy(struct aligned *to, const struct aligned *from, size_t start, size_t end)
{
    TRY(aligned_reserve(to, end - start));
    for (size_t size; start < end; start += size) {
        size = min_size(end - start, WATCH_WORK);
        bytes_put(&to->text, from->text.data + start, size);
        if (to->tracked) {
            memcpy(to->spans.data + to->spans.size, from->spans.data + start, size * sizeof *to->spans.data);
            to->spans.size += size;
        }
        if (size == WATCH_WORK)
            TRY(watch_check());
    }
    return DEBERTA_OK;
}
