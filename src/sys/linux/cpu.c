#include "cjoblib/cpu.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/cgroup.h"
#include "sys/descriptor.h"
#include "sys/folder.h"
#include "sys/text_file.h"

/* The kernel's own limit (NR_CPUS) is 8192 and less. */
#define CPU_MAX 65536

#define FOLDER "sys/devices/system/cpu/"

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t
larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* --- lists of processors: "0-3,8,10-11" ----------------------------------------------
 */

/* Take the next range from `*list`; false at its end, or where it makes no sense. */
static bool
list_next(const char **list, size_t *ret_first, size_t *ret_last)
{
    char *end;
    unsigned long first = strtoul(*list, &end, 10), last = first;

    if (end == *list) {
        return false;
    }
    if (*end == '-') {
        last = strtoul(end + 1, &end, 10);
    }
    *list = *end == ',' ? end + 1 : end;
    *ret_first = first;
    *ret_last = last;
    return first <= last && last < CPU_MAX;
}

static size_t
list_count(const char *list)
{
    size_t n = 0, first, last;

    while (list_next(&list, &first, &last)) {
        n += last - first + 1;
    }
    return n;
}

static bool
list_has(const char *list, size_t cpu)
{
    size_t first, last;

    while (list_next(&list, &first, &last)) {
        if (cpu >= first && cpu <= last) {
            return true;
        }
    }
    return false;
}

/* --- what limits this process --------------------------------------------------------
 */

/* The C library's opinion. */
static size_t
configured(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (size_t)n : 1;
}

static int
count_online(int root_fd, size_t *ret_n)
{
    AUTO(mem_free_p) char *list = NULL;
    int r = text_file_load(root_fd, FOLDER "online", &list);
    size_t n = r == 0 ? list_count(list) : 0;

    if (r == -ENOMEM) {
        return r;
    }
    *ret_n = n > 0 ? n : configured();
    return 0;
}

/* 0 in `*ret_n`: not known. */
static int
count_affinity(size_t *ret_n)
{
    for (int n_cpus = 1024; n_cpus <= CPU_MAX; n_cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)n_cpus);
        size_t size = CPU_ALLOC_SIZE((size_t)n_cpus);
        int r;

        if (!set) {
            return -ENOMEM;
        }
        r = sched_getaffinity(0, size, set) < 0 ? -errno : 0;
        *ret_n = r == 0 ? (size_t)CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (r != -EINVAL) { /* EINVAL: the set is too small */
            break;
        }
    }
    return 0;
}

static bool
read_number(int folder_fd, const char *name, long long *ret_number)
{
    char text[64], *end;

    if (text_file_read(folder_fd, name, text, sizeof(text)) < 0) {
        return false;
    }
    *ret_number = strtoll(text, &end, 10);
    return end != text;
}

/* Time that a group may use in each period; false: as much as it likes. */
static bool
read_quota(bool is_v2, int folder_fd, long long *ret_quota, long long *ret_period)
{
    char text[64];

    if (!is_v2) {
        return read_number(folder_fd, "cpu.cfs_quota_us", ret_quota) &&
               read_number(folder_fd, "cpu.cfs_period_us", ret_period);
    }
    return text_file_read(folder_fd, "cpu.max", text, sizeof(text)) == 0 &&
           sscanf(text, "%lld %lld", ret_quota, ret_period) == 2;
}

static int
look_at_group(void *context, bool is_v2, int folder_fd)
{
    size_t *least = context;
    long long quota, period;
    size_t n;

    if (read_quota(is_v2, folder_fd, &quota, &period) && quota > 0 && period > 0) {
        n = (size_t)((quota - 1) / period + 1);
        *least = *least > 0 ? smaller(*least, n) : n;
    }
    return 0;
}

int
cj_cpu_look(const char *root, struct cj_cpu *ret_cpu)
{
    AUTO(close_p) int root_fd = -1;
    struct cj_cpu cpu = {1, 0, 0};
    int r = folder_open_path(root ? root : "/", &root_fd);

    if (r == 0) {
        r = count_online(root_fd, &cpu.n_online);
    }
    if (r == 0) {
        r = count_affinity(&cpu.n_affinity);
    }
    if (r == 0) {
        r = cgroup_each(root_fd, "cpu", look_at_group, &cpu.n_quota);
    }
    if (r < 0) {
        return r;
    }
    if (cpu.n_affinity == 0) {
        cpu.n_affinity = cpu.n_online;
    }
    *ret_cpu = cpu;
    return 0;
}

/* What a variable asks for; SIZE_MAX: nothing. */
static size_t
asked_by(const char *variable)
{
    const char *text = getenv(variable);
    char *end = NULL;
    long long n = text ? strtoll(text, &end, 10) : 0;

    if (!text || end == text) {
        return SIZE_MAX;
    }
    return n > 0 ? (size_t)n : 1;
}

size_t
cj_cpu_count(void)
{
    struct cj_cpu cpu;
    size_t n =
        smaller(asked_by("CJOBLIB_MAX_CPU_COUNT"), asked_by("LOKY_MAX_CPU_COUNT"));

    if (cj_cpu_look(NULL, &cpu) < 0) {
        cpu = (struct cj_cpu){configured(), SIZE_MAX, 0};
    }
    n = smaller(smaller(n, cpu.n_online), cpu.n_affinity);
    return larger(cpu.n_quota > 0 ? smaller(n, cpu.n_quota) : n, 1);
}

/* --- physical cores ------------------------------------------------------------------
 */

/* Whether a processor is the first on line of those that share its core. */
static int
is_first_of_core(int root_fd, const char *online, size_t cpu, bool *ret_is_first)
{
    AUTO(mem_free_p) char *sharers = NULL;
    const char *rest;
    char name[96];
    size_t first, last;
    int r;

    (void)snprintf(name, sizeof(name), FOLDER "cpu%zu/topology/core_cpus_list", cpu);
    r = text_file_load(root_fd, name, &sharers);
    if (r == -ENOENT) { /* the name before Linux 5.3 */
        (void)snprintf(name, sizeof(name),
                       FOLDER "cpu%zu/topology/thread_siblings_list", cpu);
        r = text_file_load(root_fd, name, &sharers);
    }
    if (r < 0) {
        return r;
    }
    *ret_is_first = true;
    rest = sharers;
    while (list_next(&rest, &first, &last)) {
        for (size_t other = first; other <= last && other < cpu; other++) {
            *ret_is_first &= !list_has(online, other);
        }
    }
    return 0;
}

int
cj_cpu_count_cores(const char *root, size_t *ret_n_cores)
{
    AUTO(close_p) int root_fd = -1;
    AUTO(mem_free_p) char *online = NULL;
    const char *rest;
    size_t n_cores = 0, first, last;
    int r = folder_open_path(root ? root : "/", &root_fd);

    if (r < 0) {
        return r;
    }
    r = text_file_load(root_fd, FOLDER "online", &online);
    rest = online;
    while (r == 0 && list_next(&rest, &first, &last)) {
        for (size_t cpu = first; r == 0 && cpu <= last; cpu++) {
            bool is_first = false;

            r = is_first_of_core(root_fd, online, cpu, &is_first);
            n_cores += is_first;
        }
    }
    if (r == -ENOMEM) {
        return r;
    }
    if (r < 0 || n_cores == 0) {
        return -ENODATA;
    }
    *ret_n_cores = n_cores;
    return 0;
}
