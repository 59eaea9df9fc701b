/*
 * Clocks that never stand still: all of them are looked at all the time, by the vDSO and by system
 * calls, and a thread sleeps until a point of the monotonic clock. At the end it is printed how long
 * that was by each of them: "passed REAL MONOTONIC BOOT" in ms. Variant "namespace": in a time namespace, a day ahead.
 */
#include "program.h"

#define S 1000000000LL
#define CLONE_NEWTIME_ 0x80 /* linux/sched.h */

static int64_t by_call(clockid_t clock)
{
	struct timespec t;

	NEED(syscall(SYS_clock_gettime, clock, &t) == 0);
	return t.tv_sec * S + t.tv_nsec;
}

static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME };

static void *sleeper(void *argument)
{
	int64_t until = *(int64_t *)argument, now;
	struct timespec t = { until / S, until % S };

	CHECK("clock_nanosleep", 0, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
	now = now_ns(CLOCK_MONOTONIC);
	check_between("ns that it slept on", 0, 20 * S, now - until);
	return NULL;
}

/* The next execve enters it. */
static void in_namespace(void)
{
	static const char offsets[] = "monotonic 86400 5\nboottime 86400 7\n";
	int fd;

	if (unshare(CLONE_NEWTIME_))
		skip("no time namespaces here");
	fd = open("/proc/self/timens_offsets", O_WRONLY);
	NEED(fd >= 0 && write(fd, offsets, sizeof(offsets) - 1) == (ssize_t)sizeof(offsets) - 1);
	close(fd);
}

/* All clocks at a moment that was short: nobody else had the processor between them. None may be
 * behind `before`, which is what they were earlier. */
static void look(const int64_t *before, int64_t *now)
{
	int64_t least[3], low[3], high[3];

	memcpy(least, before, sizeof(least));
	for (int turn = 0; turn < 10000; turn++) {
		for (int i = 0; i < 3; i++)
			low[i] = by_call(clocks[i]);
		for (int i = 0; i < 3; i++)
			now[i] = now_ns(clocks[i]);
		for (int i = 0; i < 3; i++)
			high[i] = by_call(clocks[i]);
		for (int i = 0; i < 3; i++) {
			if (now[i] < low[i] || now[i] > high[i])
				fail("clock %d: vDSO %lld, system call %lld and %lld", clocks[i],
				     (long long)now[i], (long long)low[i], (long long)high[i]);
			if (now[i] < least[i])
				fail("clock %d went back", clocks[i]);
		}
		memcpy(least, now, sizeof(least));
		if (high[0] - low[0] < 5000000)
			return;
	}
	fail("no short moment");
}

int main(int argc, char **argv)
{
	int64_t first[3], last[3], until;
	pthread_t thread;

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "namespace")) {
		char *again[] = { argv[0], argv[1], "entered", NULL };

		in_namespace();
		execv(argv[0], again);
		NEED(!"execv");
	}
	if (!strcmp(variant(argc, argv), "entered") && now_ns(CLOCK_MONOTONIC) < 86400 * S)
		skip("execve enters no time namespace (Linux 6.1)");
	until = now_ns(CLOCK_MONOTONIC) + 3 * S;
	NEED(pthread_create(&thread, NULL, sleeper, &until) == 0);
	memset(first, 0, sizeof(first));
	look(first, first);
	memcpy(last, first, sizeof(last));

	ready();
	while (!told()) {
		sleep_ms(2);
		look(last, last);
	}
	NEED(pthread_join(thread, NULL) == 0);
	say("passed %lld %lld %lld", (long long)(last[0] - first[0]) / 1000000,
	    (long long)(last[1] - first[1]) / 1000000, (long long)(last[2] - first[2]) / 1000000);
	say("monotonic %lld boot %lld", (long long)now_ns(CLOCK_MONOTONIC) / S,
	    (long long)now_ns(CLOCK_BOOTTIME) / S);
	return verdict();
}
