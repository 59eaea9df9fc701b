/*
 * Timerfds on every clock: what is left, intervals, how they were set, expirations that nobody has
 * read. With "fires": those that expire while the program is away or soon after.
 */
#include "program.h"
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>

#define S 1000000000LL
#define MS 1000000LL
#define HOUR (3600 * S)
#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

/* An alarm clock shows nothing where there is no real-time clock to wake the machine. */
static const clockid_t clocks[] = {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM,
}, shown[] = {
	CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME, CLOCK_BOOTTIME,
};

static int create(clockid_t clock, int flags)
{
	int fd = timerfd_create(clock, flags | TFD_NONBLOCK);

	if (fd < 0 && errno == EPERM)
		return -1;	/* alarms need CAP_WAKE_ALARM */
	NEED(fd >= 0);
	return fd;
}

static void arm(int fd, int flags, int64_t value, int64_t interval)
{
	struct itimerspec spec = { { interval / S, interval % S }, { value / S, value % S } };

	NEED(timerfd_settime(fd, flags, &spec, NULL) == 0);
}

static int64_t left(int fd, int64_t *interval)
{
	struct itimerspec now = { 0 };

	CHECK("timerfd_gettime", 0, timerfd_gettime(fd, &now));
	if (interval)
		*interval = now.it_interval.tv_sec * S + now.it_interval.tv_nsec;
	return now.it_value.tv_sec * S + now.it_value.tv_nsec;
}

static uint64_t ticks(int fd)
{
	uint64_t count = 0;

	if (read(fd, &count, 8) != 8) {
		CHECK("errno of an empty read", EAGAIN, errno);
		return 0;
	}
	return count;
}

