/* SPDX-License-Identifier: Apache-2.0 */
#include "text/spm/spm_normalizer.h"

#include <string.h>

#include "base/watch.h"
#include "text/unicode/unicode.h"

static enum deberta_status find_user_defined(struct trie *trie, const struct deberta_spm *spm)
{
    size_t count = 0;
    for (size_t id = 0; id < spm->count; id++)
        count += spm->types[id] == DEBERTA_PIECE_USER_DEFINED;
    if (count == 0)
        return DEBERTA_OK;
    void *block;
    TRY(memory_alloc(count, sizeof(struct trie_key), &block));
    struct trie_key *keys = block;
    count = 0;
    for (size_t id = 0; id < spm->count; id++)
        if (spm->types[id] == DEBERTA_PIECE_USER_DEFINED)
            keys[count++] = (struct trie_key){spm->tokens[id].bytes, spm->tokens[id].size, (int32_t)id, 0};
    enum deberta_status status = trie_init(trie, keys, count);
    memory_free(keys);
    return status;
}

enum deberta_status spm_normalizer_init(struct spm_normalizer *normalizer, const struct deberta_spm *spm)
{
    *normalizer = (struct spm_normalizer){
        .add_dummy_prefix = spm->add_dummy_prefix,
        .remove_extra_whitespaces = spm->remove_extra_whitespaces,
        .escape_whitespaces = spm->escape_whitespaces,
        .treat_whitespace_as_suffix = spm->treat_whitespace_as_suffix,
    };
    TRY(charsmap_init(&normalizer->charsmap, spm->charsmap.bytes, spm->charsmap.size));
    normalizer->keeps_ascii = charsmap_keeps_ascii(&normalizer->charsmap);
    enum deberta_status status = find_user_defined(&normalizer->user_defined, spm);
    if (status != DEBERTA_OK)
        spm_normalizer_release(normalizer);
    return status;
}

void spm_normalizer_release(struct spm_normalizer *normalizer)
{
    charsmap_release(&normalizer->charsmap);
    trie_release(&normalizer->user_defined);
}

enum deberta_status normalizer_lower(const char *text, size_t size, struct bytes *out)
{
    TRY(bytes_reserve(out, size));
    for (size_t i = 0; i < size;) {
        struct character c = utf8_decode(text + i, size - i);
        uint32_t lower[2];
        char bytes[8];
        size_t written = 0, count = unicode_lower(c.code, lower);
        for (size_t k = 0; k < count; k++)
            written += utf8_encode(lower[k], bytes + written);
        TRY(bytes_append(out, bytes, written));
        i += c.size;
    }
    return DEBERTA_OK;
}

size_t spm_normalizer_strip_left(const char *text, size_t start, size_t end)
{
    while (start < end) {
        struct character c = utf8_decode(text + start, end - start);
        if (!unicode_space(c.code))
            break;
        start += c.size;
    }
    return start;
}

size_t spm_normalizer_strip_right(const char *text, size_t start, size_t end)
{
    while (start < end) {
        size_t last = end - 1;
        while (last > start && end - last < 4 && utf8_continues(text[last]))
            last--;
        struct character c = utf8_decode(text + last, end - last);
        if (!unicode_space(c.code) || c.size != end - last)
            break;
        end = last;
    }
    return end;
}

void spm_normalizer_strip(const char *text, size_t *start, size_t *end)
{
    *start = spm_normalizer_strip_left(text, *start, *end);
    *end = spm_normalizer_strip_right(text, *start, *end);
}

/* ---- as tokenizers ---- */

static void collapse_spaces(struct bytes *bytes, size_t from)
{
    size_t to = from;
    for (size_t i = from; i < bytes->size; i++)
        if (bytes->data[i] != ' ' || to == from || bytes->data[to - 1] != ' ')
            bytes->data[to++] = bytes->data[i];
    bytes->size = to;
}

enum deberta_status spm_normalizer_replace(const struct spm_normalizer *normalizer, const char *text, size_t size,
                                           struct bytes *out)
{
    size_t start = out->size, cluster = 0;
    TRY(bytes_reserve(out, size));
    for (size_t i = 0; i < size;) {
        size_t run = normalizer->keeps_ascii && cluster == 0 ? charsmap_plain_run(text + i, size - i) : 0;
        struct replacement next = {run, text + i, run};
        if (run == 0)
            next = charsmap_next(&normalizer->charsmap, text + i, size - i, &cluster);
        TRY(bytes_append(out, next.text, next.size));
        TRY(watch_look(next.consumed));
        i += next.consumed;
    }
    collapse_spaces(out, start);
    return DEBERTA_OK;
}

