/* SPDX-License-Identifier: Apache-2.0 */
/* How many CPUs the control groups of Linux let this process use. */
#ifndef DEBERTA_BASE_CPU_QUOTA_H
#define DEBERTA_BASE_CPU_QUOTA_H

/* CPUs allowed by a cgroup v2 `cpu.max` text or by v1 quota and period; 0 when unlimited. */
int cpu_quota_of(const char *quota, const char *period);
/* The quota of this process from <root>/proc/self/cgroup and <root>/sys/fs/cgroup, v1 or v2, including parent groups; 0
 * when unlimited. */
int cpu_quota(const char *root);

#endif
