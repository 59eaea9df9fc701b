/* One attribute of a process, named by the variant, changed from what it was: it has to stay so. */
#include "program.h"
#include <asm/prctl.h>
#include <linux/ioprio.h>
#include <linux/prctl.h>
#include <sys/resource.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65	/* linux/prctl.h */
#define PR_GET_MDWE 66
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67	/* linux/prctl.h */
#define PR_GET_MEMORY_MERGE 68
#endif

static long proc_number(const char *path)
{
	char text[64];

	read_file(path, text, sizeof(text));
	return strtol(text, NULL, 0);
}

static void write_number(const char *path, const char *number)
{
	int fd = open(path, O_WRONLY);

	NEED(fd >= 0 && write(fd, number, strlen(number)) > 0 && close(fd) == 0);
}

static long get_subreaper(void)
{
	int value;

	NEED(prctl(PR_GET_CHILD_SUBREAPER, &value) == 0);
	return value;
}

static long get_pdeathsig(void)
{
	int value;

	NEED(prctl(PR_GET_PDEATHSIG, &value) == 0);
	return value;
}

static long get_tsc(void)
{
	int value;

	NEED(prctl(PR_GET_TSC, &value) == 0);
	return value;
}

static long get_affinity(void)
{
	unsigned long mask[16] = { 0 };

	NEED(syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask) > 0);
	return (long)mask[0];
}

static long set_affinity(void)
{
	unsigned long mask = (unsigned long)get_affinity();

	if (!(mask & (mask - 1)))
		skip("there is only one CPU");
	mask &= mask - 1;
	return syscall(SYS_sched_setaffinity, 0, sizeof(mask), &mask);
}

static long get_rlimit(void)
{
	struct rlimit limit;

	NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	return (long)(limit.rlim_cur * 1000000 + limit.rlim_max);
}

static long set_rlimit(void)
{
	struct rlimit limit = { 111, 222 };

	return setrlimit(RLIMIT_NOFILE, &limit);
}

static long set_policy(int policy, int priority)
{
	struct sched_param param = { priority };

	return sched_setscheduler(0, policy, &param);
}

static long get_policy(void)
{
	struct sched_param param;

	NEED(sched_getparam(0, &param) == 0);
	return sched_getscheduler(0) * 1000L + param.sched_priority;
}

static long set_no_new_privs(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
static long get_no_new_privs(void) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }
static long set_dumpable(void) { return prctl(PR_SET_DUMPABLE, 0); }
static long get_dumpable(void) { return prctl(PR_GET_DUMPABLE); }
static long set_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1); }
static long set_pdeathsig(void) { return prctl(PR_SET_PDEATHSIG, SIGUSR2); }
static long set_thp(void) { return prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); }
static long get_thp(void) { return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0); }
static long set_slack(void) { return prctl(PR_SET_TIMERSLACK, 123456); }
static long get_slack(void) { return prctl(PR_GET_TIMERSLACK); }
static long set_tsc(void) { return prctl(PR_SET_TSC, PR_TSC_SIGSEGV); }
static long set_mce(void) { return prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0); }
static long get_mce(void) { return prctl(PR_MCE_KILL_GET, 0, 0, 0, 0); }
static long set_flusher(void) { return prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0); }
static long get_flusher(void) { return prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0); }
static long set_mdwe(void) { return prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); }
static long get_mdwe(void) { return prctl(PR_GET_MDWE, 0, 0, 0, 0); }
static long set_cpuid(void) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0); }
static long get_cpuid(void) { return syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0); }
static long set_oom(void) { write_number("/proc/self/oom_score_adj", "321"); return 0; }
static long get_oom(void) { return proc_number("/proc/self/oom_score_adj"); }
static long set_filter(void) { write_number("/proc/self/coredump_filter", "0x7"); return 0; }
static long get_filter(void)
{
	char text[64];

	read_file("/proc/self/coredump_filter", text, sizeof(text));
	return strtol(text, NULL, 16);
}
static long set_nice(void) { return setpriority(PRIO_PROCESS, 0, 7); }
static long get_nice(void) { return getpriority(PRIO_PROCESS, 0); }
static long set_ioprio(void) { return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6)); }
static long get_ioprio(void) { return syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0); }
static long set_fifo(void) { return set_policy(SCHED_FIFO, 1); }
static long set_batch(void) { return set_policy(SCHED_BATCH, 0); }
static long set_reset_on_fork(void) { return set_policy(SCHED_OTHER | SCHED_RESET_ON_FORK, 0); }

