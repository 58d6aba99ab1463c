/* SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer.h"

#include "text/encoding.h"
#include "text/unicode.h"

/* ---- making one ---- */

enum { PAD, CLS, SEP, UNK, MASK, SPECIAL_COUNT };
static const char *const special_names[SPECIAL_COUNT] = {"[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"};

static bool is_named(const struct spm_piece *piece, const char *name)
{
    return piece->size == strlen(name) && memcmp(piece->text, name, piece->size) == 0;
}

/* [MASK] may be missing from the file: it is then one more id after the pieces. */
static enum deberta_status find_special(const struct spm *spm, int32_t special[SPECIAL_COUNT])
{
    for (int name = 0; name < SPECIAL_COUNT; name++) {
        special[name] = name == MASK ? (int32_t)spm->count : -1;
        for (size_t id = 0; id < spm->count; id++)
            if (is_named(&spm->pieces[id], special_names[name]))
                special[name] = (int32_t)id;
        if (special[name] < 0)
            return fail(DEBERTA_FORMAT, "spm.model has no piece %s: it does not belong to a DeBERTa v2 or v3",
                        special_names[name]);
    }
    if (special[UNK] != spm->unknown)
        return fail(DEBERTA_FORMAT, "spm.model: the piece of type UNKNOWN is '%.*s', not [UNK]",
                    (int)min_size(spm->pieces[spm->unknown].size, 100), spm->pieces[spm->unknown].text);
    return DEBERTA_OK;
}

static enum deberta_status copy_pieces(struct deberta_tokenizer *tokenizer, const struct spm *spm)
{
    size_t total = strlen(special_names[MASK]);
    for (size_t id = 0; id < spm->count; id++)
        total += spm->pieces[id].size;
    void *block;
    TRY(memory_alloc(total, 1, &block));
    tokenizer->pieces = block;
    TRY(memory_alloc(tokenizer->count + 1, sizeof *tokenizer->piece_start, &block));
    tokenizer->piece_start = block;
    size_t start = 0;
    for (size_t id = 0; id < tokenizer->count; id++) {
        bool in_file = id < spm->count;
        size_t size = in_file ? spm->pieces[id].size : strlen(special_names[MASK]);
        memcpy(tokenizer->pieces + start, in_file ? spm->pieces[id].text : special_names[MASK], size);
        tokenizer->piece_start[id] = start;
        start += size;
    }
    tokenizer->piece_start[tokenizer->count] = start;
    return DEBERTA_OK;
}

/* Which ids are found in raw text. As tokenizers: those of CONTROL and USER_DEFINED pieces and the special ones but
 * [UNK], which is looked for later. sentencepiece itself finds none; what is built on it looks for the special ones. */
static bool is_added(const struct deberta_tokenizer *tokenizer, const struct spm *spm,
                     const int32_t special[SPECIAL_COUNT], size_t id)
{
    bool fallback = tokenizer->options.byte_fallback;
    for (int name = 0; name < SPECIAL_COUNT; name++)
        if (special[name] == (int32_t)id)
            return name != UNK || fallback;
    enum spm_type type = id < spm->count ? spm->pieces[id].type : SPM_CONTROL;
    return !fallback && (type == SPM_CONTROL || type == SPM_USER_DEFINED);
}

static enum deberta_status init_added(struct deberta_tokenizer *tokenizer, const struct spm *spm,
                                      const int32_t special[SPECIAL_COUNT])
{
    void *block;
    TRY(memory_alloc(tokenizer->count, sizeof(struct trie_key), &block));
    struct trie_key *keys = block;
    size_t count = 0;
    for (size_t id = 0; id < tokenizer->count; id++) {
        struct deberta_text piece = deberta_tokenizer_piece(tokenizer, id);
        if (is_added(tokenizer, spm, special, id))
            keys[count++] = (struct trie_key){piece.bytes, piece.size, (int32_t)id, 0};
    }
    enum deberta_status status = added_init(&tokenizer->added, keys, count);
    memory_free(keys);
    return status;
}

/* [UNK] is found in normalised text, in the form that normalising gives it. */
static enum deberta_status init_pretokenizer(struct deberta_tokenizer *tokenizer, int32_t unknown)
{
    struct bytes lower = {0}, token = {0};
    struct deberta_text name = deberta_tokenizer_piece(tokenizer, (size_t)unknown);
    enum deberta_status status = DEBERTA_OK;
    if (tokenizer->options.lower_case)
        status = normalizer_lower(name.bytes, name.size, &lower);
    else
        status = bytes_append(&lower, name.bytes, name.size);
    if (status == DEBERTA_OK)
        status = normalizer_replace(&tokenizer->normalizer, lower.data, lower.size, &token);
    memory_free(lower.data);
    tokenizer->normalized_token = token.data;
    tokenizer->pretokenizer = (struct pretokenizer){
        .split_by_punct = tokenizer->options.split_by_punct,
        .token = token.size ? token.data : NULL,
        .token_size = token.size,
        .token_id = unknown,
    };
    return status;
}

