/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of the process: callers that loop at once share their number. Work is cut by data, never by the number of
 * threads. */
#ifndef DEBERTA_BASE_THREADS_H
#define DEBERTA_BASE_THREADS_H

#include <stddef.h>

#include "base/pool.h"

/* Calls fn(0..n-1), in any order, on as many threads as get at least `grain` calls each and as the loops of other
 * callers leave; inside another parallel_for it runs in the calling worker. A worker is below the last
 * threads_count() of the calling thread. */
void parallel_for(size_t n, size_t grain, parallel_fn fn, void *context);

/* The grain of calls that take so many floating point operations each: less is done before a thread has woken. */
size_t threads_grain(double operations);

/* How many threads a loop of this thread uses, until it asks again: threads_set of another thread cannot make
 * more workers than a caller has made room for. */
int threads_count(void);
/* What threads_count told this thread last: for those that cut work within a call. */
int threads_team(void);
/* Around a callback within a call, which may ask or set as it likes: what was told is told again afterwards. */
int threads_hold(void);
void threads_restore(int held);
/* Sets that number for the whole process; values below 1 restore the default. */
void threads_set(int count);
/* Lets a library that opens parallel regions of its own use as many, when called from this thread. */
void threads_lend(void);
/* The default: DEBERTA_C_NUM_THREADS, OMP_NUM_THREADS, else the CPUs this process may use. */
int threads_default(void);

#endif
