/* SPDX-License-Identifier: Apache-2.0 */
#include "text/spm/fast_path_words.h"

#include "text/unicode/unicode.h"

void words_clear(struct words *words)
{
    words->text.size = words->size = 0;
}

void words_release(struct words *words)
{
    memory_free(words->text.data);
    memory_free(words->data);
    *words = (struct words){0};
}

static size_t closed_end(const struct words *words)
{
    return words->size ? words->data[words->size - 1].end : 0;
}

/* Ends the word that is being written, if there is one. */
static enum deberta_status close_word(struct words *words, int32_t token)
{
    if (words->text.size == closed_end(words))
        return DEBERTA_OK;
    void *data = words->data;
    TRY(array_reserve(&data, words->size, &words->capacity, 1, sizeof *words->data));
    words->data = data;
    words->data[words->size++] = (struct word){words->text.size, token};
    return DEBERTA_OK;
}

/* Ends the word, and makes a word of a space that waits for one. */
static enum deberta_status close_all(struct word_cutter_state *state, struct words *words)
{
    TRY(close_word(words, -1));
    if (state->space) {
        TRY(bytes_append(&words->text, SPACE_MARK, 3));
        TRY(close_word(words, -1));
    }
    state->space = false;
    return DEBERTA_OK;
}

/* Goes on with the word, or begins one with the space that waits or that belongs in front of a segment. */
static enum deberta_status append(struct word_cutter_state *state, struct words *words, const char *text, size_t size)
{
    if (words->text.size == closed_end(words))
        TRY(bytes_append(&words->text, SPACE_MARK, 3));
    state->space = false;
    return bytes_append(&words->text, text, size);
}

static bool starts_with(const char *text, size_t size, const char *start, size_t length)
{
    return size >= length && memcmp(text, start, length) == 0;
}

/* Bytes at the start that cannot be anything but more of the same word. */
static size_t plain_run(const struct word_cutter *cutter, const char *text, size_t size)
{
    char token = cutter->token ? cutter->token[0] : ' ';
    size_t run = 0;
    while (run < size && text[run] != ' ' && text[run] != SPACE_MARK[0] && text[run] != token)
        run++;
    return run;
}

enum deberta_status words_cut(const struct word_cutter *cutter, struct word_cutter_state *state, const char *text,
                              size_t size, bool last, struct words *words)
{
    for (size_t i = 0; i < size;) {
        if (text[i] == ' ') {
            TRY(close_word(words, -1));
            state->space = true;
            i++;
            continue;
        }
        if (cutter->token && starts_with(text + i, size - i, cutter->token, cutter->token_size)) {
            TRY(close_all(state, words));
            TRY(bytes_append(&words->text, cutter->token, cutter->token_size));
            TRY(close_word(words, cutter->token_id));
            i += cutter->token_size;
            continue;
        }
        if (starts_with(text + i, size - i, SPACE_MARK, 3)) { /* a mark of the text's own is its own space */
            TRY(close_all(state, words));
            TRY(bytes_append(&words->text, SPACE_MARK, 3));
            i += 3;
            continue;
        }
        struct character c = utf8_decode(text + i, size - i);
        if (cutter->split_by_punct && unicode_punctuation(c.code)) {
            TRY(close_all(state, words));
            TRY(append(state, words, text + i, c.size));
            TRY(close_word(words, -1));
            i += c.size;
            continue;
        }
        size_t run = c.size;
        if (!cutter->split_by_punct)
            run += plain_run(cutter, text + i + run, size - i - run);
        TRY(append(state, words, text + i, run));
        i += run;
    }
    return last ? close_all(state, words) : close_word(words, -1);
}
