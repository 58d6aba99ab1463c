/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpu_quota.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096, MOST_CPUS = 4096 };

int cpu_quota_of(const char *quota, const char *period)
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
    return cpus < 1.0 ? 1 : cpus < MOST_CPUS ? (int)cpus : 0;
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
        return read_line(quota, sizeof quota, "%s/sys/fs/cgroup%s/cpu.max", root, group) ? cpu_quota_of(quota, NULL)
                                                                                         : 0;
    if (read_line(quota, sizeof quota, "%s/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", root, group) &&
        read_line(period, sizeof period, "%s/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", root, group))
        return cpu_quota_of(quota, period);
    return 0;
}

/* The lowest quota of a group and its parents. Shortens `group` to an empty string. */
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

/* Whether the comma-separated controllers of a line of /proc/self/cgroup include cpu. */
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

int cpu_quota(const char *root)
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
