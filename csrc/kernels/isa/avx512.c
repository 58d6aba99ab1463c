/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/isa/vec_avx512.h"

#include "kernels/table_inl.h"
