/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer of an spm.model, for tests without Python: the stages of deberta_c/_tokenizers/recipes.py. */
#ifndef SPM_RECIPE_H
#define SPM_RECIPE_H

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "deberta.h"

enum spm_rule { HF4, HF5, SPM };

struct spm_options {
    enum spm_rule rule;
    bool lower_case, split_by_punct;
};

static inline bool is_piece(const struct deberta_spm *spm, size_t id, const char *name)
{
    return spm->tokens[id].size == strlen(name) && memcmp(spm->tokens[id].bytes, name, strlen(name)) == 0;
}

/* Room for the parts of a spec. */
struct recipe {
    struct deberta_stage normalizers[4], pretokenizers[2];
    struct deberta_added_token *added;
    size_t added_count;
};

static inline int32_t find_added(struct recipe *recipe, const struct deberta_spm *spm, enum spm_rule rule,
                                 const char *name)
{
    int32_t found = -1;
    for (size_t id = 0; id < spm->count; id++)
        if (is_piece(spm, id, name))
            found = (int32_t)id;
    if (found < 0 && strcmp(name, "[MASK]") == 0)
        found = (int32_t)spm->count;
    if (found >= 0)
        recipe->added[recipe->added_count++] = (struct deberta_added_token){
            .text = {name, strlen(name)},
            .id = found,
            .normalized = rule == HF4 && strcmp(name, "[UNK]") == 0,
            .special = true,
        };
    return found;
}

/* False when a special token is missing. */
static inline bool find_all_added(struct recipe *recipe, const struct deberta_spm *spm, enum spm_rule rule)
{
    static const char *const names[] = {"[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"};
    for (size_t i = 0; i < 5; i++)
        if (find_added(recipe, spm, rule, names[i]) < 0)
            return false;
    for (size_t id = 0; id < spm->count && rule != SPM; id++) {
        bool special = false;
        for (size_t i = 0; i < 5; i++)
            special = special || is_piece(spm, id, names[i]);
        enum deberta_piece_type type = spm->types[id];
        if (!special && (type == DEBERTA_PIECE_CONTROL || type == DEBERTA_PIECE_USER_DEFINED))
            recipe->added[recipe->added_count++] = (struct deberta_added_token){
                .text = spm->tokens[id], .id = (int32_t)id, .special = type == DEBERTA_PIECE_CONTROL};
    }
    return true;
}

static inline size_t write_normalizers(struct deberta_stage *stages, const struct deberta_spm *spm,
                                       const struct spm_options *options)
{
    static const struct deberta_text space = {" ", 1};
    size_t count = 0;
    if (options->lower_case)
        stages[count++] = (struct deberta_stage){.type = "Lowercase"};
    if (options->rule == SPM) {
        stages[count++] = (struct deberta_stage){.type = "Spm"};
    } else if (options->rule == HF5) {
        stages[count++] = (struct deberta_stage){
            .type = "Replace", .flags = DEBERTA_REGEX, .pattern = {"\\s{2,}|[\\n\\r\\t]", 15}, .content = space};
        stages[count++] = (struct deberta_stage){.type = "NFC"};
        stages[count++] = (struct deberta_stage){.type = "Strip", .flags = DEBERTA_STRIP_RIGHT};
    } else {
        stages[count++] = (struct deberta_stage){.type = "Strip", .flags = DEBERTA_STRIP_LEFT | DEBERTA_STRIP_RIGHT};
        if (spm->charsmap.size != 0)
            stages[count++] = (struct deberta_stage){.type = "Precompiled", .pattern = spm->charsmap};
        stages[count++] = (struct deberta_stage){
            .type = "Replace", .flags = DEBERTA_REGEX, .pattern = {" {2,}", 5}, .content = space};
    }
    return count;
}

static inline size_t write_pretokenizers(struct deberta_stage *stages, const struct spm_options *options)
{
    size_t count = 0;
    if (options->rule == SPM)
        return 0;
    if (options->split_by_punct)
        stages[count++] = (struct deberta_stage){.type = "Punctuation", .behavior = DEBERTA_ISOLATED};
    stages[count++] = (struct deberta_stage){
        .type = "Metaspace", .flags = DEBERTA_PREPEND_ALWAYS | DEBERTA_SPLIT, .content = {"\xE2\x96\x81", 3}};
    return count;
}

static inline enum deberta_status make_of_spm(const struct deberta_spm *spm, const struct spm_options *options,
                                              struct recipe *recipe, struct deberta_tokenizer **out)
{
    if (!find_all_added(recipe, spm, options->rule))
        return DEBERTA_FORMAT;
    int32_t cls = recipe->added[0].id, sep = recipe->added[1].id;
    struct deberta_template_part parts[] = {
        {cls, 0}, {DEBERTA_SEQUENCE_A, 0}, {sep, 0}, {DEBERTA_SEQUENCE_B, 1}, {sep, 1}};
    struct deberta_tokenizer_spec spec = {
        .normalizers = recipe->normalizers,
        .normalizer_count = write_normalizers(recipe->normalizers, spm, options),
        .pretokenizers = recipe->pretokenizers,
        .pretokenizer_count = write_pretokenizers(recipe->pretokenizers, options),
        .marks_apart = options->rule == SPM && options->split_by_punct,
        .vocabulary = {.type = DEBERTA_UNIGRAM,
                       .tokens = spm->tokens,
                       .ids = spm->ids,
                       .scores = spm->scores,
                       .count = spm->count,
                       .unknown = spm->unknown,
                       .sentencepiece = options->rule == SPM ? spm : NULL},
        .added = recipe->added,
        .added_count = recipe->added_count,
        .single = parts,
        .single_count = 3,
        .pair = parts,
        .pair_count = 5,
    };
    return deberta_tokenizer_new(&spec, out);
}

static inline enum deberta_status read_spm(const void *file, size_t size, const struct spm_options *options,
                                           struct deberta_tokenizer **out)
{
    struct deberta_spm spm;
    struct recipe recipe = {0};
    *out = NULL;
    enum deberta_status status = deberta_spm_read(&spm, file, size);
    if (status != DEBERTA_OK)
        return status;
    recipe.added = malloc((spm.count + 5) * sizeof *recipe.added);
    CHECK(recipe.added);
    status = make_of_spm(&spm, options, &recipe, out);
    free(recipe.added);
    deberta_spm_release(&spm);
    return status;
}

#endif
