/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout: the same mask at every level and for any cut of the work, and masks that look random: how many elements
 * stay, whether neighbours, rows, keys and seeds go together. */
#include "check.h"
#include "floats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/threads.h"
#include "kernels/kernels.h"
#include "nn/dropout.h"

/* The hash in plain C. */
static bool kept(uint64_t key, uint64_t index, uint32_t threshold)
{
    uint64_t z = (key ^ index >> 32) + 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    uint32_t x = (uint32_t)index ^ (uint32_t)z;
    x ^= x >> 17, x *= 0xed5ad4bbu;
    x ^= x >> 11, x *= 0xac4c1b51u, x ^= (uint32_t)(z >> 32);
    x ^= x >> 15, x *= 0x31848babu;
    return (x ^ x >> 14) >= threshold;
}

static void check_kernel(const struct kernels *k, size_t n, uint64_t index, bool with_residual, bool in_place)
{
    float *x = floats(n), *residual = floats(n), *before = floats_copy(x, n), *out = in_place ? x : floats(n);
    struct dropout d = dropout_site(0.3f, 11, n);
    k->dropout(x, with_residual ? residual : NULL, n, index, d.key, d.threshold, d.scale, out);
    for (size_t i = 0; i < n; i++) {
        float value = kept(d.key, index + i, d.threshold) ? before[i] * d.scale : 0.0f;
        CHECK(out[i] == (with_residual ? value + residual[i] : value));
    }
    release(x, n), release(residual, n), release(before, n);
    if (!in_place)
        release(out, n);
}

/* Infinity is dropped like any number; with probability 0 nothing changes. */
static void check_limits(const struct kernels *k)
{
    float x[100], out[100];
    for (size_t i = 0; i < 100; i++)
        x[i] = INFINITY;
    struct dropout half = dropout_site(0.5f, 1, 2), none = dropout_site(0.0f, 1, 2);
    k->dropout(x, NULL, 100, 0, half.key, half.threshold, half.scale, out);
    for (size_t i = 0; i < 100; i++)
        CHECK(out[i] == (kept(half.key, i, half.threshold) ? INFINITY : 0.0f));
    for (size_t i = 0; i < 100; i++)
        x[i] = draw();
    k->dropout(x, NULL, 100, 7, none.key, none.threshold, none.scale, out);
    CHECK(memcmp(x, out, sizeof x) == 0 && none.threshold == 0 && none.scale == 1.0f);
    CHECK(half.threshold == 1u << 31 && half.scale == 2.0f && half.key != none.key + 1);
}

/* Rows with padding, for any number of threads and any first row. */
static void check_rows(size_t rows, size_t columns, int threads)
{
    size_t ld = columns + 3;
    float *x = floats(rows * ld), *residual = floats(rows * ld), *out = floats(rows * ld), *part = floats(rows * ld);
    float *before = floats_copy(out, rows * ld);
    struct dropout d = dropout_site(0.1f, 42, 3);
    threads_set(threads);
    CHECK(threads_count() == threads);
    dropout_apply(&d, x, residual, rows, columns, ld, 1000, out);
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) {
            bool stays = kept(d.key, 1000 + r * columns + c, d.threshold);
            CHECK(out[r * ld + c] == (stays ? x[r * ld + c] * d.scale : 0.0f) + residual[r * ld + c]);
        }
        for (size_t c = columns; c < ld; c++)
            CHECK(out[r * ld + c] == before[r * ld + c]);
    }
    size_t cut = rows / 3;
    memcpy(part, before, rows * ld * sizeof *part);
    dropout_apply(&d, x, residual, cut, columns, ld, 1000, part);
    dropout_apply(&d, x + cut * ld, residual + cut * ld, rows - cut, columns, ld, 1000 + cut * columns,
                  part + cut * ld);
    CHECK(memcmp(out, part, rows * ld * sizeof *out) == 0);
    release(x, rows * ld), release(residual, rows * ld), release(out, rows * ld), release(part, rows * ld);
    release(before, rows * ld);
}

