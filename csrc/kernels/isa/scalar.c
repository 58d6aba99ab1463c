/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/isa/vec_scalar.h"

#include "kernels/table_inl.h"
