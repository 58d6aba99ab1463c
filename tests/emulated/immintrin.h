/* SPDX-License-Identifier: Apache-2.0 */
/* The intrinsics of AVX-512 and AMX that the kernels use, computed with AVX2, so that any machine with AVX2 checks
 * them. Each one rounds as Intel's manual says: "Intel 64 and IA-32 Architectures Software Developer's Manual",
 * volume 2.
 *
 * Found before the compiler's <immintrin.h>, which it includes. What is compiled with it has AVX2 at most. */
#ifndef EMULATED_IMMINTRIN_H
#define EMULATED_IMMINTRIN_H

#include_next <immintrin.h>
#include <stdint.h>
#include <string.h>

/* A register of 64 bytes. */
union emulated {
    __m512 floats;
    __m512i integers;
    __m512bh halves;
    __m256 of_floats[2];
    __m256i of_integers[2];
    float lane[16];
    int32_t word[16];
    uint16_t half[32];
    uint8_t byte[64];
};

/* Not inlined: a kernel has hundreds of them. */
#define EMULATED static __attribute__((noinline, unused))

#define FLOATS(value) ((union emulated){.floats = (value)})
#define INTEGERS(value) ((union emulated){.integers = (value)})
#define BFLOATS(value) ((union emulated){.halves = (value)})

static inline float emulated_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A denormal number counts as zero. */
static inline float emulated_flush(float value)
{
    return __builtin_fabsf(value) < 0x1p-126f ? __builtin_copysignf(0.0f, value) : value;
}

static inline float emulated_widen(uint16_t half)
{
    return emulated_flush(emulated_float((uint32_t)half << 16));
}

