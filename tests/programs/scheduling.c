/*
 * Threads that are each scheduled in another way, and what a session and a process have of it:
 * "user" has what anybody may set, "root" what takes CAP_SYS_NICE.
 */
#include "program.h"
#include <linux/ioprio.h>
#include <sys/resource.h>

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6	/* linux/sched.h */
#endif

/* struct sched_attr, linux/sched/types.h */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

struct way {
	const char *name;
	struct attributes set;
	int nice;		/* before that: what a real-time task has from before */
	int io_priority;
	unsigned long slack;
	bool one_cpu;
};

#define US 1000ull
static const struct way user_ways[] = {
	{ .name = "nice", .set = { .policy = SCHED_OTHER, .nice = 7 } },
	{ .name = "batch", .set = { .policy = SCHED_BATCH, .nice = 3 }, .slack = 123456 },
	{ .name = "idle", .set = { .policy = SCHED_IDLE }, .nice = 4 },
	{ .name = "slice", .set = { .policy = SCHED_OTHER, .nice = 1, .runtime = 3100 * US } },
	{ .name = "batch slice", .set = { .policy = SCHED_BATCH, .runtime = 300 * US } },
	{ .name = "reset on fork", .set = { .policy = SCHED_OTHER, .flags = 1, .nice = 2 } },
	{ .name = "one CPU", .one_cpu = true },
	{ .name = "best effort", .io_priority = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6) },
	{ .name = "idle I/O", .io_priority = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0), .slack = 1 },
	{ .name = "nothing" },
};

static const struct way root_ways[] = {
	{ .name = "urgent", .set = { .policy = SCHED_OTHER, .nice = -11 } },
	{ .name = "fifo", .set = { .policy = SCHED_FIFO, .priority = 3 }, .one_cpu = true },
	{ .name = "fifo of a nice task", .set = { .policy = SCHED_FIFO, .priority = 99 }, .nice = 6 },
	{ .name = "rr", .set = { .policy = SCHED_RR, .priority = 20, .flags = 1 } },
	{ .name = "deadline", .set = { .policy = SCHED_DEADLINE, .runtime = 2000 * US,
				       .deadline = 20000 * US, .period = 30000 * US } },
	{ .name = "deadline with flags", .nice = 5,
	  .set = { .policy = SCHED_DEADLINE, .flags = 7, .runtime = 1000 * US,
		   .deadline = 20000 * US, .period = 20000 * US } },
	{ .name = "real-time I/O", .io_priority = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_RT, 2) },
	{ .name = "nothing" },
};

struct seen {
	struct attributes attributes;
	int nice;
	int io_priority;
	long slack;
	cpu_set_t cpus;
};

static pthread_barrier_t built, go;

static void look(struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	NEED(syscall(SYS_sched_getattr, 0, &seen->attributes, sizeof(seen->attributes), 0) == 0);
	errno = 0;
	seen->nice = getpriority(PRIO_PROCESS, 0);
	NEED(errno == 0);
	seen->io_priority = (int)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
	seen->slack = prctl(PR_GET_TIMERSLACK);
	NEED(sched_getaffinity(0, sizeof(seen->cpus), &seen->cpus) == 0);
}

static void set(const struct way *way)
{
	struct attributes want = way->set;

	want.size = sizeof(want);
	if (way->nice)
		NEED(setpriority(PRIO_PROCESS, 0, way->nice) == 0);
	if (way->one_cpu) {
		cpu_set_t all, one;
		int cpu = CPU_SETSIZE - 1;

		NEED(sched_getaffinity(0, sizeof(all), &all) == 0);
		while (!CPU_ISSET(cpu, &all))
			cpu--;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		NEED(sched_setaffinity(0, sizeof(one), &one) == 0);
	}
	if (way->io_priority)
		NEED(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, way->io_priority) == 0);
	if (way->slack)
		NEED(prctl(PR_SET_TIMERSLACK, way->slack) == 0);
	if (want.policy || want.flags || want.nice || want.runtime)
		NEED(syscall(SYS_sched_setattr, 0, &want, 0) == 0);
}

static void compare(const char *name, const struct seen *was, const struct seen *is)
{
	const struct attributes *a = &was->attributes, *b = &is->attributes;
	char what[200];

#define SAME(field, x, y) (snprintf(what, sizeof(what), "%s: %s", name, field), CHECK(what, x, y))
	SAME("policy", a->policy, b->policy);
	SAME("flags", a->flags, b->flags);
	SAME("nice of its attributes", a->nice, b->nice);
	SAME("priority", a->priority, b->priority);
	SAME("runtime", a->runtime, b->runtime);
	SAME("deadline", a->deadline, b->deadline);
	SAME("period", a->period, b->period);
	SAME("least utilization", a->util_min, b->util_min);
	SAME("most utilization", a->util_max, b->util_max);
	SAME("nice", was->nice, is->nice);
	SAME("I/O priority", was->io_priority, is->io_priority);
	SAME("timer slack", was->slack, is->slack);
	SAME("number of CPUs", CPU_COUNT(&was->cpus), CPU_COUNT(&is->cpus));
	SAME("CPUs", 1, CPU_EQUAL(&was->cpus, &is->cpus));
}

