/* SPDX-License-Identifier: Apache-2.0 */
/* The precompiled replacements inside an spm.model: a Darts-clone double array from strings to strings. */
#ifndef DEBERTA_TEXT_CHARSMAP_H
#define DEBERTA_TEXT_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct charsmap {
    uint32_t *units; /* NULL when nothing is replaced */
    size_t count;
    char *strings; /* valid UTF-8, each ended by a NUL */
};

struct replacement {
    size_t consumed; /* bytes of the key; 0 when none was found */
    const char *text;
    size_t size;
};

/* Copies the blob, having checked that no lookup can leave it and that every value is valid UTF-8. */
MUST_USE enum deberta_status charsmap_init(struct charsmap *charsmap, const char *blob, size_t size);
void charsmap_release(struct charsmap *charsmap);

/* The replacement of the shortest, or of the longest, key that `text` begins with. */
struct replacement charsmap_shortest(const struct charsmap *charsmap, const char *text, size_t size);
struct replacement charsmap_longest(const struct charsmap *charsmap, const char *text, size_t size);

/* Whether every printable ASCII character followed by ASCII stays as it is. */
bool charsmap_keeps_ascii(const struct charsmap *charsmap);

/* The run of printable ASCII at the start that such a charsmap leaves alone: all but the last character, which a mark
 * may follow. */
size_t charsmap_plain_run(const char *text, size_t size);

/* As `tokenizers` replaces: what the first bytes of a text that is not empty become, and how many bytes these are.
 * A grapheme cluster below six bytes is replaced as a whole by the value of the shortest key that it begins with, what
 * follows that key being lost; otherwise each character that is a key is replaced. `cluster` holds the bytes that are
 * left of a cluster from one call to the next, at first 0. The result's text is the given one where nothing changes. */
struct replacement charsmap_next(const struct charsmap *charsmap, const char *text, size_t size, size_t *cluster);

#endif
