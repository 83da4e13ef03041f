/* How many processors this process may use: for the number of workers or threads.
 *
 *      n_workers = cj_cpu_count();
 *
 * It is the least of
 *
 *      the processors that are on line                   (/sys/devices/system/cpu)
 *      those that the calling thread may run on          sched_getaffinity(2)
 *      the share of its control group, and of every one above that, rounded up
 *          (cpu.max of version 2, cpu.cfs_quota_us of version 1)
 *      the variables CJOBLIB_MAX_CPU_COUNT and LOKY_MAX_CPU_COUNT, when they are set
 *
 * and at least 1. Limits may change while a program runs, so each call looks anew; it
 * reads a few small files of the kernel (some 50 microseconds) and starts no process.
 *
 * Where a root is asked for, it is the folder below which /proc and /sys are looked
 * for; NULL: "/".
 *
 * Threads: any number at a time. cj_cpu_count() reads the environment, so nobody may
 * change that meanwhile, as with getenv(3).
 */

#ifndef CJ_CPU_H
#define CJ_CPU_H

#include <cjoblib/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cj_cpu {
    size_t n_online;   /* processors on line in the system, at least 1 */
    size_t n_affinity; /* of them, for the calling thread; at least 1 */
    size_t n_quota;    /* the smallest share, rounded up; 0: there is no limit */
};

/* The system's own limits. What can't be read limits nothing. -ENOMEM; -ENOENT,
 * -EACCES, -ENOTDIR...: the root can't be opened. */
CJ_API CJ_MUST_CHECK int cj_cpu_look(const char *root, struct cj_cpu *ret_cpu);

/* The least of all limits, those of the environment included (a number below 1 counts
 * as 1, what is no number is passed over); at least 1. */
CJ_API size_t cj_cpu_count(void);

/* The system's physical cores that are on line: processors that share one (hardware
 * threads) count once. No limit is looked at. -ENODATA: the kernel does not say;
 * -ENOMEM; or the root can't be opened. */
CJ_API CJ_MUST_CHECK int cj_cpu_count_cores(const char *root, size_t *ret_n_cores);

#ifdef __cplusplus
}
#endif

#endif
