/* SPDX-License-Identifier: Apache-2.0 */
#include "text/spm/fast_path.h"

#include <string.h>

#include "base/watch.h"
#include "text/unicode/unicode.h"

/* ---- making one ---- */

static bool is_text(struct deberta_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.bytes, expected, text.size) == 0;
}

static bool is_stage(const struct deberta_stage *stage, const char *type, unsigned flags)
{
    return strcmp(stage->type, type) == 0 && stage->flags == flags;
}

/* The normalizers without a Lowercase at their start. */
static const struct deberta_stage *skip_lowercase(const struct deberta_tokenizer_spec *spec, size_t *count)
{
    bool lower_case = spec->normalizer_count != 0 && is_stage(spec->normalizers, "Lowercase", 0);
    *count = spec->normalizer_count - lower_case;
    return lower_case ? spec->normalizers + 1 : spec->normalizers;
}

/* [Lowercase,] Strip, [Precompiled,] Replace of several spaces by one; and the charsmap. */
static bool normalizers_fit(const struct deberta_tokenizer_spec *spec, struct deberta_text *charsmap)
{
    size_t count;
    const struct deberta_stage *stages = skip_lowercase(spec, &count);
    if (count < 2 || count > 3 || (count == 3 && !is_stage(&stages[1], "Precompiled", 0)))
        return false;
    const struct deberta_stage *last = &stages[count - 1];
    if (count == 3)
        *charsmap = stages[1].pattern;
    return is_stage(&stages[0], "Strip", DEBERTA_STRIP_LEFT | DEBERTA_STRIP_RIGHT) &&
           is_stage(last, "Replace", DEBERTA_REGEX) && is_text(last->pattern, " {2,}") && is_text(last->content, " ");
}

/* [Punctuation,] Metaspace. */
static bool pretokenizers_fit(const struct deberta_stage *stages, size_t count)
{
    if (count == 2 && is_stage(stages, "Punctuation", 0) && stages->behavior == DEBERTA_ISOLATED)
        stages++, count--;
    return count == 1 && is_stage(stages, "Metaspace", DEBERTA_PREPEND_ALWAYS | DEBERTA_SPLIT) &&
           is_text(stages->content, SPACE_MARK);
}

/* [Lowercase,] Spm. */
static bool sentencepiece_fits(const struct deberta_tokenizer_spec *spec)
{
    size_t count;
    const struct deberta_stage *stages = skip_lowercase(spec, &count);
    return count == 1 && is_stage(stages, "Spm", 0) && spec->pretokenizer_count == 0;
}

/* The only token that is found in normalised text, or NULL; `*fits` is false if the fast path cannot find them. */
static const struct deberta_added_token *find_normalized(const struct deberta_tokenizer_spec *spec, bool *fits)
{
    const struct deberta_added_token *found = NULL;
    *fits = true;
    for (size_t i = 0; i < spec->added_count; i++) {
        const struct deberta_added_token *token = &spec->added[i];
        if (!token->normalized)
            continue;
        *fits = !found && !token->single_word && !token->lstrip && !token->rstrip;
        if (!*fits)
            return NULL;
        found = token;
    }
    return found;
}

/* Words of these bytes, and the spaces between them, go round the normalizer. */
static void find_plain(struct fast_path *path)
{
    const struct bytes *token = &path->token;
    bool spaced = token->size != 0 && memchr(token->data, ' ', token->size);
    if (!path->normalizer.keeps_ascii || spaced)
        return;
    for (uint32_t code = 0x21; code < 0x7F; code++)
        path->plain[code] =
            !(path->split_by_punct && unicode_punctuation(code)) && !(token->size != 0 && token->data[0] == (char)code);
    path->has_plain = true;
}

