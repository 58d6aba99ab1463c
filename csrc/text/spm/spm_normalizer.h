/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the characters of a text before it is cut into words. Two ways: that of the `tokenizers` library,
 * and sentencepiece's own. */
#ifndef DEBERTA_TEXT_SPM_NORMALIZER_H
#define DEBERTA_TEXT_SPM_NORMALIZER_H

#include "base/array.h"
#include "deberta/tokenizer.h"
#include "text/aligned.h"
#include "text/models/trie.h"
#include "text/spm/charsmap.h"

struct spm_normalizer {
    struct charsmap charsmap;
    bool keeps_ascii; /* see charsmap_keeps_ascii */
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces, treat_whitespace_as_suffix;
    struct trie user_defined; /* strings that sentencepiece leaves as they are */
};

MUST_USE enum deberta_status spm_normalizer_init(struct spm_normalizer *normalizer, const struct deberta_spm *spm);
void spm_normalizer_release(struct spm_normalizer *normalizer);

/* All of these append to `out`, and what they append is valid UTF-8 whatever they are given. */

MUST_USE enum deberta_status normalizer_lower(const char *text, size_t size, struct bytes *out);

/* Where [start, end) starts, and where it ends, without the White_Space on that side. */
size_t spm_normalizer_strip_left(const char *text, size_t start, size_t end);
size_t spm_normalizer_strip_right(const char *text, size_t start, size_t end);
/* Moves both ends of [*start, *end) past White_Space. */
void spm_normalizer_strip(const char *text, size_t *start, size_t *end);

/* As `tokenizers`: replacements by grapheme cluster, then runs of spaces become one space. */
MUST_USE enum deberta_status spm_normalizer_replace(const struct spm_normalizer *normalizer, const char *text,
                                                    size_t size, struct bytes *out);

/* As sentencepiece: longest replacements, spaces folded and escaped, a space in front. */
MUST_USE enum deberta_status spm_normalizer_apply(const struct spm_normalizer *normalizer, const char *text,
                                                  size_t size, struct bytes *out);
/* The same. Unless `origins` is NULL, it is empty, and receives for each byte that is written, and once for the end,
 * the byte of the text at which what became it starts, as an empty span. */
MUST_USE enum deberta_status spm_normalizer_apply_from(const struct spm_normalizer *normalizer, const char *text,
                                                       size_t size, struct bytes *out, struct spans *origins);

#endif
