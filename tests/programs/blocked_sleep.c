/* nanosleep and clock_nanosleep, by several clocks, for a time and until a time. */
#include "blocked.h"

static const struct timespec duration = { SLEEP_NS / 1000000000, SLEEP_NS % 1000000000 };

static long sleep_plain(struct blocked *b)
{
	(void)b;
	return syscall(SYS_nanosleep, &duration, NULL);
}

static long sleep_rest(struct blocked *b)
{
	struct timespec rest;

	(void)b;
	return syscall(SYS_nanosleep, &duration, &rest);
}

static long sleep_in_place(struct blocked *b)
{
	struct timespec both = duration;	/* the usual idiom: the rest goes to where the time came from */

	(void)b;
	return syscall(SYS_nanosleep, &both, &both);
}

static long sleep_clock(clockid_t clock)
{
	struct timespec rest;

	return syscall(SYS_clock_nanosleep, clock, 0, &duration, &rest);
}

static long sleep_monotonic(struct blocked *b) { (void)b; return sleep_clock(CLOCK_MONOTONIC); }
static long sleep_realtime(struct blocked *b) { (void)b; return sleep_clock(CLOCK_REALTIME); }
static long sleep_boottime(struct blocked *b) { (void)b; return sleep_clock(CLOCK_BOOTTIME); }

static long sleep_until(clockid_t clock)
{
	int64_t end = now_ns(clock) + SLEEP_NS;
	struct timespec at = { end / 1000000000, end % 1000000000 };

	return syscall(SYS_clock_nanosleep, clock, TIMER_ABSTIME, &at, NULL);
}

static long until_monotonic(struct blocked *b) { (void)b; return sleep_until(CLOCK_MONOTONIC); }
static long until_realtime(struct blocked *b) { (void)b; return sleep_until(CLOCK_REALTIME); }

static struct blocked cases[] = {
	{ "nanosleep", SYS_nanosleep, sleep_plain, .timed = true, .anew = true },
	{ "nanosleep with a rest", SYS_nanosleep, sleep_rest, .timed = true },
	{ "nanosleep with its rest in place", SYS_nanosleep, sleep_in_place, .timed = true },
	{ "clock_nanosleep, monotonic", SYS_clock_nanosleep, sleep_monotonic, .timed = true },
	{ "clock_nanosleep, realtime", SYS_clock_nanosleep, sleep_realtime, .timed = true },
	{ "clock_nanosleep, boottime", SYS_clock_nanosleep, sleep_boottime, .timed = true },
	{ "clock_nanosleep until, monotonic", SYS_clock_nanosleep, until_monotonic, .timed = true, .absolute = true },
	{ "clock_nanosleep until, realtime", SYS_clock_nanosleep, until_realtime, .timed = true, .absolute = true },
};

int main(int argc, char **argv)
{
	begin(argc, argv);
	confine(argc, argv);
	return run_all_blocked(cases, COUNT(cases));
}
