/* SPDX-License-Identifier: Apache-2.0 */
/* Disentangled attention of ragged sequences, fused: no array of all pairs of tokens, memory linear in the length.
 *
 *     score[i][j] = q_i . k_j + q_i . PK[row(i - j)] + k_j . PQ[row(i - j)]      (He et al. 2021, DeBERTa, section 3.1)
 *
 * The divisor of the scores is folded into q and PQ. Distances are i - j, query minus key. */
#ifndef DEBERTA_NN_ATTENTION_H
#define DEBERTA_NN_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dropout;

/* Which row of the position tables serves a distance. */
struct distances {
    size_t span;        /* the tables have 2 * span rows */
    ptrdiff_t direct;   /* up to this |distance|, row = distance + span */
    ptrdiff_t reach;    /* beyond this |distance| the row stays the same */
    const int32_t *row; // (2 * reach + 1) of the distances -reach to reach
};

static inline size_t distance_row(const struct distances *distances, ptrdiff_t distance)
{
    ptrdiff_t reach = distances->reach;
    ptrdiff_t near = distance < -reach ? -reach : distance > reach ? reach : distance;
    return (size_t)distances->row[near + reach];
}

/* Attention of one layer; its tables are those of nn/position_table.h. */
struct attention {
    size_t heads, head_size;
    const struct distances *distances; /* NULL: plain attention */
    const float *position_keys;        // (heads, panels, position_table_depth, panel_width) or NULL
    const float *position_queries;     // (heads, panels, position_table_depth, panel_width) or NULL
    size_t ld_query, ld_key, ld_value, ld_context;
    bool bf16;  /* multiplies bfloat16; a table holds words of two numbers instead of one: head_size / 2 in a panel */
    bool bytes; /* a panel of a table holds panel_width scales, then integers of 8 bits (head_size, panel_width) */
    const struct dropout *dropout; /* of the probabilities; NULL: none */
};

struct attention_sequence {
    size_t length;            /* S: keys and values */
    size_t queries;           /* S, or fewer: the first ones */
    const float *query;       // (queries, heads * head_size)
    const float *key;         // (S, heads * head_size)
    const float *value;       // (S, heads * head_size)
    const uint8_t *mask;      // (S) or NULL: keys that may be attended to; at least one
    float *context;           // (queries, heads * head_size)
    float *probabilities;     // (heads, queries, S) or NULL
    const uint8_t *pair_mask; // (S, S) or NULL: instead of mask, a row of keys for each query
    uint64_t first_pair;      /* index of dropout of the first probability; they follow by (head, query, key) */
};

/* Whether the CPU multiplies heads of this size in bfloat16. */
bool attention_has_bf16(size_t head_size);

/* Floats of scratch that a worker needs for sequences of up to `length` tokens. */
size_t attention_scratch(const struct attention *attention, size_t length);

/* Fills the contexts (and probabilities) of all sequences, shared among the threads by sequence and head;
 * incomplete when the caller cancels (base/watch.h).
 * scratch: (threads, scratch_floats). */
void attention_apply(const struct attention *attention, const struct attention_sequence *sequences, size_t count,
                     float *scratch, size_t scratch_floats);

/* The projected positions that the tables hold, as rows, and their gradients. NULL where there is no such term. */
struct attention_positions {
    const float *keys;    // (2 * span, heads * head_size), in the order of distances, as the other three
    const float *queries; // (2 * span, heads * head_size)
    float *d_keys;        // (2 * span, heads * head_size), grows
    float *d_queries;     // (2 * span, heads * head_size), grows
    size_t ld;            /* of all four */
    float *sums;          // (attention_position_sums), scratch
};

/* Gradients of one sequence, with the layout of what they belong to. */
struct attention_gradients {
    const float *d_context; // (queries, heads * head_size)
    float *d_query;         // (queries, heads * head_size), overwritten as the next two
    float *d_key;           // (S, heads * head_size)
    float *d_value;         // (S, heads * head_size)
};

/* Floats of scratch that a worker needs for the gradients of sequences of up to `length` tokens. */
size_t attention_backward_scratch(const struct attention *attention, size_t length);

/* Floats of attention_positions.sums for `count` sequences of up to `length` tokens. */
size_t attention_position_sums(const struct attention *attention, size_t length, size_t count);

/* The gradients of all sequences at their (scaled) queries, keys, values and positions, shared among the threads.
 * The probabilities are computed again; contexts are not read. positions: NULL for plain attention.
 * scratch: (threads, scratch_floats). */
void attention_backward(const struct attention *attention, const struct attention_positions *positions,
                        const struct attention_sequence *sequences, const struct attention_gradients *gradients,
                        size_t count, float *scratch, size_t scratch_floats);

#endif
