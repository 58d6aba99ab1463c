/* SPDX-License-Identifier: Apache-2.0 */
/* Helper threads. Work is offered to them, and what no helper has begun is taken back: a caller never waits for a
 * thread that is not running, only for those that are in the middle of a call. */
#ifndef DEBERTA_BASE_POOL_H
#define DEBERTA_BASE_POOL_H

#include <stddef.h>

enum { MOST_THREADS = 4096 };

/* `worker` is 0 in the calling thread and below the number of threads in the others; no two calls run at once with the
 * same worker of one loop. */
typedef void (*parallel_fn)(size_t index, int worker, void *context);

/* Calls fn(0..n-1), in any order, on the calling thread and at most threads - 1 helpers. When n is the number of
 * threads, worker i prefers call i: what it left in its cache by the last loop is still there. */
void pool_run(size_t n, int threads, parallel_fn fn, void *context);

/* The worker that this thread is in the loop that it runs, -1 outside. */
int pool_worker(void);

#endif
