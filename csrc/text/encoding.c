/* SPDX-License-Identifier: Apache-2.0 */
#include "text/encoding.h"

#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "text/tokenizer.h"
#include "text/truncation.h"

#define CHUNK_BYTES ((size_t)1 << 15)
#define COPY_GRAIN 16 /* chunks whose ids are worth a thread to copy */
#define ROW_BYTES 32  /* what a row costs beyond its text, counted as text */

struct chunk {
    size_t first, last; /* rows */
    struct ids ids;
    struct bytes types;
    size_t cut;
    enum deberta_status status;
    char message[256]; /* of the thread that failed, for the caller's */
};

struct worker {
    struct tokenizer_scratch scratch;
    struct ids first, second;
};

struct run {
    const struct encoding_batch *batch;
    struct chunk *chunks;
    size_t chunk_count;
    struct worker *workers;
    struct deberta_encodings *out;
};

static size_t row_bytes(const struct encoding_batch *batch, size_t row)
{
    return batch->firsts[row].size + (batch->seconds ? batch->seconds[row].size : 0) + ROW_BYTES;
}

/* Fills `chunks`, if it is not NULL, and returns how many there are. */
static size_t cut_into_chunks(const struct encoding_batch *batch, struct chunk *chunks)
{
    size_t count = 0;
    for (size_t row = 0; row < batch->count; count++) {
        size_t first = row, bytes = 0;
        while (row < batch->count && bytes < CHUNK_BYTES)
            bytes += row_bytes(batch, row++);
        if (chunks)
            chunks[count] = (struct chunk){.first = first, .last = row};
    }
    return count;
}

static enum deberta_status encode_row(const struct encoding_batch *batch, struct worker *worker, size_t row,
                                      struct chunk *chunk)
{
    bool pair = batch->seconds != NULL;
    worker->first.size = worker->second.size = 0;
    TRY(tokenizer_encode_text(batch->tokenizer, &worker->scratch, batch->firsts[row], &worker->first));
    if (pair)
        TRY(tokenizer_encode_text(batch->tokenizer, &worker->scratch, batch->seconds[row], &worker->second));
    struct lengths lengths = {worker->first.size, worker->second.size};
    TRY(truncation_apply(batch->options, pair, row, &lengths));
    chunk->cut += lengths.first != worker->first.size || lengths.second != worker->second.size;
    worker->first.size = lengths.first;
    worker->second.size = lengths.second;
    return template_apply(&batch->tokenizer->template, batch->options->add_special_tokens, &worker->first,
                          pair ? &worker->second : NULL, &chunk->ids, &chunk->types);
}

static void encode_chunk(size_t index, int worker, void *context)
{
    struct run *run = context;
    struct chunk *chunk = &run->chunks[index];
    for (size_t row = chunk->first; row < chunk->last && chunk->status == DEBERTA_OK; row++) {
        size_t before = chunk->ids.size;
        chunk->status = encode_row(run->batch, &run->workers[worker], row, chunk);
        run->out->offsets[row + 1] = (int64_t)(chunk->ids.size - before);
    }
    if (chunk->status != DEBERTA_OK)
        snprintf(chunk->message, sizeof chunk->message, "%s", status_message());
}

static void copy_chunk(size_t index, int worker, void *context)
{
    (void)worker;
    struct run *run = context;
    const struct chunk *chunk = &run->chunks[index];
    if (chunk->ids.size == 0)
        return;
    size_t start = (size_t)run->out->offsets[chunk->first];
    memcpy(run->out->ids + start, chunk->ids.data, chunk->ids.size * sizeof *chunk->ids.data);
    memcpy(run->out->types + start, chunk->types.data, chunk->types.size);
}

/* The first failure in the order of the texts, whichever thread came first. */
static enum deberta_status first_failure(const struct run *run)
{
    for (size_t i = 0; i < run->chunk_count; i++)
        if (run->chunks[i].status != DEBERTA_OK)
            return fail(run->chunks[i].status, "%s", run->chunks[i].message);
    return DEBERTA_OK;
}

static enum deberta_status join(struct run *run)
{
    struct deberta_encodings *out = run->out;
    for (size_t row = 0; row < out->count; row++)
        out->offsets[row + 1] += out->offsets[row];
    size_t total = (size_t)out->offsets[out->count];
    void *block;
    TRY(memory_alloc(total, sizeof *out->ids, &block));
    out->ids = block;
    TRY(memory_alloc(total, sizeof *out->types, &block));
    out->types = block;
    parallel_for(run->chunk_count, COPY_GRAIN, copy_chunk, run);
    for (size_t i = 0; i < run->chunk_count; i++)
        out->cut += run->chunks[i].cut;
    return DEBERTA_OK;
}

static enum deberta_status run_all(struct run *run, size_t workers)
{
    const struct encoding_batch *batch = run->batch;
    void *block;
    run->out->count = batch->count;
    TRY(memory_calloc(batch->count + 1, sizeof *run->out->offsets, &block));
    run->out->offsets = block;
    TRY(memory_calloc(workers, sizeof *run->workers, &block));
    run->workers = block;
    size_t count = cut_into_chunks(batch, NULL);
    TRY(memory_alloc(count, sizeof *run->chunks, &block));
    run->chunks = block;
    run->chunk_count = cut_into_chunks(batch, run->chunks);
    parallel_for(run->chunk_count, 1, encode_chunk, run);
    TRY(first_failure(run));
    return join(run);
}

static void run_release(struct run *run, size_t workers)
{
    for (size_t i = 0; i < run->chunk_count; i++) {
        memory_free(run->chunks[i].ids.data);
        memory_free(run->chunks[i].types.data);
    }
    for (size_t i = 0; run->workers && i < workers; i++) {
        tokenizer_scratch_release(&run->workers[i].scratch);
        memory_free(run->workers[i].first.data);
        memory_free(run->workers[i].second.data);
    }
    memory_free(run->chunks);
    memory_free(run->workers);
}

enum deberta_status encoding_run(const struct encoding_batch *batch, struct deberta_encodings *out)
{
    *out = (struct deberta_encodings){0};
    TRY(truncation_check(batch->options, batch->seconds != NULL));
    struct run run = {.batch = batch, .out = out};
    size_t workers = (size_t)threads_count();
    enum deberta_status status = run_all(&run, workers);
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
    *encodings = (struct deberta_encodings){0};
}
