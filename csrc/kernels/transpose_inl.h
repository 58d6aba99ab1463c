/* SPDX-License-Identifier: Apache-2.0 */
/* Transposes in blocks of four by four, in SSE vectors, which every x86-64 has. */
typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t quad_order __attribute__((vector_size(16)));

#ifdef __clang__ /* gcc has it from version 12 on */
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define SHUFFLE(x, y, ...) __builtin_shuffle(x, y, (quad_order){__VA_ARGS__})
#endif

INLINE void transpose_quad(quad block[4])
{
    quad ab_low = SHUFFLE(block[0], block[1], 0, 4, 1, 5);
    quad ab_high = SHUFFLE(block[0], block[1], 2, 6, 3, 7);
    quad cd_low = SHUFFLE(block[2], block[3], 0, 4, 1, 5);
    quad cd_high = SHUFFLE(block[2], block[3], 2, 6, 3, 7);
    block[0] = SHUFFLE(ab_low, cd_low, 0, 1, 4, 5);
    block[1] = SHUFFLE(ab_low, cd_low, 2, 3, 6, 7);
    block[2] = SHUFFLE(ab_high, cd_high, 0, 1, 4, 5);
    block[3] = SHUFFLE(ab_high, cd_high, 2, 3, 6, 7);
}

static void pack(const float *rows, size_t ld, size_t n, size_t k, float *panel)
{
    size_t whole = n / 4 * 4, whole_k = k / 4 * 4;
    for (size_t column = 0; column < whole; column += 4) {
        const float *from = rows + column * ld;
        for (size_t i = 0; i < whole_k; i += 4) {
            quad block[4];
            for (int q = 0; q < 4; q++)
                block[q] = *(const quad *)(from + (size_t)q * ld + i);
            transpose_quad(block);
            for (int q = 0; q < 4; q++)
                *(quad *)(panel + (i + (size_t)q) * PANEL + column) = block[q];
        }
        for (size_t i = whole_k; i < k; i++)
            for (size_t q = 0; q < 4; q++)
                panel[i * PANEL + column + q] = from[q * ld + i];
    }
    for (size_t i = 0; whole < PANEL && i < k; i++)
        for (size_t column = whole; column < PANEL; column++)
            panel[i * PANEL + column] = column < n ? rows[column * ld + i] : 0.0f;
}

/* Works in blocks of four by four: rows and keys up to the next multiple of four are read and written; both buffers
 * have room for them. */
static void add_transposed(const float *part, size_t ld_part, size_t keys, size_t rows, float *tile, size_t ld_tile)
{
    for (size_t row = 0; row < rows; row += 4) {
        for (size_t key = 0; key < keys; key += 4) {
            quad block[4];
            for (size_t q = 0; q < 4; q++)
                block[q] = *(const quad *)(part + (key + q) * ld_part + row);
            transpose_quad(block);
            for (size_t q = 0; q < 4; q++)
                *(quad *)(tile + (row + q) * ld_tile + key) += block[q];
        }
    }
}