/* Words of these bytes, and the spaces between them, go round the normalizer. */
static void find_plain(struct deberta_tokenizer *tokenizer)
{
    const struct pretokenizer *pretokenizer = &tokenizer->pretokenizer;
    bool spaced = pretokenizer->token && memchr(pretokenizer->token, ' ', pretokenizer->token_size);
    if (!tokenizer->normalizer.keeps_ascii || spaced)
        return;
    for (uint32_t code = 0x21; code < 0x7F; code++)
        tokenizer->plain[code] = !(pretokenizer->split_by_punct && unicode_punctuation(code)) &&
                                 !(pretokenizer->token && pretokenizer->token[0] == (char)code);
    tokenizer->has_plain = true;
}

static enum deberta_status init(struct deberta_tokenizer *tokenizer, const struct spm *spm)
{
    int32_t special[SPECIAL_COUNT];
    TRY(find_special(spm, special));
    tokenizer->count = spm->count + (special[MASK] == (int32_t)spm->count);
    tokenizer->template = (struct template){special[CLS], special[SEP]};
    TRY(copy_pieces(tokenizer, spm));
    enum unigram_rule rule = tokenizer->options.byte_fallback ? UNIGRAM_SENTENCEPIECE : UNIGRAM_TOKENIZERS;
    TRY(unigram_init(&tokenizer->unigram, spm, rule));
    TRY(normalizer_init(&tokenizer->normalizer, spm));
    TRY(init_added(tokenizer, spm, special));
    TRY(init_pretokenizer(tokenizer, special[UNK]));
    find_plain(tokenizer);
    return DEBERTA_OK;
}

enum deberta_status deberta_tokenizer_new(const void *spm, size_t size, const struct deberta_tokenizer_options *options,
                                          struct deberta_tokenizer **out)
{
    *out = NULL;
    void *block;
    struct spm model;
    TRY(memory_calloc(1, sizeof **out, &block));
    struct deberta_tokenizer *tokenizer = block;
    tokenizer->options = *options;
    enum deberta_status status = spm_init(&model, spm, size);
    if (status == DEBERTA_OK) {
        status = init(tokenizer, &model);
        spm_release(&model);
    }
    if (status == DEBERTA_OK)
        *out = tokenizer;
    else
        deberta_tokenizer_free(tokenizer);
    return status;
}

void deberta_tokenizer_free(struct deberta_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    added_release(&tokenizer->added);
    normalizer_release(&tokenizer->normalizer);
    unigram_release(&tokenizer->unigram);
    memory_free(tokenizer->normalized_token);
    memory_free(tokenizer->pieces);
    memory_free(tokenizer->piece_start);
    memory_free(tokenizer);
}

size_t deberta_tokenizer_size(const struct deberta_tokenizer *tokenizer)
{
    return tokenizer->count;
}

struct deberta_text deberta_tokenizer_piece(const struct deberta_tokenizer *tokenizer, size_t id)
{
    size_t start = tokenizer->piece_start[id];
    return (struct deberta_text){tokenizer->pieces + start, tokenizer->piece_start[id + 1] - start};
}

/* ---- encoding as tokenizers does ---- */

void tokenizer_scratch_release(struct tokenizer_scratch *scratch)
{
    memory_free(scratch->lower.data);
    memory_free(scratch->normal.data);
    words_release(&scratch->words);
    unigram_scratch_release(&scratch->unigram);
}

