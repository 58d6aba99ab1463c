/* SPDX-License-Identifier: Apache-2.0 */
/* Many rows at once: cut into chunks by bytes, encoded on all threads, joined in order. */
#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "base/watch.h"
#include "text/rows/truncation.h"
#include "text/tokenizer.h"

#define CHUNK_BYTES ((size_t)1 << 15)
#define COPY_GRAIN 16 /* chunks per thread when ids are copied */
#define ROW_BYTES 32  /* cost of a row beyond its text, in bytes of text */

struct ends {
    int64_t *data;
    size_t size, capacity;
};

struct chunk {
    size_t first, last; /* rows of the call */
    struct row_buffer rows;
    struct ends ends;   /* of each row, in tokens of `rows` */
    struct ids samples; /* the row of the call that each belongs to, with overflow */
    size_t cut;
    size_t rows_before, tokens_before, strings_before; /* in the chunks before it */
    enum deberta_status status;
    char message[256]; /* the message of the thread that failed */
};

struct worker {
    struct tokenizer_scratch scratch;
    struct tokens first, second;
};

struct run {
    const struct deberta_tokenizer *tokenizer;
    const struct deberta_rows *rows;
    const struct deberta_encode_options *options;
    struct truncation truncation;
    struct chunk *chunks;
    size_t chunk_count;
    struct worker *workers;
    struct deberta_encodings *out;
};

/* ---- chunks ---- */

static size_t text_bytes(const struct deberta_text *texts, const int64_t *words, size_t row)
{
    if (!words)
        return texts[row].size;
    size_t bytes = 0;
    for (int64_t word = words[row]; word < words[row + 1]; word++)
        bytes += texts[word].size;
    return bytes;
}

static size_t row_bytes(const struct deberta_rows *rows, size_t row)
{
    size_t bytes = ROW_BYTES + text_bytes(rows->firsts, rows->first_words, row);
    return rows->seconds ? bytes + text_bytes(rows->seconds, rows->second_words, row) : bytes;
}

/* Fills `chunks` unless it is NULL; returns their number. */
static size_t cut_into_chunks(const struct deberta_rows *rows, unsigned wanted, struct chunk *chunks)
{
    size_t count = 0;
    for (size_t row = 0; row < rows->count; count++) {
        size_t first = row, bytes = 0;
        while (row < rows->count && bytes < CHUNK_BYTES)
            bytes += row_bytes(rows, row++);
        if (chunks)
            chunks[count] = (struct chunk){.first = first, .last = row, .rows.tokens.wanted = wanted};
    }
    return count;
}

/* ---- one row ---- */

static enum deberta_status append_end(struct ends *ends, size_t end)
{
    void *data = ends->data;
    enum deberta_status status = array_reserve(&data, ends->size, &ends->capacity, 1, sizeof *ends->data);
    ends->data = data;
    if (status == DEBERTA_OK)
        ends->data[ends->size++] = (int64_t)end;
    return status;
}

/* Appends the tokens of a text, or of a word of one. */
static enum deberta_status encode_text(const struct run *run, struct tokenizer_scratch *scratch, size_t row,
                                       struct deberta_text text, struct tokens *tokens)
{
    enum deberta_status status =
        tokenizer_encode_text(run->tokenizer, scratch, text, run->options->split_special_tokens, tokens);
    return status == DEBERTA_ARGUMENT ? fail(status, "row %zu: %s", row, status_message()) : status;
}

/* Sets `tokens` to those of a row's text. */
static enum deberta_status encode_side(const struct run *run, struct tokenizer_scratch *scratch, size_t row,
                                       const struct deberta_text *texts, const int64_t *words, struct tokens *tokens)
{
    tokens_clear(tokens);
    if (!words)
        return encode_text(run, scratch, row, texts[row], tokens);
    for (int64_t word = words[row]; word < words[row + 1]; word++) {
        size_t before = tokens->words.size;
        TRY(encode_text(run, scratch, row, texts[word], tokens));
        for (size_t i = before; i < tokens->words.size; i++)
            tokens->words.data[i] = (int32_t)(word - words[row]);
    }
    return DEBERTA_OK;
}

