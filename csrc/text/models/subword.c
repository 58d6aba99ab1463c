/* SPDX-License-Identifier: Apache-2.0 */
#include "text/models/subword.h"

#define ID_LIMIT (1 << 30)

static enum deberta_status check(const struct deberta_vocabulary *vocabulary, bool byte_level)
{
    if (byte_level && vocabulary->type != DEBERTA_BPE)
        return fail(DEBERTA_FORMAT, "ByteLevel is for a BPE model, and this is another one");
    if (vocabulary->unknown >= ID_LIMIT)
        return fail(DEBERTA_FORMAT, "the unknown token has id %d, not one below %d", vocabulary->unknown, ID_LIMIT);
    for (size_t i = 0; i < vocabulary->count; i++)
        if (vocabulary->ids[i] < 0 || vocabulary->ids[i] >= ID_LIMIT)
            return fail(DEBERTA_FORMAT, "token '%.*s' has id %d, not one from 0 to %d",
                        (int)min_size(vocabulary->tokens[i].size, 100), vocabulary->tokens[i].bytes, vocabulary->ids[i],
                        ID_LIMIT - 1);
    return DEBERTA_OK;
}

enum deberta_status subword_init(struct subword *subword, const struct deberta_vocabulary *vocabulary, bool byte_level)
{
    *subword = (struct subword){.type = vocabulary->type};
    TRY(check(vocabulary, byte_level));
    switch (vocabulary->type) {
    case DEBERTA_UNIGRAM:
        if (vocabulary->sentencepiece)
            return unigram_init_spm(&subword->unigram, vocabulary->sentencepiece);
        return unigram_init(&subword->unigram, vocabulary);
    case DEBERTA_WORDPIECE:
        return wordpiece_init(&subword->wordpiece, vocabulary);
    case DEBERTA_BPE:
        return bpe_init(&subword->bpe, vocabulary, byte_level);
    }
    return fail(DEBERTA_ARGUMENT, "there is no model type %d", (int)vocabulary->type);
}

void subword_release(struct subword *subword)
{
    switch (subword->type) {
    case DEBERTA_UNIGRAM:
        unigram_release(&subword->unigram);
        break;
    case DEBERTA_WORDPIECE:
        wordpiece_release(&subword->wordpiece);
        break;
    case DEBERTA_BPE:
        bpe_release(&subword->bpe);
        break;
    }
}

void subword_scratch_release(struct subword_scratch *scratch)
{
    unigram_scratch_release(&scratch->unigram);
    bpe_scratch_release(&scratch->bpe);
}

enum deberta_status subword_encode(const struct subword *subword, struct subword_scratch *scratch, const char *word,
                                   size_t size, struct ids *ids, struct spans *ranges)
{
    switch (subword->type) {
    case DEBERTA_UNIGRAM:
        return unigram_encode(&subword->unigram, &scratch->unigram, word, size, ids, ranges);
    case DEBERTA_WORDPIECE:
        return wordpiece_encode(&subword->wordpiece, word, size, ids, ranges);
    case DEBERTA_BPE:
        return bpe_encode(&subword->bpe, &scratch->bpe, word, size, ids, ranges);
    }
    return DEBERTA_OK;
}
