/* SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer.h"

#include "text/unicode/unicode.h"

#define MAX_IDS ((int32_t)1 << 24) /* what a tokenizer may have: strings are kept by id, holes too */
#define TEXT(literal) ((struct deberta_text){(literal), sizeof(literal) - 1})

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

static enum deberta_status init(struct deberta_tokenizer *tokenizer, const struct deberta_tokenizer_spec *spec,
                                const struct spm *spm, const struct deberta_spm_options *options)
{
    TRY(copy_strings(tokenizer, spec));
    TRY(check_template(spec->single, spec->single_count, tokenizer->count));
    TRY(check_template(spec->pair, spec->pair_count, tokenizer->count));
    TRY(template_init(&tokenizer->template, spec));
    TRY(stages_init(&tokenizer->stages, spec, spm));
    const struct unigram *unigram = &tokenizer->stages.subword.unigram;
    if (!spm)
        return fast_path_init(&tokenizer->fast_path, spec, unigram);
    tokenizer->stages.marks_apart = options->split_by_punct;
    return fast_path_init_spm(&tokenizer->fast_path, spm, options, unigram);
}

/* With `spm`, as sentencepiece. */
static enum deberta_status make(const struct deberta_tokenizer_spec *spec, const struct spm *spm,
                                const struct deberta_spm_options *options, struct deberta_tokenizer **out)
{
    void *block;
    TRY(memory_calloc(1, sizeof **out, &block));
    enum deberta_status status = init(block, spec, spm, options);
    if (status == DEBERTA_OK)
        *out = block;
    else
        deberta_tokenizer_free(block);
    return status;
}

