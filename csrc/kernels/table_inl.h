/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles every body for the level of the vec_*.h included before, and lists them in its table. */
#include "kernels/elementary_inl.h"

#include "kernels/activate_inl.h"
#include "kernels/adamw_inl.h"
#include "kernels/convert_inl.h"
#include "kernels/dropout_inl.h"
#include "kernels/int8_inl.h"
#include "kernels/layernorm_inl.h"
#include "kernels/product_inl.h"
#include "kernels/softmax_inl.h"
#include "kernels/transpose_inl.h"
#include "kernels/widened_inl.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

const struct kernels JOIN(kernels_, ISA_NAME) = {
    .isa = ISA_LEVEL,
    .panel_width = PANEL,
    .row_group = GROUP,
    .int8_words = INT8_WORDS,
#define K(name, parameters) .name = name,
    KERNEL_LIST(K)
#undef K
};