enum { MANY = 1 << 20 };

/* Signs of the elements of a site: 1 kept, 0 dropped. */
static void masks(struct dropout d, uint64_t first, uint8_t *mask)
{
    static float ones[MANY], out[MANY];
    for (size_t i = 0; i < MANY; i++)
        ones[i] = 1.0f;
    kernels->dropout(ones, NULL, MANY, first, d.key, d.threshold, 1.0f, out);
    for (size_t i = 0; i < MANY; i++)
        mask[i] = out[i] != 0.0f;
}

/* How many standard deviations the number of ones lies from that of independent draws. */
static double deviations(double ones, double count, double share)
{
    return fabs(ones - count * share) / sqrt(count * share * (1.0 - share));
}

/* Both kept: independent masks agree in stay * stay of the places. */
static double together(const uint8_t *a, const uint8_t *b, size_t n, double stay)
{
    double both = 0.0;
    for (size_t i = 0; i < n; i++)
        both += a[i] & b[i];
    return deviations(both, (double)n, stay * stay);
}

/* 4.9 standard deviations: a fair generator fails one of the 2,000 comparisons once in 500 seeds; this one is fixed. */
static void check_statistics(float probability)
{
    static uint8_t mask[MANY], other[MANY];
    const double limit = 4.9, stay = 1.0 - (double)probability;
    static const size_t shifts[] = {1, 2, 3, 4, 8, 16, 32, 64, 128, 384, 512, 768, 1024, 3072, 4096, 65536};
    for (uint64_t seed = 0; seed < 3; seed++) {
        for (uint64_t site = 0; site < 8; site++) {
            masks(dropout_site(probability, seed, site), 0, mask);
            double ones = 0.0;
            for (size_t i = 0; i < MANY; i++)
                ones += mask[i];
            CHECK(deviations(ones, MANY, stay) < limit);
            for (size_t s = 0; s < sizeof shifts / sizeof *shifts; s++)
                CHECK(together(mask, mask + shifts[s], MANY - shifts[s], stay) < limit);
            for (int bit = 0; bit < 20; bit++) { /* places where this bit of the index is 1 */
                ones = 0.0;
                for (size_t i = 0; i < MANY; i++)
                    ones += mask[i] & (i >> bit & 1);
                CHECK(deviations(ones, MANY / 2, stay) < limit);
            }
            masks(dropout_site(probability, seed, site + 1), 0, other); /* the next site, the next seed */
            CHECK(together(mask, other, MANY, stay) < limit);
            masks(dropout_site(probability, seed + 1, site), 0, other);
            CHECK(together(mask, other, MANY, stay) < limit);
            for (int bit = 0; bit < 64; bit += 5) { /* keys that differ in one bit */
                struct dropout near = dropout_site(probability, seed, site);
                near.key ^= UINT64_C(1) << bit;
                masks(near, 0, other);
                CHECK(together(mask, other, MANY, stay) < limit);
            }
            masks(dropout_site(probability, seed, site), UINT64_C(1) << 32, other); /* the same lower bits */
            CHECK(together(mask, other, MANY, stay) < limit);
        }
    }
}

int main(void)
{
    for (int level = 0; level < ISA_COUNT; level++) {
        const struct kernels *k = kernels_of((enum isa)level);
        if (!k) {
            printf("check_dropout: no %s on this machine\n", isa_names[level]);
            continue;
        }
        for (size_t n = 0; n <= 67; n++)
            for (int how = 0; how < 4; how++) {
                check_kernel(k, n, 13 * n, how & 1, how & 2);
                check_kernel(k, n, (UINT64_C(5) << 32) - 20, how & 1, how & 2); /* across the lower 32 bits */
            }
        check_limits(k);
        kernels_select(k);
        for (int threads = 1; threads <= 3; threads++) {
            check_rows(1, 5, threads);
            check_rows(203, 770, threads);
        }
        printf("check_dropout: %s is right\n", isa_names[level]);
    }
    check_statistics(0.1f);
    check_statistics(0.5f);
    return 0;
}
