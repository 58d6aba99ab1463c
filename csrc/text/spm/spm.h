/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an spm.model: a sentencepiece ModelProto in protobuf's wire format. The file is not trusted. */
#ifndef DEBERTA_TEXT_SPM_H
#define DEBERTA_TEXT_SPM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum spm_type { SPM_NORMAL = 1, SPM_UNKNOWN, SPM_CONTROL, SPM_USER_DEFINED, SPM_UNUSED, SPM_BYTE };

struct spm_piece {
    const char *text; /* valid UTF-8, never empty */
    size_t size;
    float score; /* finite */
    enum spm_type type;
};

/* Texts point into the file. */
struct spm {
    struct spm_piece *pieces; /* in the order of their ids */
    size_t count;
    int32_t unknown;       /* the id of the only piece of that type */
    int32_t bytes[256];    /* ids of the byte pieces; meaningful when byte_fallback */
    bool byte_fallback;    /* all 256 are there */
    const char *charsmap;  /* precompiled replacements of the normalizer */
    size_t charsmap_size;  /* 0: none */
    bool add_dummy_prefix; /* a text starts with a space */
    bool remove_extra_whitespaces;
    bool escape_whitespaces;         /* spaces become U+2581 */
    bool treat_whitespace_as_suffix; /* the dummy prefix goes to the end */
};

/* Reads and checks everything but that the pieces differ, which the trie of the pieces finds out. */
MUST_USE enum deberta_status spm_init(struct spm *spm, const void *file, size_t size);
void spm_release(struct spm *spm);

#endif
