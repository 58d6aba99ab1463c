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

/* The grain of calls of this many floating point operations each: enough work to be worth waking a thread. */
size_t threads_grain(double operations);

/* The number of threads for the loops of a call, until the next threads_count() of this thread: a caller sizes its
 * memory by it, and threads_set on another thread does not change it. */
int threads_count(void);
/* The last result of threads_count() on this thread, for code within a call. */
int threads_of_call(void);
/* Around a callback within a call: whatever the callback counts or sets, threads_of_call() is the same afterwards. */
int threads_save(void);
void threads_restore(int saved);
/* Sets the number of threads of the process; values below 1 restore the default. */
void threads_set(int count);
/* Limits the OpenMP regions that a library opens on this thread to the threads of the call. */
void threads_limit_openmp(void);
/* The default: DEBERTA_C_NUM_THREADS, OMP_NUM_THREADS, else the CPUs this process may use. */
int threads_default(void);

#endif