/* `second` is ignored for single texts. */
static enum deberta_status write_row(const struct run *run, size_t row, const struct stretch *first,
                                     const struct stretch *second, struct chunk *chunk)
{
    TRY(template_apply(&run->tokenizer->template, run->options->add_special_tokens, first,
                       run->rows->seconds ? second : NULL, &chunk->rows));
    TRY(append_end(&chunk->ends, chunk->rows.tokens.ids.size));
    return run->options->overflow ? ids_append(&chunk->samples, (int32_t)row) : DEBERTA_OK;
}

/* A large stride makes many windows: fails before the first is written if there is no memory for all. */
static enum deberta_status reserve_windows(const struct run *run, size_t row, size_t firsts, size_t seconds,
                                           struct chunk *chunk)
{
    size_t rows, tokens;
    if (__builtin_mul_overflow(firsts, seconds, &rows) ||
        __builtin_mul_overflow(rows, run->options->max_length, &tokens) || tokens > SIZE_MAX / 2)
        return fail(DEBERTA_MEMORY, "out of memory: row %zu overflows into %zu x %zu rows", row, firsts, seconds);
    return row_buffer_reserve(&chunk->rows, tokens);
}

static struct stretch stretch_of(const struct run *run, const struct tokens *text, size_t kept, size_t number)
{
    struct window window = truncation_window(&run->truncation, text->ids.size, kept, number);
    return (struct stretch){text, window.start, window.end};
}

/* Appends the rows that overflow: each further window of the first text with each of the second, then those of the
 * second with window 0 of the first. */
static enum deberta_status write_overflow(const struct run *run, const struct worker *worker, size_t row,
                                          struct lengths kept, struct chunk *chunk)
{
    const struct tokens *first = &worker->first, *second = &worker->second;
    size_t firsts = truncation_windows(&run->truncation, first->ids.size, kept.first);
    size_t seconds = truncation_windows(&run->truncation, second->ids.size, kept.second);
    TRY(reserve_windows(run, row, firsts, seconds, chunk));
    for (size_t i = 1; i <= firsts; i++) {
        struct stretch a = stretch_of(run, first, kept.first, i % firsts);
        for (size_t j = i == firsts; j < seconds; j++) {
            struct stretch b = stretch_of(run, second, kept.second, j);
            TRY(write_row(run, row, &a, &b, chunk));
        }
    }
    return DEBERTA_OK;
}

static enum deberta_status encode_row(const struct run *run, struct worker *worker, size_t row, struct chunk *chunk)
{
    const struct deberta_rows *rows = run->rows;
    TRY(encode_side(run, &worker->scratch, row, rows->firsts, rows->first_words, &worker->first));
    if (rows->seconds)
        TRY(encode_side(run, &worker->scratch, row, rows->seconds, rows->second_words, &worker->second));
    struct lengths whole = {worker->first.ids.size, worker->second.ids.size}, kept = whole;
    TRY(truncation_apply(&run->truncation, row, &kept));
    bool cut = kept.first != whole.first || kept.second != whole.second;
    chunk->cut += cut;
    struct stretch first = stretch_of(run, &worker->first, kept.first, 0);
    struct stretch second = stretch_of(run, &worker->second, kept.second, 0);
    TRY(write_row(run, row, &first, &second, chunk));
    return cut && run->truncation.overflow ? write_overflow(run, worker, row, kept, chunk) : DEBERTA_OK;
}