/* A token that is found in normalised text is looked for in the form that normalising gives it. */
static enum deberta_status normalize_token(struct fast_path *path, struct deberta_text text)
{
    struct bytes lower = {0};
    enum deberta_status status = path->lower_case ? normalizer_lower(text.bytes, text.size, &lower)
                                                  : bytes_append(&lower, text.bytes, text.size);
    size_t start = 0, end = lower.size;
    if (status == DEBERTA_OK) {
        spm_normalizer_strip(lower.data, &start, &end);
        status = spm_normalizer_replace(&path->normalizer, lower.data + start, end - start, &path->token);
    }
    memory_free(lower.data);
    return status;
}

static enum deberta_status init(struct fast_path *path, const struct deberta_tokenizer_spec *spec,
                                struct deberta_text charsmap, const struct deberta_added_token *token)
{
    path->split_by_punct = spec->pretokenizer_count == 2;
    TRY(spm_normalizer_init(&path->normalizer, &(struct deberta_spm){.charsmap = charsmap}));
    if (token)
        TRY(normalize_token(path, token->text));
    path->cutter = (struct word_cutter){
        .split_by_punct = path->split_by_punct,
        .token = path->token.size ? path->token.data : NULL,
        .token_size = path->token.size,
        .token_id = token ? token->id : -1,
    };
    path->finds_special = token && token->special;
    find_plain(path);
    return DEBERTA_OK;
}

enum deberta_status fast_path_init(struct fast_path *path, const struct deberta_tokenizer_spec *spec,
                                   const struct unigram *unigram)
{
    const struct deberta_vocabulary *vocabulary = &spec->vocabulary;
    struct deberta_text charsmap = {NULL, 0};
    bool fits, as_sentencepiece = vocabulary->sentencepiece != NULL;
    const struct deberta_added_token *token = find_normalized(spec, &fits);
    *path = (struct fast_path){.as_sentencepiece = as_sentencepiece, .split_by_punct = spec->marks_apart};
    if (!fits || vocabulary->type != DEBERTA_UNIGRAM || vocabulary->byte_fallback)
        return DEBERTA_OK;
    if (as_sentencepiece ? token || !sentencepiece_fits(spec)
                         : spec->marks_apart || !normalizers_fit(spec, &charsmap) ||
                               !pretokenizers_fit(spec->pretokenizers, spec->pretokenizer_count))
        return DEBERTA_OK;
    path->lower_case = is_stage(spec->normalizers, "Lowercase", 0);
    enum deberta_status status = as_sentencepiece ? spm_normalizer_init(&path->normalizer, vocabulary->sentencepiece)
                                                  : init(path, spec, charsmap, token);
    if (status == DEBERTA_OK)
        path->unigram = unigram;
    else
        fast_path_release(path);
    return status;
}

void fast_path_release(struct fast_path *path)
{
    spm_normalizer_release(&path->normalizer);
    memory_free(path->token.data);
    *path = (struct fast_path){0};
}

void fast_path_scratch_release(struct fast_path_scratch *scratch)
{
    memory_free(scratch->lower.data);
    memory_free(scratch->normal.data);
    words_release(&scratch->words);
    unigram_scratch_release(&scratch->unigram);
}

/* ---- encoding as tokenizers does ---- */

/* A piece of a segment, through all stages. */
static enum deberta_status encode_piece(const struct fast_path *path, struct fast_path_scratch *scratch,
                                        struct word_cutter_state *state, const char *text, size_t size, bool last,
                                        struct ids *ids)
{
    struct words *words = &scratch->words;
    scratch->normal.size = 0;
    words_clear(words);
    TRY(spm_normalizer_replace(&path->normalizer, text, size, &scratch->normal));
    TRY(words_cut(&path->cutter, state, scratch->normal.data, scratch->normal.size, last, words));
    for (size_t i = 0, start = 0; i < words->size; start = words->data[i++].end) {
        if (words->data[i].token >= 0)
            TRY(ids_append(ids, words->data[i].token));
        else /* behind its U+2581 */
            TRY(unigram_encode_word(path->unigram, &scratch->unigram, words->text.data + start + 3,
                                    words->data[i].end - start - 3, ids));
    }
    return DEBERTA_OK;
}

/* Where the piece that begins at `from` and needs the normalizer ends: behind a space that no neighbour can combine
 * with. */
