/* SPDX-License-Identifier: Apache-2.0 */
/* The machine: instruction set, threads, oneDNN. */
#ifndef DEBERTA_MACHINE_H
#define DEBERTA_MACHINE_H

#include "base/status.h"

/* Chooses the instruction set once: DEBERTA_C_ISA (scalar, avx2, avx512, amx) or the best of the first three.
 * Fails for a level that the CPU lacks. Must succeed before any other call. */
MUST_USE enum deberta_status deberta_start(void);
/* Call once before the process exits: other threads may still be inside calls and must not use what the exit destroys.
 * Their calls may never return. */
void deberta_stop(void);
const char *deberta_isa(void);    /* "scalar", "avx2", "avx512" or "amx" */
const char *deberta_linear(void); /* the implementation of linear layers: "own" or "onednn" */
/* The version of oneDNN, such as "3.2.0", which is loaded for it. NULL: it cannot be loaded, see deberta_message. */
const char *deberta_onednn(void);
int deberta_threads(void);           /* threads that a call uses */
void deberta_set_threads(int count); /* for the whole process; 0 restores the default */

#endif
