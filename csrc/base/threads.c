/* SPDX-License-Identifier: Apache-2.0 */
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cpu_quota.h"

/* libgomp's: oneDNN uses its threads, and clang has no omp.h for it. */
void omp_set_num_threads(int count);

#define WAKING 1e6 /* floating point operations: some ten microseconds */

static _Atomic int configured; /* 0: the default */
static _Atomic bool forked;    /* libgomp cannot open a parallel region in the child of a fork */
/* The last result of threads_count on this thread, 0 before: the call has sized its memory by it, and another thread
 * may call threads_set at any time. */
static _Thread_local int call_threads;
static _Atomic int computing;   /* threads in the loops of all callers */
static _Thread_local int alone; /* 1 in a loop that got no thread but the caller's own */

static void after_fork_in_child(void)
{
    forked = true;
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

static int positive(const char *text)
{
    long value = text ? strtol(text, NULL, 10) : 0;
    return value > 0 && value <= MOST_THREADS ? (int)value : 0;
}

int threads_default(void)
{
    int wanted = positive(getenv("DEBERTA_C_NUM_THREADS"));
    if (!wanted)
        wanted = positive(getenv("OMP_NUM_THREADS"));
    if (wanted)
        return wanted;
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    int quota = cpu_quota("");
    return quota && quota < cpus ? quota : cpus;
}

int threads_count(void)
{
    if (forked || pool_worker() >= 0)
        return 1;
    if (configured == 0)
        configured = threads_default();
    return call_threads = configured;
}

int threads_of_call(void)
{
    return call_threads && !forked && pool_worker() < 0 ? call_threads : threads_count();
}

int threads_save(void)
{
    return call_threads;
}

void threads_restore(int saved)
{
    call_threads = saved;
}

void threads_set(int count)
{
    call_threads = 0;
    configured = count >= 1 ? count : threads_default();
}

void threads_limit_openmp(void)
{
    omp_set_num_threads(alone ? 1 : threads_of_call());
}

size_t threads_grain(double operations)
{
    return operations >= WAKING ? 1 : (size_t)(WAKING / (operations > 1.0 ? operations : 1.0));
}

/* Takes threads for a loop: as many as the loops of other callers leave, at least the caller's own. */
static int take(int wanted)
{
    int busy = computing, taken;
    do {
        int left = configured - busy + alone;
        taken = left < 1 ? 1 : left < wanted ? left : wanted;
    } while (!atomic_compare_exchange_weak(&computing, &busy, busy + taken - alone));
    return taken;
}

/* Loops inside a loop of one thread can still take threads that other callers have given back. */
static void run_alone(size_t n, parallel_fn fn, void *context)
{
    int before = alone;
    alone = 1;
    for (size_t i = 0; i < n; i++)
        fn(i, 0, context);
    alone = before;
}

void parallel_for(size_t n, size_t grain, parallel_fn fn, void *context)
{
    int threads = threads_of_call();
    if (threads == 1 || n / 2 < grain) {
        int worker = pool_worker() < 0 ? 0 : pool_worker();
        for (size_t i = 0; i < n; i++)
            fn(i, worker, context);
        return;
    }
    threads = take((size_t)threads > n / grain ? (int)(n / grain) : threads);
    int added = threads - alone;
    if (threads == 1) {
        run_alone(n, fn, context);
        computing -= added;
        return;
    }
    pool_run(n, threads, fn, context);
    computing -= added;
}
