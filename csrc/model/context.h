/* SPDX-License-Identifier: Apache-2.0 */
/* The workspace of a call, and how a batch is cut into chunks of whole sequences. */
#ifndef DEBERTA_MODEL_CONTEXT_H
#define DEBERTA_MODEL_CONTEXT_H

#include "base/arena.h"
#include "model/model.h"

/* Consecutive sequences that go through the layers together. */
struct chunk {
    size_t sequence, count; /* the first one, and how many */
    size_t token, tokens;   /* the same in tokens of the batch */
    size_t answer;          /* the first row of logits that is its own */
    double cost;            /* floating point operations of a layer */
};

struct plan {
    struct chunk *chunks;             /* dearest first */
    size_t *pairs;                    // (N): pairs of tokens in the sequences before this one
    double *loads;                    // (threads)
    size_t count;                     /* chunks */
    bool apart;                       /* each thread takes chunks of its own; else all threads share each chunk */
    size_t max_tokens, max_sequences; /* of a chunk */
    size_t max_length;                /* of a sequence */
    size_t total_pairs;
};

/* Activations of one chunk: Tc tokens, Nc sequences. Rows are rounded up to the panel. */
struct workspace {
    float *x;                             // (Tc, H): what goes from layer to layer
    float *y;                             // (Tc, H): what is added to it
    float *query;                         // (Tc, H)
    float *key_value;                     // (Tc, 2 H)
    float *context;                       // (Tc, H)
    float *up;                            // (block of Tc, I)
    float *embedded;                      // (Tc, E) when E is not H
    float *input;                         // (Tc, H): the embeddings, when there is a convolution
    float *unfolded;                      // (block of Tc, K H) for it
    float *decoded;                       // (Tc, H) when there is a decoder
    float *first;                         // (Nc, H): the rows that a head of sequences reads
    float *chosen;                        // (Tc, H): those that a head of tokens reads
    float *pooled;                        // (block of them, head_size)
    float *logits;                        // (block of them, C)
    struct attention_sequence *sequences; // (Nc)
};

struct deberta_context {
    const struct deberta_model *model;
    bool (*stop)(void *data); /* NULL: nobody watches */
    void *stop_data;
    struct plan plan;
    size_t rows_read; /* of the word table since its pages were given back */
    size_t room;      /* sequences and threads that the plan's arrays hold */
    void *block;      /* workspaces, then attention scratch */
    size_t block_bytes;
    size_t workspace_bytes, scratch_floats; /* of one worker */
    float *scratch;                         // (threads, scratch_floats)
};

/* Cuts the batch and makes room for it; nothing is allocated when the last batch was as large. */
MUST_USE enum deberta_status context_prepare(struct deberta_context *context, const struct deberta_batch *batch);

/* The activations of a worker. */
struct workspace context_workspace(const struct deberta_context *context, int worker);

/* Rows of a block of the feed-forward network. */
size_t context_block_rows(size_t tokens);
/* Rows that go through the head together, of `rows` in all. */
size_t context_head_rows(const struct deberta_model *model, size_t rows);

#endif
