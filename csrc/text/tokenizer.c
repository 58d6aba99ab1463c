/* SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer.h"

#include "text/unicode/unicode.h"

#define MAX_IDS ((int32_t)1 << 24) /* what a tokenizer may have: strings are kept by id, holes too */

/* ---- the strings of the ids ---- */

static enum deberta_status check_template(const struct deberta_template_part *parts, size_t count, size_t ids)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].id >= 0 && (size_t)parts[i].id >= ids)
            return fail(DEBERTA_FORMAT, "the template has the id %d, which no token has", (int)parts[i].id);
    return DEBERTA_OK;
}

static enum deberta_status count_ids(const struct deberta_tokenizer_spec *spec, size_t *count)
{
    const struct deberta_vocabulary *vocabulary = &spec->vocabulary;
    int32_t greatest = -1;
    for (size_t i = 0; i < vocabulary->count + spec->added_count; i++) {
        bool added = i >= vocabulary->count;
        int32_t id = added ? spec->added[i - vocabulary->count].id : vocabulary->ids[i];
        if (id < 0 || id >= MAX_IDS) {
            struct deberta_text text = added ? spec->added[i - vocabulary->count].text : vocabulary->tokens[i];
            return fail(DEBERTA_FORMAT, "the token '%.*s' has the id %d; ids lie in [0, %d)",
                        (int)min_size(text.size, 100), text.bytes, (int)id, (int)MAX_IDS);
        }
        greatest = id > greatest ? id : greatest;
    }
    *count = (size_t)(greatest + 1);
    if (vocabulary->unknown > greatest)
        return fail(DEBERTA_FORMAT, "the unknown token has the id %d, which no token has", (int)vocabulary->unknown);
    return DEBERTA_OK;
}

static enum deberta_status join_strings(struct deberta_tokenizer *tokenizer, const struct deberta_text *by_id)
{
    size_t total = 0;
    for (size_t id = 0; id < tokenizer->count; id++)
        total += by_id[id].size;
    void *block;
    TRY(memory_alloc(total, 1, &block));
    tokenizer->pieces = block;
    TRY(memory_alloc(tokenizer->count + 1, sizeof *tokenizer->piece_start, &block));
    tokenizer->piece_start = block;
    size_t start = 0;
    for (size_t id = 0; id < tokenizer->count; id++) {
        tokenizer->piece_start[id] = start;
        if (by_id[id].size != 0)
            memcpy(tokenizer->pieces + start, by_id[id].bytes, by_id[id].size);
        start += by_id[id].size;
    }
    tokenizer->piece_start[tokenizer->count] = start;
    return DEBERTA_OK;
}

static enum deberta_status copy_strings(struct deberta_tokenizer *tokenizer, const struct deberta_tokenizer_spec *spec)
{
    const struct deberta_vocabulary *vocabulary = &spec->vocabulary;
    void *block;
    TRY(count_ids(spec, &tokenizer->count));
    TRY(memory_calloc(tokenizer->count, sizeof(struct deberta_text), &block));
    struct deberta_text *by_id = block;
    for (size_t i = 0; i < vocabulary->count; i++)
        by_id[vocabulary->ids[i]] = vocabulary->tokens[i];
    for (size_t i = 0; i < spec->added_count; i++)
        by_id[spec->added[i].id] = spec->added[i].text;
    enum deberta_status status = join_strings(tokenizer, by_id);
    memory_free(by_id);
    return status;
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

/* ---- making one ---- */

static enum deberta_status init(struct deberta_tokenizer *tokenizer, const struct deberta_tokenizer_spec *spec)
{
    TRY(copy_strings(tokenizer, spec));
    TRY(check_template(spec->single, spec->single_count, tokenizer->count));
    TRY(check_template(spec->pair, spec->pair_count, tokenizer->count));
    TRY(template_init(&tokenizer->template, spec));
    TRY(stages_init(&tokenizer->stages, spec));
    return fast_path_init(&tokenizer->fast_path, spec, &tokenizer->stages.subword.unigram);
}

enum deberta_status deberta_tokenizer_new(const struct deberta_tokenizer_spec *spec, struct deberta_tokenizer **out)
{
    *out = NULL;
    void *block;
    TRY(memory_calloc(1, sizeof **out, &block));
    enum deberta_status status = init(block, spec);
    if (status == DEBERTA_OK)
        *out = block;
    else
        deberta_tokenizer_free(block);
    return status;
}

void deberta_tokenizer_free(struct deberta_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    fast_path_release(&tokenizer->fast_path);
    stages_release(&tokenizer->stages);
    template_release(&tokenizer->template);
    memory_free(tokenizer->pieces);
    memory_free(tokenizer->piece_start);
    memory_free(tokenizer);
}

/* ---- encoding ---- */

void tokenizer_scratch_release(struct tokenizer_scratch *scratch)
{
    fast_path_scratch_release(&scratch->fast_path);
    stages_scratch_release(&scratch->stages);
}

static enum deberta_status encode_directly(const struct deberta_tokenizer *tokenizer, struct fast_path_scratch *scratch,
                                           struct deberta_text text, bool split_special, struct ids *ids)
{
    for (size_t start = 0; start < text.size;) {
        struct added_match match =
            added_tokens_find(&tokenizer->stages.raw, text.bytes, text.size, start, split_special);
        if (match.start != start)
            TRY(fast_path_encode(&tokenizer->fast_path, scratch, text.bytes + start, match.start - start, ids));
        if (match.id >= 0)
            TRY(ids_append(ids, match.id));
        start = match.end;
    }
    return DEBERTA_OK;
}

enum deberta_status tokenizer_encode_text(const struct deberta_tokenizer *tokenizer, struct tokenizer_scratch *scratch,
                                          struct deberta_text text, bool split_special_tokens, struct tokens *tokens)
{
    bool only_ids = !(tokens->wanted & (DEBERTA_WANT_SPANS | DEBERTA_WANT_WORDS | DEBERTA_WANT_STRINGS));
    bool can_split = !(split_special_tokens && tokenizer->fast_path.finds_special);
    if (tokenizer->fast_path.unigram && only_ids && can_split)
        return encode_directly(tokenizer, &scratch->fast_path, text, split_special_tokens, &tokens->ids);
    return stages_encode(&tokenizer->stages, &scratch->stages, text, split_special_tokens, tokens);
}