/* ---- as sentencepiece ---- */

/* What the start of the text becomes, and how many bytes of it that is. */
static struct replacement prefix(const struct spm_normalizer *normalizer, const char *text, size_t size)
{
    int32_t number;
    if (normalizer->user_defined.count != 0) {
        size_t kept = trie_longest(&normalizer->user_defined, text, size, &number);
        if (kept != 0)
            return (struct replacement){kept, text, kept};
    }
    struct replacement found = charsmap_longest(&normalizer->charsmap, text, size);
    if (found.consumed != 0)
        return found;
    struct character c = utf8_decode(text, size);
    if (!c.valid)
        return (struct replacement){1, "\xEF\xBF\xBD", 3};
    return (struct replacement){c.size, text, c.size};
}

static enum deberta_status append_space(const struct spm_normalizer *normalizer, struct bytes *out)
{
    return normalizer->escape_whitespaces ? bytes_append(out, SPACE_MARK, 3) : bytes_append(out, " ", 1);
}

static enum deberta_status append_escaped(const struct spm_normalizer *normalizer, const char *text, size_t size,
                                          struct bytes *out)
{
    TRY(bytes_reserve(out, 3 * size));
    for (size_t i = 0; i < size; i++)
        if (text[i] == ' ' && normalizer->escape_whitespaces)
            bytes_put(out, SPACE_MARK, 3);
        else
            out->data[out->size++] = text[i];
    return DEBERTA_OK;
}

static size_t skip_spaces(const struct spm_normalizer *normalizer, const char *text, size_t size)
{
    size_t i = 0;
    while (i < size) {
        struct replacement r = prefix(normalizer, text + i, size - i);
        if (r.size != 1 || r.text[0] != ' ')
            break;
        i += r.consumed;
    }
    return i;
}

static void drop_trailing_spaces(const struct spm_normalizer *normalizer, struct bytes *out, size_t start)
{
    const char *space = normalizer->escape_whitespaces ? SPACE_MARK : " ";
    size_t size = strlen(space);
    while (out->size - start >= size && memcmp(out->data + out->size - size, space, size) == 0)
        out->size -= size;
}

/* Says of all bytes written since the last call, `count` by now, that what became them starts at `at`. */
static enum deberta_status note_origin(struct spans *origins, size_t count, size_t at)
{
    while (origins && origins->size < count)
        TRY(spans_append(origins, (struct span){(uint32_t)at, (uint32_t)at}));
    return DEBERTA_OK;
}

enum deberta_status spm_normalizer_apply(const struct spm_normalizer *normalizer, const char *text, size_t size,
                                         struct bytes *out)
{
    return spm_normalizer_apply_from(normalizer, text, size, out, NULL);
}

enum deberta_status spm_normalizer_apply_from(const struct spm_normalizer *normalizer, const char *text, size_t size,
                                              struct bytes *out, struct spans *origins)
{
    bool folds = normalizer->remove_extra_whitespaces;
    size_t start = out->size;
    size_t i = folds ? skip_spaces(normalizer, text, size) : 0;
    if (i == size)
        return DEBERTA_OK;
    if (normalizer->add_dummy_prefix && !normalizer->treat_whitespace_as_suffix)
        TRY(append_space(normalizer, out));
    TRY(note_origin(origins, out->size - start, i));
    bool after_space = folds;
    while (i < size) {
        struct replacement r = prefix(normalizer, text + i, size - i);
        size_t origin = i;
        TRY(watch_look(r.consumed));
        i += r.consumed;
        while (after_space && r.size != 0 && r.text[0] == ' ')
            r.text++, r.size--;
        if (r.size == 0)
            continue;
        TRY(append_escaped(normalizer, r.text, r.size, out));
        TRY(note_origin(origins, out->size - start, origin));
        after_space = folds && r.text[r.size - 1] == ' ';
    }
    if (folds)
        drop_trailing_spaces(normalizer, out, start);
    if (origins && origins->size > out->size - start) {
        i = origins->data[out->size - start].start;
        origins->size = out->size - start;
    }
    if (normalizer->add_dummy_prefix && normalizer->treat_whitespace_as_suffix)
        TRY(append_space(normalizer, out));
    return note_origin(origins, out->size - start + 1, i);
}
