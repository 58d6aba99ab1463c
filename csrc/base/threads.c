/* SPDX-License-Identifier: Apache-2.0 */
#include "base/threads.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic int configured; /* 0: the default */
static _Atomic bool forked;    /* libgomp cannot open a parallel region in the child of a fork */
static _Thread_local int nested_worker = -1;

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
    return value > 0 && value < 4096 ? (int)value : 0;
}

int threads_quota(const char *quota, const char *period)
{
    double allowed = strtod(quota, NULL);
    double every = period ? strtod(period, NULL) : 0.0;
    if (!period) {
        const char *second = strchr(quota, ' ');
        every = second ? strtod(second, NULL) : 100000.0;
    }
    if (allowed <= 0.0 || every <= 0.0) /* "max", -1, or nothing */
        return 0;
    double cpus = allowed / every;
    return cpus < 1.0 ? 1 : (int)cpus;
}

static bool read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool read = fgets(line, size, file) != NULL;
    fclose(file);
    return read;
}

static int quota_of_this_process(void)
{
    char quota[64], period[64];
    if (read_line("/sys/fs/cgroup/cpu.max", quota, sizeof quota))
        return threads_quota(quota, NULL);
    if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota) &&
        read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period))
        return threads_quota(quota, period);
    return 0;
}

int threads_default(void)
{
    int wanted = positive(getenv("DEBERTA_C_NUM_THREADS"));
    if (!wanted)
        wanted = positive(getenv("OMP_NUM_THREADS"));
    if (wanted)
        return wanted;
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : omp_get_num_procs();
    int quota = quota_of_this_process();
    return quota && quota < cpus ? quota : cpus;
}

int threads_count(void)
{
    if (forked || nested_worker >= 0)
        return 1;
    if (configured == 0)
        configured = threads_default();
    return configured;
}

void threads_set(int count)
{
    configured = count >= 1 ? count : threads_default();
}

void threads_lend(void)
{
    omp_set_num_threads(threads_count());
}

void parallel_for(size_t n, parallel_fn fn, void *context)
{
    int threads = threads_count();
    if (threads == 1 || n <= 1) {
        int worker = nested_worker < 0 ? 0 : nested_worker;
        for (size_t i = 0; i < n; i++)
            fn(i, worker, context);
        return;
    }
    if ((size_t)threads > n)
        threads = (int)n;
#pragma omp parallel num_threads(threads)
    {
        int worker = nested_worker = omp_get_thread_num();
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < n; i++)
            fn(i, worker, context);
        nested_worker = -1;
    }
}