/* A piece of a segment, through all stages. */
static enum deberta_status encode_piece(const struct deberta_tokenizer *tokenizer, struct tokenizer_scratch *scratch,
                                        struct pretokenizer_state *state, const char *text, size_t size, bool last,
                                        struct ids *ids)
{
    struct words *words = &scratch->words;
    scratch->normal.size = 0;
    words_clear(words);
    TRY(normalizer_replace(&tokenizer->normalizer, text, size, &scratch->normal));
    TRY(pretokenizer_cut(&tokenizer->pretokenizer, state, scratch->normal.data, scratch->normal.size, last, words));
    for (size_t i = 0, start = 0; i < words->size; start = words->data[i++].end) {
        if (words->data[i].token >= 0)
            TRY(ids_append(ids, words->data[i].token));
        else /* behind its U+2581 */
            TRY(unigram_encode_word(&tokenizer->unigram, &scratch->unigram, words->text.data + start + 3,
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
static size_t plain_word(const struct deberta_tokenizer *tokenizer, const char *text, size_t size)
{
    size_t end = 0;
    while (end < size && tokenizer->plain[(unsigned char)text[end]])
        end++;
    if (end == size)
        return end;
    bool separate = text[end] == ' ' && end + 1 < size && (unsigned char)text[end + 1] < 0x80;
    return separate ? end : 0;
}

/* White space at the ends is gone. */
static enum deberta_status encode_stripped(const struct deberta_tokenizer *tokenizer, struct tokenizer_scratch *scratch,
                                           const char *text, size_t size, struct ids *ids)
{
    struct pretokenizer_state state = {false};
    if (!tokenizer->has_plain)
        return encode_piece(tokenizer, scratch, &state, text, size, true, ids);
    for (size_t i = 0, end; i < size; i = end) {
        size_t word = plain_word(tokenizer, text + i, size - i);
        if (word == 0) {
            end = piece_end(text, i, size);
            TRY(encode_piece(tokenizer, scratch, &state, text + i, end - i, end == size, ids));
            continue;
        }
        TRY(unigram_encode_word(&tokenizer->unigram, &scratch->unigram, text + i, word, ids));
        end = i + word;
        while (end < size && text[end] == ' ')
            end++;
        if (end < size && (unsigned char)text[end] >= 0x80)
            end--; /* the last of several spaces belongs to what follows */
        state.space = end != i + word;
    }
    return DEBERTA_OK;
}

static enum deberta_status encode_segment(const struct deberta_tokenizer *tokenizer, struct tokenizer_scratch *scratch,
                                          const char *text, size_t size, struct ids *ids)
{
    size_t start = 0;
    normalizer_strip(text, &start, &size);
    return start == size ? DEBERTA_OK : encode_stripped(tokenizer, scratch, text + start, size - start, ids);
}

/* ---- encoding as sentencepiece does ---- */

static enum deberta_status encode_sentence(const struct deberta_tokenizer *tokenizer, struct tokenizer_scratch *scratch,
                                           const char *text, size_t size, struct ids *ids)
{
    scratch->normal.size = 0;
    TRY(normalizer_spm(&tokenizer->normalizer, text, size, &scratch->normal));
    return unigram_encode(&tokenizer->unigram, &scratch->unigram, scratch->normal.data, scratch->normal.size, ids);
}

/* Each punctuation mark, and what lies between two, is a sentence of its own. */
static enum deberta_status encode_between_marks(const struct deberta_tokenizer *tokenizer,
                                                struct tokenizer_scratch *scratch, const char *text, size_t size,
                                                struct ids *ids)
{
    size_t start = 0;
    for (size_t i = 0; i < size;) {
        struct character c = utf8_decode(text + i, size - i);
        if (unicode_punctuation(c.code)) {
            TRY(encode_sentence(tokenizer, scratch, text + start, i - start, ids));
            TRY(encode_sentence(tokenizer, scratch, text + i, c.size, ids));
            start = i + c.size;
        }
        i += c.size;
    }
    return encode_sentence(tokenizer, scratch, text + start, size - start, ids);
}

/* ---- either ---- */

/* What lies between two tokens that were found in the raw text. */
static enum deberta_status encode_between_tokens(const struct deberta_tokenizer *tokenizer,
                                                 struct tokenizer_scratch *scratch, const char *text, size_t size,
                                                 struct ids *ids)
{
    if (tokenizer->options.lower_case) {
        scratch->lower.size = 0;
        TRY(normalizer_lower(text, size, &scratch->lower));
        text = scratch->lower.data;
        size = scratch->lower.size;
    }
    if (!tokenizer->options.byte_fallback)
        return encode_segment(tokenizer, scratch, text, size, ids);
    if (tokenizer->options.split_by_punct)
        return encode_between_marks(tokenizer, scratch, text, size, ids);
    return encode_sentence(tokenizer, scratch, text, size, ids);
}

enum deberta_status tokenizer_encode_text(const struct deberta_tokenizer *tokenizer, struct tokenizer_scratch *scratch,
                                          struct deberta_text text, struct ids *ids)
{
    for (size_t start = 0; start < text.size;) {
        struct added_match match = added_find(&tokenizer->added, text.bytes, text.size, start);
        if (match.start != start)
            TRY(encode_between_tokens(tokenizer, scratch, text.bytes + start, match.start - start, ids));
        if (match.id >= 0)
            TRY(ids_append(ids, match.id));
        start = match.end;
    }
    return DEBERTA_OK;
}

enum deberta_status deberta_tokenizer_encode(const struct deberta_tokenizer *tokenizer,
                                             const struct deberta_text *firsts, const struct deberta_text *seconds,
                                             size_t count, const struct deberta_encode_options *options,
                                             struct deberta_encodings *out)
{
    return encoding_run(&(struct encoding_batch){tokenizer, firsts, seconds, count, options}, out);
}