static size_t piece_end(const char *text, size_t from, size_t end)
{
    for (size_t i = from + 1; i + 1 < end; i++)
        if (text[i] == ' ' && (unsigned char)text[i - 1] < 0x80 && text[i + 1] > ' ' && text[i + 1] < 0x7F)
            return i + 1;
    return end;
}

/* Bytes of the word at the start that the normalizer leaves alone, if the space behind it, too, is one that it leaves
 * alone: a mark that follows a space can take it away, and the word would go on. */
static size_t plain_word(const struct fast_path *path, const char *text, size_t size)
{
    size_t end = 0;
    while (end < size && path->plain[(unsigned char)text[end]])
        end++;
    if (end == size)
        return end;
    bool separate = text[end] == ' ' && end + 1 < size && (unsigned char)text[end + 1] < 0x80;
    return separate ? end : 0;
}

/* White space at the ends is gone. */
static enum deberta_status encode_stripped(const struct fast_path *path, struct fast_path_scratch *scratch,
                                           const char *text, size_t size, struct ids *ids)
{
    struct word_cutter_state state = {false};
    if (!path->has_plain)
        return encode_piece(path, scratch, &state, text, size, true, ids);
    for (size_t i = 0, end; i < size; i = end) {
        size_t word = plain_word(path, text + i, size - i);
        TRY(watch_look(1 + word));
        if (word == 0) {
            end = piece_end(text, i, size);
            TRY(encode_piece(path, scratch, &state, text + i, end - i, end == size, ids));
            continue;
        }
        TRY(unigram_encode_word(path->unigram, &scratch->unigram, text + i, word, ids));
        end = i + word;
        while (end < size && text[end] == ' ')
            end++;
        if (end < size && (unsigned char)text[end] >= 0x80)
            end--; /* the last of several spaces belongs to what follows */
        state.space = end != i + word;
    }
    return DEBERTA_OK;
}

static enum deberta_status encode_segment(const struct fast_path *path, struct fast_path_scratch *scratch,
                                          const char *text, size_t size, struct ids *ids)
{
    size_t start = 0;
    spm_normalizer_strip(text, &start, &size);
    return start == size ? DEBERTA_OK : encode_stripped(path, scratch, text + start, size - start, ids);
}

/* ---- encoding as sentencepiece does ---- */

static enum deberta_status encode_sentence(const struct fast_path *path, struct fast_path_scratch *scratch,
                                           const char *text, size_t size, struct ids *ids)
{
    scratch->normal.size = 0;
    TRY(spm_normalizer_apply(&path->normalizer, text, size, &scratch->normal));
    return unigram_encode(path->unigram, &scratch->unigram, scratch->normal.data, scratch->normal.size, ids, NULL);
}

/* Each punctuation mark, and the text between two, is a sentence of its own. */
static enum deberta_status encode_between_marks(const struct fast_path *path, struct fast_path_scratch *scratch,
                                                const char *text, size_t size, struct ids *ids)
{
    size_t start = 0;
    for (size_t i = 0; i < size;) {
        struct character c = utf8_decode(text + i, size - i);
        if (unicode_punctuation(c.code)) {
            TRY(encode_sentence(path, scratch, text + start, i - start, ids));
            TRY(encode_sentence(path, scratch, text + i, c.size, ids));
            start = i + c.size;
        }
        i += c.size;
    }
    return encode_sentence(path, scratch, text + start, size - start, ids);
}

/* ---- either ---- */

enum deberta_status fast_path_encode(const struct fast_path *path, struct fast_path_scratch *scratch, const char *text,
                                     size_t size, struct ids *ids)
{
    if (path->lower_case) {
        scratch->lower.size = 0;
        TRY(normalizer_lower(text, size, &scratch->lower));
        text = scratch->lower.data;
        size = scratch->lower.size;
    }
    if (!path->as_sentencepiece)
        return encode_segment(path, scratch, text, size, ids);
    if (path->split_by_punct)
        return encode_between_marks(path, scratch, text, size, ids);
    return encode_sentence(path, scratch, text, size, ids);
}