static void check_flags(const char *what, int fd, const char *flags)
{
	char path[64], text[1024], line[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	snprintf(line, sizeof(line), "settime flags: %s\n", flags);
	read_file(path, text, sizeof(text));
	if (!strstr(text, line))
		fail("%s: no %s in %s", what, line, text);
}

static void wait_for_ticks(int fd, uint64_t count)
{
	char path[64], text[1024];
	struct itimerspec now;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	for (;;) {
		read_file(path, text, sizeof(text));
		if (strtoull(strstr(text, "ticks: ") + 7, NULL, 10) >= count)
			return;
		/* The kernel counts when it is asked. */
		NEED(timerfd_gettime(fd, &now) == 0);
		sleep_ms(1);
	}
}

static int steady(void)
{
	int relative[5], absolute[5], disarmed, spent, taken, unread, cancelled, same;
	int64_t interval, started = now_ns(CLOCK_BOOTTIME), since[5], elapsed, got, before;
	uint64_t many = 1ull << 40;
	int64_t date = now_ns(CLOCK_REALTIME) + 2 * HOUR + 5;

	for (size_t i = 0; i < COUNT(clocks); i++) {
		since[i] = now_ns(shown[i]);
		relative[i] = create(clocks[i], i % 2 ? TFD_CLOEXEC : 0);
		absolute[i] = create(clocks[i], 0);
		if (relative[i] < 0)
			continue;
		arm(relative[i], 0, HOUR + (int64_t)i * S, i % 2 ? 7 * S + 1 : 0);
		arm(absolute[i], TFD_TIMER_ABSTIME, now_ns(shown[i]) + 2 * HOUR, i % 2 ? 0 : 3 * HOUR);
	}
	disarmed = create(CLOCK_MONOTONIC, 0);
	arm(disarmed, 0, 0, 5 * S);
	spent = create(CLOCK_MONOTONIC, 0);
	arm(spent, 0, MS, 0);
	taken = create(CLOCK_REALTIME, 0);
	arm(taken, TFD_TIMER_ABSTIME, 1, 0);
	wait_for_ticks(spent, 1);
	wait_for_ticks(taken, 1);
	NEED(ticks(taken) == 1);
	unread = create(CLOCK_BOOTTIME, 0);
	arm(unread, 0, HOUR, HOUR);
	if (ioctl(unread, TFD_IOC_SET_TICKS, &many))
		skip("no TFD_IOC_SET_TICKS here (CONFIG_CHECKPOINT_RESTORE)");
	cancelled = create(CLOCK_REALTIME, 0);
	arm(cancelled, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, date, 0);
	same = dup(cancelled);

	ready();
	wait_until_told();

	for (size_t i = 0; i < COUNT(clocks); i++) {
		if (relative[i] < 0)
			continue;
		got = left(relative[i], &interval);
		elapsed = now_ns(shown[i]) - since[i];
		check_between("relative: left", HOUR + (int64_t)i * S - elapsed, HOUR + (int64_t)i * S, got);
		CHECK("relative: interval", i % 2 ? 7 * S + 1 : 0, interval);
		CHECK("relative: close-on-exec", i % 2 ? FD_CLOEXEC : 0, fcntl(relative[i], F_GETFD));
		check_flags("relative", relative[i], "00");
		got = left(absolute[i], &interval);
		elapsed = now_ns(shown[i]) - since[i];
		check_between("absolute: left", 2 * HOUR - elapsed, 2 * HOUR, got);
		CHECK("absolute: interval", i % 2 ? 0 : 3 * HOUR, interval);
		check_flags("absolute", absolute[i], "01");
		CHECK("no expiration", 0, ticks(relative[i]));
		CHECK("no expiration", 0, ticks(absolute[i]));
	}
	CHECK("disarmed: left", 0, left(disarmed, &interval));
	CHECK("disarmed: interval", 5 * S, interval);
	CHECK("disarmed: expirations", 0, ticks(disarmed));
	CHECK("spent: left", 0, left(spent, NULL));
	CHECK("spent: expirations", 1, ticks(spent));
	CHECK("taken: left", 0, left(taken, NULL));
	CHECK("taken: expirations", 0, ticks(taken));
	check_flags("taken", taken, "01");
	got = left(unread, &interval);
	check_between("unread: left", HOUR - (now_ns(CLOCK_BOOTTIME) - started), HOUR, got);
	CHECK("unread: interval", HOUR, interval);
	CHECK("unread: expirations", many, ticks(unread));
	CHECK("unread: expirations, now", 0, ticks(unread));
	check_flags("cancelled", cancelled, "03");
	before = now_ns(CLOCK_REALTIME);
	got = left(same, NULL);
	check_between("cancelled: left", date - now_ns(CLOCK_REALTIME) - 5 * MS, date - before + 5 * MS, got);
	CHECK("flags", O_RDWR | O_NONBLOCK, fcntl(same, F_GETFL));
	return verdict();
}

static void *reader(void *argument)
{
	uint64_t got = 0;

	CHECK("a read that waits", 8, read(*(int *)argument, &got, 8));
	CHECK("its expirations", 1, got);
	return NULL;
}

/* Time stands still but for the time of day. */
static int fires(void)
{
	int soon, later, date, dates, waited, counted;
	int64_t started, before, interval;
	pthread_t thread;
	uint64_t count;

	soon = create(CLOCK_MONOTONIC, 0);
	later = create(CLOCK_BOOTTIME, 0);
	date = create(CLOCK_REALTIME, 0);
	dates = create(CLOCK_REALTIME, 0);
	waited = timerfd_create(CLOCK_MONOTONIC, 0);
	counted = create(CLOCK_MONOTONIC, 0);
	started = now_ns(CLOCK_REALTIME);
	/* It expires again and again, and nobody asks: it rests until somebody does. */
	arm(counted, 0, 1, 10 * MS);
	arm(soon, 0, 400 * MS, 0);
	arm(later, 0, 200 * MS, 50 * MS);
	arm(waited, 0, 300 * MS, HOUR);
	arm(date, TFD_TIMER_ABSTIME, started + 250 * MS, 0);
	arm(dates, TFD_TIMER_ABSTIME, started + 10 * MS, 10 * MS);
	NEED(pthread_create(&thread, NULL, reader, &waited) == 0);
	/* Some of them have expired, and were counted. */
	wait_for_ticks(dates, 3);
	while (now_ns(CLOCK_REALTIME) < started + 105 * MS)
		sleep_ms(1);

	ready();
	wait_until_told();

	while (now_ns(CLOCK_REALTIME) < started + 251 * MS)
		sleep_ms(1);
	CHECK("past date", 1, ticks(date));
	CHECK("past date, left", 0, left(date, NULL));
	before = now_ns(CLOCK_REALTIME);
	count = ticks(dates);
	check_between("past dates", (before - started) / (10 * MS) - 2,
		      (now_ns(CLOCK_REALTIME) - started) / (10 * MS), (int64_t)count);
	count = ticks(counted);
	check_between("counted", 11, 1 + (now_ns(CLOCK_REALTIME) - started) / (10 * MS), (int64_t)count);
	check_between("counted: left", 1, 10 * MS, left(counted, &interval));
	CHECK("counted: interval", 10 * MS, interval);
	while (ticks(soon) == 0)
		sleep_ms(1);
	check_between("soon, in ns", 400 * MS, 60 * S, now_ns(CLOCK_REALTIME) - started);
	count = ticks(later);
	check_between("later", 3, 1 + (now_ns(CLOCK_REALTIME) - started - 200 * MS) / (50 * MS),
		      (int64_t)count);
	CHECK("thread", 0, pthread_join(thread, NULL));
	return verdict();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	return *variant(argc, argv) ? fires() : steady();
}