/* PR_THP_DISABLE_EXCEPT_ADVISED, Linux 6.18 */
static long set_thp_but_advised(void) { return prctl(PR_SET_THP_DISABLE, 1, 2, 0, 0); }
static long set_merge(void) { return prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0); }
/* linux/membarrier.h: REGISTER_PRIVATE_EXPEDITED, GET_REGISTRATIONS (Linux 6.3) */
static long set_membarrier(void) { return syscall(SYS_membarrier, 1 << 4, 0, 0); }
static long get_membarrier(void) { return syscall(SYS_membarrier, 1 << 9, 0, 0); }
static long get_merge(void) { return prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0); }

static const struct {
	const char *name;
	long (*set)(void), (*get)(void);
} attributes[] = {
	{ "no_new_privs", set_no_new_privs, get_no_new_privs },
	{ "dumpable", set_dumpable, get_dumpable },
	{ "subreaper", set_subreaper, get_subreaper },
	{ "pdeathsig", set_pdeathsig, get_pdeathsig },
	{ "thp_disable", set_thp, get_thp },
	{ "thp_but_advised", set_thp_but_advised, get_thp },
	{ "timerslack", set_slack, get_slack },
	{ "tsc", set_tsc, get_tsc },
	{ "cpuid", set_cpuid, get_cpuid },
	{ "mce_kill", set_mce, get_mce },
	{ "io_flusher", set_flusher, get_flusher },
	{ "mdwe", set_mdwe, get_mdwe },
	{ "memory_merge", set_merge, get_merge },
	{ "membarrier", set_membarrier, get_membarrier },
	{ "oom_score_adj", set_oom, get_oom },
	{ "coredump_filter", set_filter, get_filter },
	{ "nice", set_nice, get_nice },
	{ "ioprio", set_ioprio, get_ioprio },
	{ "sched_fifo", set_fifo, get_policy },
	{ "sched_batch", set_batch, get_policy },
	{ "reset_on_fork", set_reset_on_fork, get_policy },
	{ "affinity", set_affinity, get_affinity },
	{ "rlimit", set_rlimit, get_rlimit },
};

static long change(size_t i)
{
	long before = attributes[i].get(), changed;

	if (attributes[i].set() < 0) {
		if (errno == EINVAL || errno == ENODEV || errno == EPERM)
			skip("this machine has no such attribute, or does not let us set it");
		NEED(!"set");
	}
	changed = attributes[i].get();
	NEED(changed != before);
	return changed;
}

static void live(void *argument)
{
	size_t i = *(size_t *)argument;
	long changed = change(i);

	child_is_ready();
	wait_until_told();
	CHECK(attributes[i].name, changed, attributes[i].get());
}

/* "pdeathsig" is that of a child: the root's own parent is not in the tree. */
int main(int argc, char **argv)
{
	size_t i = 0;
	pid_t pid = 0;
	long changed;

	begin(argc, argv);
	while (i < COUNT(attributes) && strcmp(attributes[i].name, variant(argc, argv)))
		i++;
	NEED(i < COUNT(attributes));
	if (attributes[i].set == set_pdeathsig)
		pid = spawn(live, &i);
	changed = pid ? attributes[i].get() : change(i);

	ready();
	wait_until_told();

	CHECK(attributes[i].name, changed, attributes[i].get());
	if (pid)
		expect_exit("child", pid, 0);
	return verdict();
}
