/* SPDX-License-Identifier: Apache-2.0 */
/* The loss over the vocabulary, its gradients and samples, against formulas in double precision. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "floats.h"
#include "paths.h"
#include "train/vocabulary.h"

enum { K = 1030, MOST = 1900, E = 20 }; /* with this many rows a chunk is one block */

struct case_ {
    size_t rows, size;
    float smoothing;
};

/* An output layer with weights large enough for probabilities far from equal. */
static void make_layer(struct linear *layer, float *weights, float *bias, size_t size)
{
    struct weight part = {
        .data = weights, .bias = bias, .dtype = DEBERTA_F32, .bias_dtype = DEBERTA_F32, .rows = size, .scale = 1.5f};
    CHECK(linear_init_on(layer, &linear_packed, &part, 1, E) == DEBERTA_OK);
}

struct expected {
    double loss, *d_in, *d_weights, *d_bias; // (K, E), (V, E), (V)
};

/* By the formulas, for scale 0.7. */
static void expect(const struct case_ *c, const float *weights, const float *bias, const float *in, size_t ld,
                   const int32_t *targets, struct expected *x)
{
    double *logits = calloc(c->size, sizeof *logits), epsilon = (double)c->smoothing;
    for (size_t row = 0; row < c->rows; row++) {
        double largest = -INFINITY, sum = 0.0, total = 0.0;
        for (size_t v = 0; v < c->size; v++) {
            logits[v] = 1.5 * (double)bias[v];
            for (size_t i = 0; i < E; i++)
                logits[v] += 1.5 * (double)weights[v * E + i] * (double)in[row * ld + i];
            largest = fmax(largest, logits[v]);
            total += logits[v];
        }
        for (size_t v = 0; v < c->size; v++)
            sum += exp(logits[v] - largest);
        if (targets[row] < 0)
            continue;
        x->loss += log(sum) + largest - (1.0 - epsilon) * logits[targets[row]] - epsilon * total / (double)c->size;
        for (size_t v = 0; v < c->size; v++) {
            double d = exp(logits[v] - largest) / sum - epsilon / (double)c->size;
            d = 0.7 * (d - (v == (size_t)targets[row] ? 1.0 - epsilon : 0.0));
            x->d_bias[v] += d;
            for (size_t i = 0; i < E; i++) {
                x->d_in[row * E + i] += d * 1.5 * (double)weights[v * E + i];
                x->d_weights[v * E + i] += d * (double)in[row * ld + i];
            }
        }
    }
    free(logits);
}

static void check_close(const char *what, double found, double wanted, double most)
{
    if (!(fabs(found - wanted) <= most))
        printf("%s: %.9g instead of %.9g\n", what, found, wanted);
    CHECK(fabs(found - wanted) <= most);
}

static void compare(const struct case_ *c, const struct linear *gradient, const float *d_in, size_t ld, double loss,
                    const struct expected *x)
{
    size_t width = kernels->panel_width;
    check_close("loss", loss, x->loss, 1e-6 * fabs(x->loss) + 1e-6);
    for (size_t row = 0; row < c->rows; row++)
        for (size_t i = 0; i < E; i++)
            check_close("d_in", (double)d_in[row * ld + i], x->d_in[row * E + i], 1e-5);
    for (size_t v = 0; v < gradient->out_stride; v++) {
        bool real = v < c->size; /* the rest is padding */
        check_close("d_bias", (double)gradient->bias[v], real ? x->d_bias[v] : 0.0, real ? 2e-5 : 0.0);
        for (size_t i = 0; i < E; i++)
            check_close("d_weights", (double)gradient->packed[(v / width * E + i) * width + v % width],
                        real ? x->d_weights[v * E + i] : 0.0, real ? 2e-5 : 0.0);
    }
}

