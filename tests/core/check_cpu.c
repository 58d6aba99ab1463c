/* SPDX-License-Identifier: Apache-2.0 */
/* Features of the processor, and quotas of control groups. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/cpu_quota.h"
#include "check.h"

static void check_quota_texts(void)
{
    CHECK(cpu_quota_of("max 100000\n", NULL) == 0);
    CHECK(cpu_quota_of("", NULL) == 0);
    CHECK(cpu_quota_of("200000 100000\n", NULL) == 2);
    CHECK(cpu_quota_of("250000 100000\n", NULL) == 2);
    CHECK(cpu_quota_of("50000 100000\n", NULL) == 1);
    CHECK(cpu_quota_of("300000", NULL) == 3);
    CHECK(cpu_quota_of("9000000000000000000 1", NULL) == 0);
    CHECK(cpu_quota_of("-1\n", "100000\n") == 0);
    CHECK(cpu_quota_of("400000\n", "100000\n") == 4);
    CHECK(cpu_quota_of("400000\n", "0\n") == 0);
}

static char root[] = "/tmp/check_cpu_XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700); /* may be there already */
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void check_groups(void)
{
    CHECK(mkdtemp(root));
    CHECK(cpu_quota(root) == 0);
    write_file("proc/self/cgroup", "0::/user.slice/job.scope\n");
    CHECK(cpu_quota(root) == 0);
    write_file("sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000\n");
    CHECK(cpu_quota(root) == 0);
    write_file("sys/fs/cgroup/user.slice/cpu.max", "300000 100000\n");
    CHECK(cpu_quota(root) == 3); /* of the group above */
    write_file("sys/fs/cgroup/user.slice/job.scope/cpu.max", "500000 100000\n");
    CHECK(cpu_quota(root) == 3); /* the lower of the two */
    write_file("sys/fs/cgroup/cpu.max", "100000 100000\n");
    CHECK(cpu_quota(root) == 1);
    write_file("proc/self/cgroup", "0::/\n");
    CHECK(cpu_quota(root) == 1); /* a container's view */
    write_file("proc/self/cgroup", "7:cpuset:/\n4:cpu,cpuacct:/docker/1\n0::/elsewhere/\n");
    write_file("sys/fs/cgroup/cpu.max", "max 100000\n");
    write_file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    CHECK(cpu_quota(root) == 0); /* a quota without its period */
    write_file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    CHECK(cpu_quota(root) == 2);
    write_file("sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us", "150000\n");
    write_file("sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us", "100000\n");
    CHECK(cpu_quota(root) == 1); /* its own group is lower than the one above */
    write_file("proc/self/cgroup", "garbage\n::\n1:\n7:cpuset,cpuacct:/\n");
    CHECK(cpu_quota(root) == 0);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    CHECK(system(command) == 0);
}

static void check_cpu(void)
{
    CHECK(cpu_has(ISA_SCALAR) && !cpu_has(ISA_COUNT));
    for (int level = 1; level < ISA_COUNT; level++) /* each level has those below it */
        CHECK(cpu_has((enum isa)(level - 1)) || !cpu_has((enum isa)level));
    unsigned features = cpu_features();
    CHECK(cpu_has(ISA_AVX2) == ((features & CPU_AVX2) != 0));
    CHECK(!!__builtin_cpu_supports("avx2") >= cpu_has(ISA_AVX2));
    CHECK(!!__builtin_cpu_supports("avx512vl") >= cpu_has(ISA_AVX512));
    CHECK(!!__builtin_cpu_supports("avx512vnni") == ((features & CPU_AVX512_VNNI) != 0));
    CHECK(!!__builtin_cpu_supports("avx512bf16") == ((features & CPU_AVX512_BF16) != 0));
    CHECK(!!__builtin_cpu_supports("amx-int8") >= ((features & CPU_AMX_INT8) != 0));
    CHECK(!!__builtin_cpu_supports("amx-bf16") >= ((features & CPU_AMX_BF16) != 0));
    for (int level = 0; level < ISA_COUNT; level++)
        printf("%s: %s\n", isa_names[level], cpu_has((enum isa)level) ? "yes" : "no");
}

int main(void)
{
    check_quota_texts();
    check_groups();
    check_cpu();
    return 0;
}