/* What is not to be seen: whose scheduling a child has, and what comes after real time. */
static void try(const struct way *way, const struct seen *was)
{
	char what[200];
	struct attributes plain = { .size = sizeof(plain), .policy = SCHED_OTHER };
	struct seen child;
	pid_t pid;

	plain.nice = was->nice;
	if (way->set.policy != SCHED_DEADLINE || way->set.flags & 1) {
		pid = fork();
		NEED(pid >= 0);
		if (pid == 0) {
			look(&child);
			if (way->set.flags & 1) {
				CHECK("child's policy after a reset", way->set.policy == SCHED_BATCH ? SCHED_BATCH : SCHED_OTHER,
				      child.attributes.policy);
				CHECK("child's flags after a reset", 0, child.attributes.flags);
			} else {
				CHECK("child's policy", way->set.policy, child.attributes.policy);
				CHECK("child's priority", way->set.priority, child.attributes.priority);
			}
			_exit(failures ? 1 : 0);
		}
		snprintf(what, sizeof(what), "%s: child", way->name);
		expect_exit(what, pid, 0);
	}
	if (way->set.policy != SCHED_FIFO && way->set.policy != SCHED_RR && way->set.policy != SCHED_DEADLINE)
		return;
	NEED(syscall(SYS_sched_setattr, 0, &plain, 0) == 0);
	snprintf(what, sizeof(what), "%s: timer slack after real time", way->name);
	CHECK(what, 50000, prctl(PR_GET_TIMERSLACK));
}

static void *live(void *argument)
{
	const struct way *way = argument;
	struct seen was, is;

	set(way);
	look(&was);
	pthread_barrier_wait(&built);
	pthread_barrier_wait(&go);
	look(&is);
	compare(way->name, &was, &is);
	try(way, &was);
	return NULL;
}

static int number_in(const char *path, const char *after)
{
	char text[200];
	char *at;

	read_file(path, text, sizeof(text));
	at = strstr(text, after);
	NEED(at);
	return atoi(at + strlen(after));
}

/* Without CAP_SYS_ADMIN the kernel takes ten a second from all users together. */
static void set_session_nice(const char *nice)
{
	int fd = open("/proc/self/autogroup", O_WRONLY);

	if (fd < 0)
		return;
	while (write(fd, nice, strlen(nice)) < 0) {
		NEED(errno == EAGAIN);
		sleep_ms(20);
	}
	close(fd);
}

/* A session of its own, which is nice as a whole. */
static void lead(void *argument)
{
	const char *nice = argument;
	int was;

	NEED(setsid() > 0);
	set_session_nice(nice);
	write_file("/proc/self/oom_score_adj", "321", 3);
	NEED(setpriority(PRIO_PROCESS, 0, 9) == 0);
	was = access("/proc/self/autogroup", F_OK) == 0;
	child_is_ready();
	wait_until_told();
	CHECK("nice of a child", 9, getpriority(PRIO_PROCESS, 0));
	CHECK("OOM score", 321, number_in("/proc/self/oom_score_adj", ""));
	if (was)
		CHECK("nice of the session", atoi(nice), number_in("/proc/self/autogroup", "nice "));
}

int main(int argc, char **argv)
{
	bool root = !strcmp(variant(argc, argv), "root");
	const struct way *ways = root ? root_ways : user_ways;
	size_t count = root ? COUNT(root_ways) : COUNT(user_ways);
	pthread_t threads[COUNT(user_ways) + COUNT(root_ways)];
	struct seen was, is;
	pid_t leader;

	begin(argc, argv);
	leader = spawn(lead, root ? "-3" : "8");
	NEED(pthread_barrier_init(&built, NULL, (unsigned)count + 1) == 0);
	NEED(pthread_barrier_init(&go, NULL, (unsigned)count + 1) == 0);
	for (size_t i = 0; i < count; i++)
		NEED(pthread_create(&threads[i], NULL, live, (void *)&ways[i]) == 0);
	pthread_barrier_wait(&built);
	look(&was);

	ready();
	wait_until_told();

	look(&is);
	compare("first thread", &was, &is);
	pthread_barrier_wait(&go);
	for (size_t i = 0; i < count; i++)
		NEED(pthread_join(threads[i], NULL) == 0);
	expect_exit("leader of a session", leader, 0);
	return verdict();
}
