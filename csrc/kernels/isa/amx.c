/* SPDX-License-Identifier: Apache-2.0 */
/* Products of AMX, whose registers are tiles of 16 rows of 64 bytes. A tile has 16 words of 16 rows of the left
 * operand, or 16 steps of half of a panel. Sums of up to 32 rows with a panel are four tiles.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18; volume 2, TDPBUSD,
 * TDPBF16PS. A product of bfloat16 adds the products of even and of odd numbers of 16 steps apart, then both to the
 * sum. */
#include "kernels/isa/vec_avx512.h"

#include "kernels/int8_sums_inl.h"

#define TILE 16          /* rows of a tile, and words of its row */
#define BLOCK (2 * TILE) /* rows that are multiplied together */
#define LEAST_ROWS 8     /* of int8; VNNI multiplies fewer ones, with the same sums */
#define SHARERS 4        /* blocks that share the prefetching of the next panel */

_Static_assert(SHORT_PART == TILE && PANEL == 2 * TILE, "a panel is two tiles wide");

enum type { INT8, BF16 };

/* What LDTILECFG reads. */
struct shapes {
    uint8_t palette, start_row, zeros[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Tiles 0 and 1 are the sums of the first 16 rows with both halves of the panel, 2 and 3 those of the rows after them;
 * 4 and 5 are the rows, 6 and 7 the halves of the panel. */
static void shape_tiles(size_t rows)
{
    uint8_t first = (uint8_t)(rows < TILE ? rows : TILE), second = (uint8_t)(rows > TILE ? rows - TILE : TILE);
    _Alignas(64) struct shapes shapes = {.palette = 1,
                                         .rows = {first, first, second, second, first, second, TILE, TILE}};
    for (int tile = 0; tile < 8; tile++)
        shapes.row_bytes[tile] = TILE * sizeof(int32_t);
    __asm__ volatile("" : : "r"(&shapes) : "memory"); /* GCC does not know that the intrinsic reads all of it */
    _tile_loadconfig(&shapes);
}

#define ADD_PRODUCT(type, sum, left, right)                                                                            \
    do {                                                                                                               \
        if ((type) == INT8)                                                                                            \
            _tile_dpbusd(sum, left, right);                                                                            \
        else                                                                                                           \
            _tile_dpbf16ps(sum, left, right);                                                                          \
    } while (0)

/* 16 steps. `two`: there are more than 16 rows. */
INLINE void add_steps(const enum type type, const bool two, const int32_t *a, size_t lda, const int32_t *panel)
{
    const size_t stride = lda * sizeof *a, width = PANEL * sizeof *panel;
    _tile_loadd(6, panel, width);
    _tile_loadd(4, a, stride);
    ADD_PRODUCT(type, 0, 4, 6);
    _tile_loadd(7, panel + TILE, width);
    ADD_PRODUCT(type, 1, 4, 7);
    if (two) {
        _tile_loadd(5, a + TILE * lda, stride);
        ADD_PRODUCT(type, 2, 5, 6);
        ADD_PRODUCT(type, 3, 5, 7);
    }
}

/* The last steps, fewer than 16, with zeros behind them. Copied before tiles hold sums: a call may change tiles. */
struct last_steps {
    _Alignas(64) int32_t left[BLOCK][TILE], right[TILE][PANEL];
};

INLINE void copy_last_steps(const struct short_product *p, size_t row, size_t rows, struct last_steps *last)
{
    size_t count = p->steps % TILE, first = p->steps - count;
    memset(last, 0, sizeof *last);
    for (size_t r = 0; r < rows; r++)
        memcpy(last->left[r], p->a + (row + r) * p->lda + first, count * sizeof *p->a);
    memcpy(last->right, p->panel + first * PANEL, count * sizeof *last->right);
    __asm__ volatile("" : : "r"(last) : "memory"); /* GCC does not know that a load of a tile reads memory */
}

/* `stride` of rows: 0 repeats one row. */
INLINE void load_sums(const bool two, const float *first, size_t stride)
{
    _tile_loadd(0, first, stride * sizeof *first);
    _tile_loadd(1, first + TILE, stride * sizeof *first);
    if (two) {
        _tile_loadd(2, first + TILE * stride, stride * sizeof *first);
        _tile_loadd(3, first + TILE * stride + TILE, stride * sizeof *first);
    }
}

INLINE void begin(const enum type type, const bool two, const struct short_product *p, const float *c)
{
    if (type == BF16 && p->accumulate) {
        load_sums(two, c, p->ldc);
    } else if (type == BF16 && p->bias) {
        load_sums(two, p->bias, 0);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
}

INLINE void store_sums(const bool two, void *to, size_t stride)
{
    int32_t *words = to;
    _tile_stored(0, words, stride * sizeof *words);
    _tile_stored(1, words + TILE, stride * sizeof *words);
    if (two) {
        _tile_stored(2, words + TILE * stride, stride * sizeof *words);
        _tile_stored(3, words + TILE * stride + TILE, stride * sizeof *words);
    }
}

INLINE void end(const enum type type, const bool two, const struct short_product *p, size_t row, size_t rows, float *c)
{
    _Alignas(64) int32_t sums[BLOCK][PANEL];
    if (type == BF16)
        store_sums(two, c, p->ldc);
    else
        store_sums(two, sums, PANEL);
    if (type == BF16 && !p->scale)
        return;
    for (size_t r = 0; r < rows; r++, c += p->ldc) {
        for (int half = 0; half < 2; half++) {
            float *to = c + half * VEC;
            if (type == BF16)
                vf_store(to, vf_load(to) * p->scale[row + r]);
            else
                vf_store(to, end_int8(p, row + r, half, vi_load(sums[r] + half * VEC) + begin_int8(p, row + r, half)));
        }
    }
}

INLINE void multiply_block(const enum type type, const bool two, const struct short_product *p, size_t row, size_t rows,
                           const int32_t *next, size_t pace)
{
    const int32_t *a = p->a + row * p->lda, *panel = p->panel;
    float *c = p->c + row * p->ldc;
    struct last_steps last;
    if (p->steps % TILE)
        copy_last_steps(p, row, rows, &last);
    begin(type, two, p, c);
    for (size_t left = p->steps / TILE; left > 0; left--, a += TILE, panel += TILE * PANEL, next += pace) {
        for (size_t word = 0; word < pace; word += 64 / sizeof *next)
            __builtin_prefetch(next + word, 0, 2);
        add_steps(type, two, a, p->lda, panel);
    }
    if (p->steps % TILE)
        add_steps(type, two, *last.left, TILE, *last.right);
    end(type, two, p, row, rows, c);
}

INLINE void multiply(const enum type type, const struct short_product *p)
{
    size_t blocks = (p->rows + BLOCK - 1) / BLOCK, sharers = blocks < SHARERS ? blocks : SHARERS;
    for (size_t block = 0, row = 0; block < blocks; block++, row += BLOCK) {
        size_t rows = p->rows - row < BLOCK ? p->rows - row : BLOCK;
        size_t pace = p->next && block < sharers ? TILE * PANEL / sharers : 0;
        const int32_t *next = pace ? p->next + block * (p->steps / TILE) * pace : p->panel;
        if (block == 0 || rows < BLOCK)
            shape_tiles(rows);
        if (rows > TILE)
            multiply_block(type, true, p, row, rows, next, pace);
        else
            multiply_block(type, false, p, row, rows, next, pace);
    }
    _tile_release();
}

static void product_int8(const struct short_product *p)
{
    if (p->rows < LEAST_ROWS)
        kernels_avx512_vnni.product_int8(p);
    else
        multiply(INT8, p);
}

static void product_bf16(const struct short_product *p)
{
    if (p->step) /* the left operand is transposed */
        kernels_avx512_bf16.product_bf16(p);
    else
        multiply(BF16, p);
}

const struct kernels kernels_amx = {.product_int8 = product_int8, .product_bf16 = product_bf16};
