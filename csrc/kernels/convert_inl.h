/* SPDX-License-Identifier: Apache-2.0 */
static void convert_f16(const uint16_t *from, size_t n, float *to)
{
    size_t whole = n / VEC * VEC;
    for (size_t i = 0; i < whole; i += VEC)
        vf_store(to + i, vf_from_f16(from + i));
    if (whole < n) {
        uint16_t rest[VEC] = {0};
        memcpy(rest, from + whole, (n - whole) * sizeof *from);
        vf_store_part(to + whole, vf_from_f16(rest), n - whole);
    }
}

static void convert_bf16(const uint16_t *from, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = float_of_bits((uint32_t)from[i] << 16);
}

/* Of finite numbers. */
static void round_bf16(const float *x, size_t ld, size_t rows, size_t n, int32_t *to, size_t ld_to)
{
    typedef uint64_t pairs __attribute__((vector_size(VEC * 4)));
    typedef uint32_t words __attribute__((vector_size(VEC * 2)));
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i += VEC) {
            vu bits = (vu)vf_load(x + r * ld + i);
            pairs rounded = (pairs)((bits + 0x7fff + (bits >> 16 & 1)) >> 16); /* ties to even */
            words two = __builtin_convertvector(rounded | rounded >> 16, words);
            memcpy(to + r * ld_to + i / 2, &two, sizeof two);
        }
    }
}

static void convert_int8(const int8_t *restrict from, const float *restrict scale, size_t rows, float *restrict to)
{
    for (size_t r = 0; r < rows; r++, from += PANEL, to += PANEL)
        for (size_t i = 0; i < PANEL; i++)
            to[i] = (float)from[i] * scale[i];
}
