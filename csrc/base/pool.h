/* SPDX-License-Identifier: Apache-2.0 */
/* Helper threads. A caller offers work to them and takes back what no helper has started, so that it waits only for
 * helpers in the middle of a call. */
#ifndef DEBERTA_BASE_POOL_H
#define DEBERTA_BASE_POOL_H

#include <stddef.h>

enum { MOST_THREADS = 4096 };

/* `worker` is 0 in the calling thread and below the number of threads in the others; no two calls run at once with the
 * same worker of one loop. */
typedef void (*parallel_fn)(size_t index, int worker, void *context);

/* Calls fn(0..n-1), in any order, on the calling thread and at most threads - 1 helpers. When n is the number of
 * threads, worker i prefers call i, whose data may still be in its cache from the last loop. */
void pool_run(size_t n, int threads, parallel_fn fn, void *context);

/* The worker number of this thread in the current loop, -1 outside a loop. */
int pool_worker(void);

#endif
