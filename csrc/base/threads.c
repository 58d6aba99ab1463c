/* SPDX-License-Identifier: Apache-2.0 */
#include "base/threads.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAKING 1e6 /* floating point operations: some ten microseconds */

enum { PATH_SIZE = 4096 };

static _Atomic int configured; /* 0: the default */
static _Atomic bool forked;    /* libgomp cannot open a parallel region in the child of a fork */
/* What threads_count told this thread last, 0 before: it has sized its memory by that, and another thread may call
 * threads_set at any time. */
static _Thread_local int promised;
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
    return cpus < 1.0 ? 1 : cpus < MOST_THREADS ? (int)cpus : 0;
}

/* The first line of a file. */
static bool read_line(char *line, int size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool read_line(char *line, int size, const char *format, ...)
{
    char path[2 * PATH_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    FILE *file = length < (int)sizeof path ? fopen(path, "r") : NULL;
    if (!file)
        return false;
    bool read = fgets(line, size, file) != NULL;
    fclose(file);
    return read;
}

static int quota_of_group(const char *root, bool unified, const char *group)
{
    char quota[64], period[64];
    if (unified)
        return read_line(quota, sizeof quota, "%s/sys/fs/cgroup%s/cpu.max", root, group) ? threads_quota(quota, NULL)
                                                                                         : 0;
    if (read_line(quota, sizeof quota, "%s/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", root, group) &&
        read_line(period, sizeof period, "%s/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", root, group))
        return threads_quota(quota, period);
    return 0;
}

/* The lowest quota of a group and of those that it lies in; `group` is cut down to nothing on the way. */
static int lowest_quota(const char *root, bool unified, char *group)
{
    int lowest = 0;
    while (true) {
        char *slash = strrchr(group, '/');
        if (slash && slash[1] == '\0')
            *slash = '\0';
        int quota = quota_of_group(root, unified, group);
        if (quota && (!lowest || quota < lowest))
            lowest = quota;
        if (*group == '\0')
            return lowest;
        slash = strrchr(group, '/');
        *(slash ? slash : group) = '\0';
    }
}

/* Whether the comma-separated names of a line of /proc/self/cgroup have the cpu controller. */
static bool has_cpu(const char *names, const char *end)
{
    while (names < end) {
        size_t length = strcspn(names, ",:");
        if (length == 3 && memcmp(names, "cpu", 3) == 0)
            return true;
        names += length + 1;
    }
    return false;
}

int threads_cgroup(const char *root)
{
    char path[PATH_SIZE], line[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= (int)sizeof path)
        return 0;
    FILE *file = fopen(path, "r");
    int lowest = 0;
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':');
        char *group = names ? strchr(names + 1, ':') : NULL;
        bool unified = group && group == names + 1;
        if (!group || (!unified && !has_cpu(names + 1, group)))
            continue;
        int quota = lowest_quota(root, unified, group + 1);
        if (quota && (!lowest || quota < lowest))
            lowest = quota;
    }
    if (file)
        fclose(file);
    return lowest;
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
    int quota = threads_cgroup("");
    return quota && quota < cpus ? quota : cpus;
}

int threads_count(void)
{
    if (forked || pool_worker() >= 0)
        return 1;
    if (configured == 0)
        configured = threads_default();
    return promised = configured;
}

int threads_team(void)
{
    return promised && !forked && pool_worker() < 0 ? promised : threads_count();
}

int threads_hold(void)
{
    return promised;
}

void threads_restore(int held)
{
    promised = held;
}

void threads_set(int count)
{
    promised = 0;
    configured = count >= 1 ? count : threads_default();
}

void threads_lend(void)
{
    omp_set_num_threads(alone ? 1 : threads_team());
}

size_t threads_grain(double operations)
{
    return operations >= WAKING ? 1 : (size_t)(WAKING / (operations > 1.0 ? operations : 1.0));
}

/* Takes a share of the process's threads for a loop: what those of other callers leave, the caller's own at least. */
static int take(int wanted)
{
    int busy = computing, taken;
    do {
        int left = configured - busy + alone;
        taken = left < 1 ? 1 : left < wanted ? left : wanted;
    } while (!atomic_compare_exchange_weak(&computing, &busy, busy + taken - alone));
    return taken;
}

/* A loop of one thread is no outer loop: those inside it take what other callers have given back meanwhile. */
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
    int threads = threads_team();
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
