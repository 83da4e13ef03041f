/* Each case is a system: the files that its kernel would show, below a folder of our
 * own, and what must be found there. The affinity alone is this process's. */

#include <cjoblib/cpu.h>
#include <sched.h>

#include "store_help.h"

#define CPU "sys/devices/system/cpu/"
#define V1 "/sys/fs/cgroup/cpu"

struct system_file {
    const char *path;
    const char *text;
};

#define MAX_FILES 12

struct system {
    const char *name;
    struct system_file files[MAX_FILES];
    size_t n_online; /* 0: not looked at */
    size_t n_quota;
};

static const char v2_mount[] =
    "30 23 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
static const char v1_mount[] =
    "22 1 8:1 / / rw - ext4 /dev/root rw\n"
    "31 23 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 23 0:29 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n";

static const struct system systems[] = {
    {"nothing at all", {{"sys/empty", ""}}, 0, 0},
    {"ranges", {{CPU "online", "0-3,8,10-11\n"}}, 7, 0},
    {"version 2, none",
     {{"proc/self/cgroup", "0::/\n"},
      {"proc/self/mountinfo", v2_mount},
      {"sys/fs/cgroup/cpu.max", "max 100000\n"}},
     0,
     0},
    {"version 2, rounded up",
     {{"proc/self/cgroup", "0::/job\n"},
      {"proc/self/mountinfo", v2_mount},
      {"sys/fs/cgroup/job/cpu.max", "150000 100000\n"}},
     0,
     2},
    {"version 2, a part of one",
     {{"proc/self/cgroup", "0::/job\n"},
      {"proc/self/mountinfo", v2_mount},
      {"sys/fs/cgroup/job/cpu.max", "1000 100000\n"}},
     0,
     1},
    {"version 2, a parent is tighter",
     {{"proc/self/cgroup", "0::/slice/user/job\n"},
      {"proc/self/mountinfo", v2_mount},
      {"sys/fs/cgroup/slice/cpu.max", "300000 100000\n"},
      {"sys/fs/cgroup/slice/user/cpu.max", "max 100000\n"},
      {"sys/fs/cgroup/slice/user/job/cpu.max", "500000 100000\n"}},
     0,
     3},
    {"version 2, the group itself has no such file",
     {{"proc/self/cgroup", "0::/slice/job\n"},
      {"proc/self/mountinfo", v2_mount},
      {"sys/fs/cgroup/slice/cpu.max", "200000 50000\n"},
      {"sys/fs/cgroup/slice/job/cgroup.procs", ""}},
     0,
     4},
    {"version 2, a neighbour's limit is none of ours",
     {{"proc/self/cgroup", "0::/a/b\n"},
      {"proc/self/mountinfo", v2_mount},
      {"sys/fs/cgroup/a/c/cpu.max", "100000 100000\n"},
      {"sys/fs/cgroup/a/b/c/cpu.max", "100000 100000\n"},
      {"sys/fs/cgroup/a/bb/cpu.max", "100000 100000\n"},
      {"sys/fs/cgroup/a/b/cpu.max", "700000 100000\n"}},
     0,
     7},
    {"version 2, the group that is mounted is ours",
     {{"proc/self/cgroup", "0::/docker/c1/job\n"},
      {"proc/self/mountinfo",
       "1 2 0:27 /docker/c1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
      {"sys/fs/cgroup/job/cpu.max", "900000 100000\n"},
      {"sys/fs/cgroup/docker/c1/job/cpu.max", "100000 100000\n"},
      {"sys/fs/cgroup/cpu.max", "600000 100000\n"}},
     0,
     6},
    {"version 2, another container's group is mounted too",
     {{"proc/self/cgroup", "0::/docker/c1\n"},
      {"proc/self/mountinfo",
       "1 2 0:27 /docker/c10 /other rw - cgroup2 cgroup2 rw\n"
       "1 2 0:27 /docker/c1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
      {"other/cpu.max", "100000 100000\n"},
      {"sys/fs/cgroup/cpu.max", "400000 100000\n"}},
     0,
     4},
    {"version 2, a blank in the mount's path",
     {{"proc/self/cgroup", "0::/job\n"},
      {"proc/self/mountinfo", "1 2 0:27 / /my\\040groups rw - cgroup2 none rw\n"},
      {"my groups/job/cpu.max", "200000 100000\n"}},
     0,
     2},
    {"version 1",
     {{"proc/self/cgroup", "4:memory:/m\n3:cpu,cpuacct:/job\n0::/\n"},
      {"proc/self/mountinfo", v1_mount},
      {V1 "/job/cpu.cfs_quota_us", "250000\n"},
      {V1 "/job/cpu.cfs_period_us", "100000\n"}},
     0,
     3},
    {"version 1, none",
     {{"proc/self/cgroup", "3:cpu:/job\n"},
      {"proc/self/mountinfo", v1_mount},
      {V1 "/job/cpu.cfs_quota_us", "-1\n"},
      {V1 "/job/cpu.cfs_period_us", "100000\n"}},
     0,
     0},
    {"version 1, a parent is tighter",
     {{"proc/self/cgroup", "3:cpu:/slice/job\n"},
      {"proc/self/mountinfo", v1_mount},
      {V1 "/slice/job/cpu.cfs_quota_us", "800000\n"},
      {V1 "/slice/job/cpu.cfs_period_us", "100000\n"},
      {V1 "/slice/cpu.cfs_quota_us", "50000\n"},
      {V1 "/slice/cpu.cfs_period_us", "10000\n"}},
     0,
     5},
    {"both versions, the tighter counts",
     {{"proc/self/cgroup", "3:cpu:/job\n0::/unit\n"},
      {"proc/self/mountinfo",
       "32 23 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
       "33 23 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"},
      {V1 "/job/cpu.cfs_quota_us", "800000\n"},
      {V1 "/job/cpu.cfs_period_us", "100000\n"},
      {"sys/fs/cgroup/unified/unit/cpu.max", "300000 100000\n"}},
     0,
     3},
    {"cpuset is not cpu",
     {{"proc/self/cgroup", "3:cpuset:/job\n"},
      {"proc/self/mountinfo",
       "32 23 0:29 / /sys/fs/cgroup/cpuset rw - cgroup none rw,cpuset\n"},
      {"sys/fs/cgroup/cpuset/job/cpu.cfs_quota_us", "100000\n"},
      {"sys/fs/cgroup/cpuset/job/cpu.cfs_period_us", "100000\n"}},
     0,
     0},
    {"no proc, version 2", {{"sys/fs/cgroup/cpu.max", "200000 100000\n"}}, 0, 2},
    {"no proc, version 1",
     {{V1 "/cpu.cfs_quota_us", "400000\n"}, {V1 "/cpu.cfs_period_us", "100000\n"}},
     0,
     4},
    {"nonsense",
     {{"proc/self/cgroup", "x\n::\n0:/\n0::/job\n"},
      {"proc/self/mountinfo", "\n - \n1 2 3\n- - - - - - -\n"
                              "1 2 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
      {"sys/fs/cgroup/cpu.max", "0 0\n"},
      {"sys/fs/cgroup/job/cpu.max", "soon later\n"},
      {CPU "online", "7-3,,-\n"}},
     0,
     0},
    {"a group above what is seen",
     {{"proc/self/cgroup", "0::/../../etc\n"},
      {"proc/self/mountinfo", v2_mount},
      {"sys/etc/cpu.max", "100000 100000\n"}},
     0,
     0},
};

struct core_case {
    const char *name;
    struct system_file files[MAX_FILES];
    int result;
    size_t n_cores;
};

static const struct core_case cores[] = {
    {"two threads each",
     {{CPU "online", "0-3\n"},
      {CPU "cpu0/topology/core_cpus_list", "0,2\n"},
      {CPU "cpu1/topology/core_cpus_list", "1,3\n"},
      {CPU "cpu2/topology/core_cpus_list", "0,2\n"},
      {CPU "cpu3/topology/core_cpus_list", "1,3\n"}},
     0,
     2},
    {"an old kernel",
     {{CPU "online", "0-2\n"},
      {CPU "cpu0/topology/thread_siblings_list", "0-1\n"},
      {CPU "cpu1/topology/thread_siblings_list", "0-1\n"},
      {CPU "cpu2/topology/thread_siblings_list", "2\n"}},
     0,
     2},
    {"the first thread is off",
     {{CPU "online", "1,3\n"},
      {CPU "cpu1/topology/core_cpus_list", "0-1\n"},
      {CPU "cpu3/topology/core_cpus_list", "2-3\n"}},
     0,
     2},
    {"not told", {{CPU "online", "0-1\n"}}, -ENODATA, 0},
    {"nothing", {{"sys/empty", ""}}, -ENODATA, 0},
};

/* Make the files below a new folder, whose path the caller frees. */
static char *
make_system(const struct system_file *files)
{
    static int n_systems;
    char name[32], command[1024];
    char *root;

    snprintf(name, sizeof(name), "system%d", n_systems++);
    root = help_path(name);
    for (size_t i = 0; i < MAX_FILES && files[i].path; i++) {
        char *path;

        REQUIRE(asprintf(&path, "%s/%s", root, files[i].path) > 0);
        snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\"", path);
        REQUIRE(system(command) == 0);
        help_write(path, files[i].text, strlen(files[i].text));
        free(path);
    }
    return root;
}

static void
test_limits(void)
{
    for (size_t i = 0; i < sizeof(systems) / sizeof(systems[0]); i++) {
        const struct system *system = &systems[i];
        char *root = make_system(system->files);
        struct cj_cpu cpu;
        cpu_set_t set;

        REQUIRE(sched_getaffinity(0, sizeof(set), &set) == 0);
        REQUIRE(cj_cpu_look(root, &cpu) == 0);
        if (cpu.n_quota != system->n_quota) {
            printf("%s: %zu\n", system->name, cpu.n_quota);
        }
        CHECK(cpu.n_quota == system->n_quota);
        CHECK(system->n_online ? cpu.n_online == system->n_online : cpu.n_online >= 1);
        CHECK(cpu.n_affinity == (size_t)CPU_COUNT(&set));
        free(root);
    }
}

static void
test_cores(void)
{
    for (size_t i = 0; i < sizeof(cores) / sizeof(cores[0]); i++) {
        char *root = make_system(cores[i].files);
        size_t n_cores = 0;

        if (cj_cpu_count_cores(root, &n_cores) != cores[i].result ||
            n_cores != cores[i].n_cores) {
            printf("%s: %zu\n", cores[i].name, n_cores);
            CHECK(false);
        }
        free(root);
    }
}

static void
test_a_long_mount_table(void)
{
    char *root = make_system((struct system_file[MAX_FILES]){
        {"proc/self/cgroup", "0::/job\n"},
        {"sys/fs/cgroup/job/cpu.max", "300000 100000\n"}});
    char *path;
    FILE *file;
    struct cj_cpu cpu;

    REQUIRE(asprintf(&path, "%s/proc/self/mountinfo", root) > 0);
    file = fopen(path, "w");
    REQUIRE(file);
    for (int i = 0; i < 5000; i++) {
        fprintf(file, "%d 1 0:%d / /var/lib/layer/%d rw - overlay overlay rw\n", i, i,
                i);
    }
    fputs(v2_mount, file);
    fclose(file);
    REQUIRE(cj_cpu_look(root, &cpu) == 0);
    CHECK(cpu.n_quota == 3);
    free(path);
    free(root);
}

static void
test_a_root_that_is_not_there(void)
{
    char *root = help_path("nowhere");
    struct cj_cpu cpu = {11, 12, 13};
    size_t n_cores = 14;

    CHECK(cj_cpu_look(root, &cpu) == -ENOENT);
    CHECK(cpu.n_online == 11 && cpu.n_affinity == 12 && cpu.n_quota == 13);
    CHECK(cj_cpu_count_cores(root, &n_cores) == -ENOENT);
    CHECK(n_cores == 14);
    free(root);
}

static void
test_variables(void)
{
    size_t unasked;

    unsetenv("CJOBLIB_MAX_CPU_COUNT");
    unsetenv("LOKY_MAX_CPU_COUNT");
    unasked = cj_cpu_count();
    CHECK(unasked >= 1);
    setenv("LOKY_MAX_CPU_COUNT", "1", 1);
    CHECK(cj_cpu_count() == 1);
    setenv("LOKY_MAX_CPU_COUNT", "100000", 1);
    CHECK(cj_cpu_count() == unasked);
    setenv("CJOBLIB_MAX_CPU_COUNT", "-4", 1);
    CHECK(cj_cpu_count() == 1);
    setenv("CJOBLIB_MAX_CPU_COUNT", "many", 1);
    CHECK(cj_cpu_count() == unasked);
}

static void
test_affinity(void)
{
    cpu_set_t all, one;
    struct cj_cpu cpu;
    int first = 0;

    REQUIRE(sched_getaffinity(0, sizeof(all), &all) == 0);
    while (!CPU_ISSET(first, &all)) {
        first++;
    }
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
    CHECK(cj_cpu_look(NULL, &cpu) == 0);
    CHECK(cpu.n_affinity == 1);
    CHECK(cj_cpu_count() == 1);
    REQUIRE(sched_setaffinity(0, sizeof(all), &all) == 0);
}

static void
test_nothing_stays_open(void)
{
    size_t n_before = help_count_fds(), n_cores;
    struct cj_cpu cpu;

    for (int i = 0; i < 10; i++) {
        CHECK(cj_cpu_look(NULL, &cpu) == 0);
        CHECK(cj_cpu_count_cores(NULL, &n_cores) != -ENOMEM);
    }
    CHECK(help_count_fds() == n_before);
}

TESTS(TEST(test_limits), TEST(test_cores), TEST(test_a_long_mount_table),
      TEST(test_a_root_that_is_not_there), TEST(test_variables), TEST(test_affinity),
      TEST(test_nothing_stays_open))