static void encode_chunk(size_t index, int worker, void *context)
{
    struct run *run = context;
    struct chunk *chunk = &run->chunks[index];
    chunk->status = watch_look(CHUNK_BYTES);
    for (size_t row = chunk->first; row < chunk->last && chunk->status == DEBERTA_OK; row++)
        chunk->status = encode_row(run, &run->workers[worker], row, chunk);
    if (chunk->status != DEBERTA_OK)
        snprintf(chunk->message, sizeof chunk->message, "%s", status_message());
}

/* The first failure in the order of the texts, so that it does not depend on threads. */
static enum deberta_status first_failure(const struct run *run)
{
    for (size_t i = 0; i < run->chunk_count; i++)
        if (run->chunks[i].status != DEBERTA_OK)
            return fail(run->chunks[i].status, "%s", run->chunks[i].message);
    return DEBERTA_OK;
}

/* ---- all rows ---- */

/* Does nothing for an unwanted array. */
static void copy(void *to, size_t start, const void *from, size_t count, size_t item)
{
    if (to && count != 0)
        memcpy((char *)to + start * item, from, count * item);
}

static void copy_ends(int64_t *to, const struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->ends.size; i++)
        to[chunk->rows_before + 1 + i] = chunk->ends.data[i] + (int64_t)chunk->tokens_before;
}

static void copy_string_ends(int64_t *to, const struct chunk *chunk)
{
    const struct ids *ends = &chunk->rows.tokens.string_end;
    for (size_t i = 0; i < ends->size; i++)
        to[chunk->tokens_before + 1 + i] = ends->data[i] + (int64_t)chunk->strings_before;
}

static void copy_chunk(size_t index, int worker, void *context)
{
    (void)worker;
    const struct run *run = context;
    const struct chunk *chunk = &run->chunks[index];
    const struct tokens *tokens = &chunk->rows.tokens;
    struct deberta_encodings *out = run->out;
    size_t start = chunk->tokens_before, count = tokens->ids.size;
    copy_ends(out->offsets, chunk);
    copy_string_ends(out->string_offsets, chunk);
    copy(out->ids, start, tokens->ids.data, count, sizeof *out->ids);
    copy(out->types, start, chunk->rows.types.data, count, sizeof *out->types);
    copy(out->sequences, start, chunk->rows.sequences.data, count, sizeof *out->sequences);
    copy(out->spans, start, tokens->spans.data, count, sizeof *tokens->spans.data);
    copy(out->words, start, tokens->words.data, count, sizeof *out->words);
    copy(out->samples, chunk->rows_before, chunk->samples.data, chunk->samples.size, sizeof *out->samples);
    copy(out->strings, chunk->strings_before, tokens->strings.data, tokens->strings.size, 1);
}

static enum deberta_status room_for_rows(struct deberta_encodings *out, bool overflow, size_t tokens)
{
    void *block;
    TRY(memory_alloc(out->count + 1, sizeof *out->offsets, &block));
    out->offsets = block;
    out->offsets[0] = 0;
    TRY(memory_alloc(tokens, sizeof *out->ids, &block));
    out->ids = block;
    TRY(memory_alloc(tokens, sizeof *out->types, &block));
    out->types = block;
    if (overflow) {
        TRY(memory_alloc(out->count, sizeof *out->samples, &block));
        out->samples = block;
    }
    return DEBERTA_OK;
}

static enum deberta_status room_for_wanted(struct deberta_encodings *out, unsigned wanted, size_t tokens,
                                           size_t strings)
{
    void *block;
    if (wanted & DEBERTA_WANT_SPANS) {
        TRY(memory_alloc(tokens, 2 * sizeof *out->spans, &block));
        out->spans = block;
    }
    if (wanted & DEBERTA_WANT_WORDS) {
        TRY(memory_alloc(tokens, sizeof *out->words, &block));
        out->words = block;
    }
    if (wanted & DEBERTA_WANT_SEQUENCES) {
        TRY(memory_alloc(tokens, sizeof *out->sequences, &block));
        out->sequences = block;
    }
    if (wanted & DEBERTA_WANT_STRINGS) {
        TRY(memory_alloc(strings, 1, &block));
        out->strings = block;
        TRY(memory_alloc(tokens + 1, sizeof *out->string_offsets, &block));
        out->string_offsets = block;
        out->string_offsets[0] = 0;
    }
    return DEBERTA_OK;
}