static inline uint16_t emulated_round(float value)
{
    uint32_t bits;
    value = emulated_flush(value);
    memcpy(&bits, &value, sizeof bits);
    if (value != value)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline __m512 emulated_set(float value)
{
    return (union emulated){.of_floats = {_mm256_set1_ps(value), _mm256_set1_ps(value)}}.floats;
}

#define EMULATED_FLOATS(name, ...)                                                                                     \
    union emulated result;                                                                                             \
    for (int i = 0; i < 2; i++)                                                                                        \
        result.of_floats[i] = name(__VA_ARGS__);                                                                       \
    return result.floats;

EMULATED __m512 emulated_fmadd(__m512 a, __m512 b, __m512 c){
    EMULATED_FLOATS(_mm256_fmadd_ps, FLOATS(a).of_floats[i], FLOATS(b).of_floats[i], FLOATS(c).of_floats[i])}

EMULATED __m512
    emulated_max(__m512 a, __m512 b){EMULATED_FLOATS(_mm256_max_ps, FLOATS(a).of_floats[i], FLOATS(b).of_floats[i])}

EMULATED __m512
    emulated_min(__m512 a, __m512 b){EMULATED_FLOATS(_mm256_min_ps, FLOATS(a).of_floats[i], FLOATS(b).of_floats[i])}

EMULATED __m512 emulated_sqrt(__m512 x){EMULATED_FLOATS(_mm256_sqrt_ps, FLOATS(x).of_floats[i])}

EMULATED __m512 emulated_cvtph(__m256i x){EMULATED_FLOATS(_mm256_cvtph_ps, ((const __m128i *)&x)[i])}

EMULATED __m512i emulated_madd(__m512i a, __m512i b)
{
    union emulated result;
    for (int i = 0; i < 2; i++)
        result.of_integers[i] = _mm256_madd_epi16(INTEGERS(a).of_integers[i], INTEGERS(b).of_integers[i]);
    return result.integers;
}

EMULATED __m512i emulated_permute(__m512i index, __m512i x)
{
    union emulated result;
    for (int i = 0; i < 32; i++)
        result.half[i] = INTEGERS(x).half[INTEGERS(index).half[i] % 32];
    return result.integers;
}

EMULATED __m512i emulated_dpbusd(__m512i sum, __m512i a, __m512i b)
{
    union emulated result = {.integers = sum}, left = {.integers = a}, right = {.integers = b};
    for (int i = 0; i < 64; i++)
        result.word[i / 4] += left.byte[i] * (int8_t)right.byte[i];
    return result.integers;
}

EMULATED __m512 emulated_dpbf16(__m512 sum, __m512bh a, __m512bh b)
{
    union emulated result = {.floats = sum}, left = {.halves = a}, right = {.halves = b};
    for (int i = 0; i < 16; i++)
        for (int j = 1; j >= 0; j--)
            result.lane[i] =
                emulated_flush(__builtin_fmaf(emulated_widen(left.half[2 * i + j]),
                                              emulated_widen(right.half[2 * i + j]), emulated_flush(result.lane[i])));
    return result.floats;
}

EMULATED __m512bh emulated_cvtne2ps(__m512 high, __m512 low)
{
    union emulated result;
    for (int i = 0; i < 16; i++) {
        result.half[i] = emulated_round(FLOATS(low).lane[i]);
        result.half[16 + i] = emulated_round(FLOATS(high).lane[i]);
    }
    return result.halves;
}

/* ---- AMX ---- */

/* What LDTILECFG reads, then the tiles. */
static _Thread_local struct {
    uint8_t palette, start_row, zeros[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
    uint8_t data[8][16][64];
} emulated_tiles;

/* The instructions below fail without a configuration, and for shapes that do not belong together. */
#define EMULATED_CHECK(condition)                                                                                      \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            __builtin_trap();                                                                                          \
    } while (0)

EMULATED void emulated_load_config(const void *config)
{
    memset(&emulated_tiles, 0, sizeof emulated_tiles);
    memcpy(&emulated_tiles, config, 64);
    EMULATED_CHECK(emulated_tiles.palette == 1 && emulated_tiles.start_row == 0);
    for (int i = 0; i < 14; i++)
        EMULATED_CHECK(emulated_tiles.zeros[i] == 0);
    for (int i = 0; i < 16; i++) {
        uint16_t bytes = emulated_tiles.row_bytes[i];
        uint8_t rows = emulated_tiles.rows[i];
        EMULATED_CHECK(i < 8 ? bytes <= 64 && rows <= 16 && (bytes > 0) == (rows > 0) : bytes == 0 && rows == 0);
    }
}

EMULATED void emulated_tile_zero(int tile)
{
    EMULATED_CHECK(emulated_tiles.palette && emulated_tiles.rows[tile]);
    memset(emulated_tiles.data[tile], 0, sizeof emulated_tiles.data[tile]);
}

EMULATED void emulated_tile_load(int tile, const void *base, size_t stride)
{
    emulated_tile_zero(tile);
    for (int r = 0; r < emulated_tiles.rows[tile]; r++)
        memcpy(emulated_tiles.data[tile][r], (const char *)base + (size_t)r * stride, emulated_tiles.row_bytes[tile]);
}

EMULATED void emulated_tile_store(int tile, void *base, size_t stride)
{
    EMULATED_CHECK(emulated_tiles.palette && emulated_tiles.rows[tile]);
    for (int r = 0; r < emulated_tiles.rows[tile]; r++)
        memcpy((char *)base + (size_t)r * stride, emulated_tiles.data[tile][r], emulated_tiles.row_bytes[tile]);
}

/* The common number of steps of both operands. */
EMULATED int emulated_steps(int sum, int left, int right)
{
    const uint16_t *bytes = emulated_tiles.row_bytes;
    const uint8_t *rows = emulated_tiles.rows;
    EMULATED_CHECK(emulated_tiles.palette && rows[sum] == rows[left] && bytes[sum] == bytes[right]);
    EMULATED_CHECK(bytes[left] == 4 * rows[right] && sum != left && sum != right && left != right);
    return rows[right];
}

EMULATED void emulated_tile_dpbusd(int sum, int left, int right)
{
    int steps = emulated_steps(sum, left, right);
    for (int r = 0; r < emulated_tiles.rows[sum]; r++) {
        int32_t words[16];
        memcpy(words, emulated_tiles.data[sum][r], sizeof words);
        for (int i = 0; i < 4 * steps; i++)
            for (int c = 0; c < emulated_tiles.row_bytes[sum] / 4; c++)
                words[c] += emulated_tiles.data[left][r][i] * (int8_t)emulated_tiles.data[right][i / 4][4 * c + i % 4];
        memcpy(emulated_tiles.data[sum][r], words, sizeof words);
    }
}

static inline float emulated_bf16_at(int tile, int row, int i)
{
    uint16_t half;
    memcpy(&half, emulated_tiles.data[tile][row] + 2 * i, sizeof half);
    return emulated_widen(half);
}

EMULATED void emulated_tile_dpbf16(int sum, int left, int right)
{
    int steps = emulated_steps(sum, left, right);
    for (int r = 0; r < emulated_tiles.rows[sum]; r++) {
        float sums[16];
        memcpy(sums, emulated_tiles.data[sum][r], sizeof sums);
        for (int c = 0; c < emulated_tiles.row_bytes[sum] / 4; c++) {
            float apart[2] = {0.0f, 0.0f};
            for (int i = 0; i < 2 * steps; i++)
                apart[i % 2] = emulated_flush(__builtin_fmaf(
                    emulated_bf16_at(left, r, i), emulated_bf16_at(right, i / 2, 2 * c + i % 2), apart[i % 2]));
            sums[c] = emulated_flush(emulated_flush(sums[c]) + emulated_flush(apart[0] + apart[1]));
        }
        memcpy(emulated_tiles.data[sum][r], sums, sizeof sums);
    }
}

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbusd
#undef _tile_dpbf16ps
#define _tile_loadconfig emulated_load_config
#define _tile_loadd emulated_tile_load
#define _tile_stored emulated_tile_store
#define _tile_zero emulated_tile_zero
#define _tile_dpbusd emulated_tile_dpbusd
#define _tile_dpbf16ps emulated_tile_dpbf16
#define _tile_release() (emulated_tiles.palette = 0)

/* ---- AVX-512 ---- */

#define _mm512_set1_ps emulated_set
#define _mm512_fmadd_ps emulated_fmadd
#define _mm512_max_ps emulated_max
#define _mm512_min_ps emulated_min
#define _mm512_sqrt_ps emulated_sqrt
#define _mm512_cvtph_ps emulated_cvtph
#define _mm512_madd_epi16 emulated_madd
#define _mm512_permutexvar_epi16 emulated_permute
#define _mm512_dpbusd_epi32 emulated_dpbusd
#define _mm512_dpbf16_ps emulated_dpbf16
#define _mm512_cvtne2ps_pbh emulated_cvtne2ps
#define _mm512_storeu_si512(to, value) (*(__m512i_u *)(void *)(to) = (value))

#define IN_REGISTER(vector)

#endif