enum deberta_status deberta_tokenizer_new(const struct deberta_tokenizer_spec *spec, struct deberta_tokenizer **out)
{
    *out = NULL;
    return make(spec, NULL, NULL, out);
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

/* ---- an spm.model as stages ---- */

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

/* The tables that a vocabulary and the added tokens point to. */
struct conversion {
    struct deberta_text *tokens;
    int32_t *ids;
    double *scores;
    struct deberta_added_token *added;
    size_t added_count;
};

static enum deberta_status conversion_init(struct conversion *c, const struct spm *spm)
{
    void *block;
    *c = (struct conversion){0};
    TRY(memory_alloc(spm->count, sizeof *c->tokens, &block));
    c->tokens = block;
    TRY(memory_alloc(spm->count, sizeof *c->ids, &block));
    c->ids = block;
    TRY(memory_alloc(spm->count, sizeof *c->scores, &block));
    c->scores = block;
    TRY(memory_alloc(spm->count + 1, sizeof *c->added, &block));
    c->added = block;
    for (size_t id = 0; id < spm->count; id++) {
        c->tokens[id] = (struct deberta_text){spm->pieces[id].text, spm->pieces[id].size};
        c->ids[id] = (int32_t)id;
        c->scores[id] = (double)spm->pieces[id].score;
    }
    return DEBERTA_OK;
}

static void conversion_release(struct conversion *c)
{
    memory_free(c->tokens);
    memory_free(c->ids);
    memory_free(c->scores);
    memory_free(c->added);
}

/* As tokenizers: CONTROL and USER_DEFINED pieces and the special tokens are found in raw text, but by HF4 [UNK] in
 * normalised text. sentencepiece itself finds none; what is built on it looks for the special ones. */
static void find_added(struct conversion *c, const struct spm *spm, const int32_t special[SPECIAL_COUNT],
                       enum deberta_rule rule)
{
    for (size_t id = 0; id <= spm->count; id++) {
        int name = 0;
        while (name < SPECIAL_COUNT && special[name] != (int32_t)id)
            name++;
        enum spm_type type = id < spm->count ? spm->pieces[id].type : SPM_NORMAL;
        bool kept = rule != DEBERTA_SPM && (type == SPM_CONTROL || type == SPM_USER_DEFINED);
        if (name == SPECIAL_COUNT && !kept)
            continue;
        struct deberta_text text = id < spm->count ? c->tokens[id] : TEXT("[MASK]");
        c->added[c->added_count++] = (struct deberta_added_token){
            .text = text,
            .id = (int32_t)id,
            .normalized = name == UNK && rule == DEBERTA_HF4,
            .special = name < SPECIAL_COUNT || type == SPM_CONTROL,
        };
    }
}

/* Writes the normalizers of a rule and returns how many there are. */
static size_t normalizers_of(const struct spm *spm, const struct deberta_spm_options *options,
                             struct deberta_stage stages[4])
{
    size_t count = 0;
    if (options->lower_case)
        stages[count++] = (struct deberta_stage){.type = "Lowercase"};
    if (options->rule == DEBERTA_SPM) {
        stages[count++] = (struct deberta_stage){.type = "Spm"};
    } else if (options->rule == DEBERTA_HF5) {
        stages[count++] = (struct deberta_stage){
            .type = "Replace", .flags = DEBERTA_REGEX, .pattern = TEXT("\\s{2,}|[\\n\\r\\t]"), .content = TEXT(" ")};
        stages[count++] = (struct deberta_stage){.type = "NFC"};
        stages[count++] = (struct deberta_stage){.type = "Strip", .flags = DEBERTA_STRIP_RIGHT};
    } else {
        stages[count++] = (struct deberta_stage){.type = "Strip", .flags = DEBERTA_STRIP_LEFT | DEBERTA_STRIP_RIGHT};
        stages[count++] = (struct deberta_stage){.type = "Precompiled", .pattern = {spm->charsmap, spm->charsmap_size}};
        stages[count++] = (struct deberta_stage){
            .type = "Replace", .flags = DEBERTA_REGEX, .pattern = TEXT(" {2,}"), .content = TEXT(" ")};
    }
    return count;
}

static size_t pretokenizers_of(const struct deberta_spm_options *options, struct deberta_stage stages[2])
{
    size_t count = 0;
    if (options->rule == DEBERTA_SPM)
        return 0;
    if (options->split_by_punct)
        stages[count++] = (struct deberta_stage){.type = "Punctuation", .behavior = DEBERTA_ISOLATED};
    stages[count++] = (struct deberta_stage){
        .type = "Metaspace", .flags = DEBERTA_PREPEND_ALWAYS | DEBERTA_SPLIT, .content = TEXT(SPACE_MARK)};
    return count;
}

static enum deberta_status convert(const struct spm *spm, const struct deberta_spm_options *options,
                                   struct conversion *c, struct deberta_tokenizer **out)
{
    int32_t special[SPECIAL_COUNT];
    bool sentencepiece = options->rule == DEBERTA_SPM;
    TRY(find_special(spm, special));
    find_added(c, spm, special, options->rule);
    struct deberta_stage normalizers[4], pretokenizers[2];
    struct deberta_template_part parts[] = {
        {special[CLS], 0}, {DEBERTA_SEQUENCE_A, 0}, {special[SEP], 0}, {DEBERTA_SEQUENCE_B, 1}, {special[SEP], 1}};
    struct deberta_tokenizer_spec spec = {
        .normalizers = normalizers,
        .normalizer_count = normalizers_of(spm, options, normalizers),
        .pretokenizers = pretokenizers,
        .pretokenizer_count = pretokenizers_of(options, pretokenizers),
        .vocabulary = {.type = DEBERTA_UNIGRAM,
                       .tokens = c->tokens,
                       .ids = c->ids,
                       .scores = c->scores,
                       .count = spm->count,
                       .unknown = spm->unknown},
        .added = c->added,
        .added_count = c->added_count,
        .single = parts,
        .single_count = 3,
        .pair = parts,
        .pair_count = 5,
    };
    return make(&spec, sentencepiece ? spm : NULL, options, out);
}

enum deberta_status deberta_tokenizer_read_spm(const void *file, size_t size, const struct deberta_spm_options *options,
                                               struct deberta_tokenizer **out)
{
    *out = NULL;
    struct spm spm;
    struct conversion conversion;
    TRY(spm_init(&spm, file, size));
    enum deberta_status status = conversion_init(&conversion, &spm);
    if (status == DEBERTA_OK)
        status = convert(&spm, options, &conversion, out);
    conversion_release(&conversion);
    spm_release(&spm);
    return status;
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