static enum deberta_status join(struct run *run)
{
    struct deberta_encodings *out = run->out;
    size_t tokens = 0, strings = 0;
    for (size_t i = 0; i < run->chunk_count; i++) {
        struct chunk *chunk = &run->chunks[i];
        chunk->rows_before = out->count;
        chunk->tokens_before = tokens;
        chunk->strings_before = strings;
        out->count += chunk->ends.size;
        out->cut += chunk->cut;
        tokens += chunk->rows.tokens.ids.size;
        strings += chunk->rows.tokens.strings.size;
    }
    TRY(room_for_rows(out, run->options->overflow, tokens));
    TRY(room_for_wanted(out, run->options->wanted, tokens, strings));
    parallel_for(run->chunk_count, COPY_GRAIN, copy_chunk, run);
    return DEBERTA_OK;
}

static enum deberta_status run_all(struct run *run, size_t workers)
{
    unsigned wanted = run->options->wanted;
    void *block;
    TRY(memory_calloc(workers, sizeof *run->workers, &block));
    run->workers = block;
    for (size_t i = 0; i < workers; i++)
        run->workers[i].first.wanted = run->workers[i].second.wanted = wanted;
    size_t count = cut_into_chunks(run->rows, wanted, NULL);
    TRY(memory_alloc(count, sizeof *run->chunks, &block));
    run->chunks = block;
    run->chunk_count = cut_into_chunks(run->rows, wanted, run->chunks);
    parallel_for(run->chunk_count, 1, encode_chunk, run);
    TRY(first_failure(run));
    return join(run);
}

static void run_release(struct run *run, size_t workers)
{
    for (size_t i = 0; i < run->chunk_count; i++) {
        row_buffer_release(&run->chunks[i].rows);
        memory_free(run->chunks[i].ends.data);
        memory_free(run->chunks[i].samples.data);
    }
    for (size_t i = 0; run->workers && i < workers; i++) {
        tokenizer_scratch_release(&run->workers[i].scratch);
        tokens_release(&run->workers[i].first);
        tokens_release(&run->workers[i].second);
    }
    memory_free(run->chunks);
    memory_free(run->workers);
}

enum deberta_status deberta_tokenizer_encode(const struct deberta_tokenizer *tokenizer, const struct deberta_rows *rows,
                                             const struct deberta_encode_options *options,
                                             struct deberta_encodings *out)
{
    *out = (struct deberta_encodings){0};
    bool pair = rows->seconds != NULL;
    struct run run = {.tokenizer = tokenizer, .rows = rows, .options = options, .out = out};
    size_t special = options->add_special_tokens ? template_added(&tokenizer->template, pair) : 0;
    TRY(truncation_init(&run.truncation, options, pair, special));
    size_t workers = (size_t)threads_count();
    struct watch watch = {.stop = options->stop, .data = options->stop_data};
    struct watching before = watch_begin(&watch);
    enum deberta_status status = watch_end(&watch, before, run_all(&run, workers));
    run_release(&run, workers);
    if (status != DEBERTA_OK)
        deberta_encodings_release(out);
    return status;
}

void deberta_encodings_release(struct deberta_encodings *encodings)
{
    memory_free(encodings->ids);
    memory_free(encodings->types);
    memory_free(encodings->offsets);
    memory_free(encodings->sequences);
    memory_free(encodings->spans);
    memory_free(encodings->words);
    memory_free(encodings->samples);
    memory_free(encodings->strings);
    memory_free(encodings->string_offsets);
    *encodings = (struct deberta_encodings){0};
}