/* Tokens come up about as often as their probability says: rows that are alike, one draw each. */
static void check_samples(struct vocabulary *v, const float *in)
{
    static int32_t drawn_tokens[K], again[K];
    static int counts[MOST];
    memset(counts, 0, sizeof counts);
    for (uint64_t seed = 0; seed < 40; seed++) {
        CHECK(vocabulary_sample(v, in, seed, drawn_tokens) == DEBERTA_OK);
        for (size_t row = 0; row < v->rows; row++) {
            CHECK(drawn_tokens[row] >= 0 && (size_t)drawn_tokens[row] < v->size);
            counts[drawn_tokens[row]]++;
        }
    }
    CHECK(vocabulary_sample(v, in, 39, again) == DEBERTA_OK);
    CHECK(memcmp(again, drawn_tokens, v->rows * sizeof *again) == 0);
    double draws = 40.0 * (double)v->rows, largest = (double)v->largest[0];
    for (size_t token = 0; token < v->size; token++) {
        double logit = (double)v->out->bias[token];
        size_t width = kernels->panel_width;
        for (size_t i = 0; i < E; i++)
            logit += (double)v->out->packed[(token / width * E + i) * width + token % width] * (double)in[i];
        double p = exp(logit - largest) / v->sum[0];
        check_close("count", counts[token], draws * p, 5.0 * sqrt(draws * p) + 3.0);
    }
}

static void check_case(const struct case_ *c)
{
    struct linear layer, gradient;
    float *weights = drawn(c->size * E), *bias = drawn(c->size);
    make_layer(&layer, weights, bias, c->size);
    struct deberta_model model = {.config = {.num_labels = c->size}, .head_out = layer};
    struct deberta_context context = {.model = &model};
    size_t ld = layer.in_stride, threads = 3;
    float *in = drawn(c->rows * ld), *d_in = drawn(c->rows * ld),
          *scratch = drawn(threads * linear_backward_scratch(&layer));
    int32_t *targets = calloc(c->rows + 1, sizeof *targets);
    for (size_t row = 0; row < c->rows; row++) {
        memset(in + row * ld + E, 0, (ld - E) * sizeof *in);
        targets[row] = row % 5 == 3 ? -100 : (int32_t)(row * 7919 % c->size);
    }
    struct expected x = {0.0, calloc(c->rows * E + 1, 8), calloc(c->size * E, 8), calloc(c->size, 8)};
    expect(c, weights, bias, in, ld, targets, &x);
    void *block, *packed, *of_bias;
    struct vocabulary v;
    struct arena arena = {0};
    vocabulary_lay_out(&v, &context, c->rows, &arena);
    CHECK(memory_calloc(arena.used, 1, &block) == DEBERTA_OK);
    arena = (struct arena){.base = block};
    vocabulary_lay_out(&v, &context, c->rows, &arena);
    v.smoothing = c->smoothing;
    memcpy(v.targets, targets, c->rows * sizeof *targets);
    double first = 0.0;
    for (int count = 1; count <= 3; count++) {
        double loss;
        deberta_set_threads(count);
        CHECK(threads_count() == count);
        CHECK(memory_calloc(layer.out_stride * E, sizeof(float), &packed) == DEBERTA_OK);
        CHECK(memory_calloc(layer.out_stride, sizeof(float), &of_bias) == DEBERTA_OK);
        gradient = layer, gradient.packed = packed, gradient.bias = of_bias;
        CHECK(vocabulary_loss(&v, in, &loss) == DEBERTA_OK);
        CHECK(vocabulary_backward(&v, in, 0.7f, &gradient, d_in, scratch) == DEBERTA_OK);
        compare(c, &gradient, d_in, ld, loss, &x);
        CHECK(count == 1 || loss == first);
        first = loss;
        memory_free(packed), memory_free(of_bias);
    }
    for (size_t row = 1; row < c->rows; row++)
        memcpy(in + row * ld, in, ld * sizeof *in);
    CHECK(vocabulary_loss(&v, in, &first) == DEBERTA_OK);
    if (c->rows == K)
        check_samples(&v, in);
    linear_release(&layer);
    memory_free(block), memory_free(weights), memory_free(bias), memory_free(in), memory_free(d_in);
    memory_free(scratch), free(targets), free(x.d_in), free(x.d_weights), free(x.d_bias);
}

static void check_vocabulary(bool own)
{
    static const struct case_ cases[] = {{1, 3, 0.0f},     {5, 511, 0.1f},  {7, 512, 0.0f}, {3, 513, 0.0f},
                                         {40, MOST, 0.2f}, {K, 1100, 0.0f}, {0, 600, 0.0f}};
    for (size_t i = 0; own && i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i]);
}

int main(void)
{
    for_each_path("check_vocabulary", check_vocabulary);
    return 0;
}
