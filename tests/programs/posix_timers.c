/*
 * POSIX timers on all clocks: ids with gaps, what is left of them, who gets which signal. Variants:
 * "fires" (they go on firing), "pending" (expired, their signals in the queue among others),
 * "overrun" (of the last signal), "threads" (CPU clocks of several threads), "ids" (a large one).
 */
#include "program.h"

#define S 1000000000LL
#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS 77 /* linux/prctl.h, since Linux 6.15 */
#endif
/* As the kernel numbers them: glibc's timer_create makes other things of SIGEV_THREAD. */
#define CPU_CLOCK(pid) (~(clockid_t)(pid) << 3 | 2)
#define THREAD_CLOCK(tid) (~(clockid_t)(tid) << 3 | 6)

struct event {
	union sigval value;
	int signal, notify, tid, pad[11];
};

static int create(clockid_t clock, int notify, int signal, long value, pid_t tid)
{
	struct event event = { .signal = signal, .notify = notify, .tid = tid };
	int id = -1;

	event.value.sival_ptr = (void *)value;
	NEED(syscall(SYS_timer_create, clock, &event, &id) == 0);
	return id;
}

static struct itimerspec spec(int64_t left, int64_t interval)
{
	return (struct itimerspec){ { interval / S, interval % S }, { left / S, left % S } };
}

static void arm(int id, int flags, int64_t left, int64_t interval)
{
	struct itimerspec set = spec(left, interval);

	NEED(syscall(SYS_timer_settime, id, flags, &set, NULL) == 0);
}

static int64_t left_of(int id, int64_t *interval)
{
	struct itimerspec now = { 0 };

	if (syscall(SYS_timer_gettime, id, &now)) {
		fail("timer_gettime(%d): errno %d", id, errno);
		return -1;
	}
	if (interval)
		*interval = now.it_interval.tv_sec * S + now.it_interval.tv_nsec;
	return now.it_value.tv_sec * S + now.it_value.tv_nsec;
}

/* A timer whose time is up has a nanosecond left until its signal is sent (timer_gettime(2)). */
static void wait_until_fired(int id)
{
	for (int i = 0; left_of(id, NULL) == 1; i++) {
		NEED(i < 20000);
		sleep_ms(1);
	}
}

/* /proc/self/timers by ascending id: what the kernel can be asked of a timer besides its time. */
struct listed {
	int id, signal, target, clock;
	char value[32], notify[32];
};

static int compare_listed(const void *a, const void *b)
{
	return ((const struct listed *)a)->id - ((const struct listed *)b)->id;
}

static int list(struct listed *timers, int most)
{
	FILE *file = fopen("/proc/self/timers", "r");
	int n = 0;

	NEED(file);
	while (n < most && fscanf(file, "ID: %d signal: %d/%31s notify: %31[a-z/].%d ClockID: %d ",
				  &timers[n].id, &timers[n].signal, timers[n].value, timers[n].notify,
				  &timers[n].target, &timers[n].clock) == 6)
		n++;
	NEED(feof(file));
	fclose(file);
	qsort(timers, (size_t)n, sizeof(*timers), compare_listed);
	return n;
}

static struct listed before[256];
static int count_before;

static void list_before(void)
{
	count_before = list(before, COUNT(before));
	NEED(count_before > 0);
}

static void check_list(void)
{
	static struct listed after[COUNT(before)];
	int n = list(after, COUNT(after));

	CHECK("timers", count_before, n);
	for (int i = 0; i < count_before && i < n; i++) {
		CHECK("id", before[i].id, after[i].id);
		CHECK("signal", before[i].signal, after[i].signal);
		CHECK("who is signalled", before[i].target, after[i].target);
		CHECK("clock", before[i].clock, after[i].clock);
		check_text("value", before[i].value, after[i].value);
		check_text("notify", before[i].notify, after[i].notify);
	}
}

static void block(int first, int last)
{
	sigset_t set;

	sigemptyset(&set);
	for (int sig = first; sig <= last; sig++)
		sigaddset(&set, sig);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
}

/* A signal that is pending, as the kernel tells it; 0: none. */
static int take(int signal, siginfo_t *info)
{
	uint64_t set = 1ull << (signal - 1);
	struct timespec now = { 0 };
	long got;

	memset(info, 0, sizeof(*info));
	got = syscall(SYS_rt_sigtimedwait, &set, info, &now, 8);
	return got < 0 ? 0 : (int)got;
}

static void burn(clockid_t clock, int64_t ns)
{
	int64_t start = now_ns(clock);

	while (now_ns(clock) < start + ns)
		;
}

static void child(void *argument)
{
	(void)argument;
	child_is_ready();
	wait_until_told();
}

enum { RELATIVE, ABSOLUTE, DISARMED };

static int all_clocks(void)
{
	static const struct {
		const char *name;
		clockid_t clock;
		int how, notify, signal;
		int64_t left, interval;
	} timers[] = {
		{ "monotonic", CLOCK_MONOTONIC, RELATIVE, SIGEV_SIGNAL, SIGUSR1, 1000 * S, 5 * S + 7 },
		{ "one shot", CLOCK_MONOTONIC, RELATIVE, SIGEV_SIGNAL, 64, 100 * S + 1, 0 },
		{ "disarmed", CLOCK_MONOTONIC, DISARMED, SIGEV_SIGNAL, 40, 0, 0 },
		{ "real, relative", CLOCK_REALTIME, RELATIVE, SIGEV_SIGNAL, 41, 500 * S, S },
		{ "real, absolute", CLOCK_REALTIME, ABSOLUTE, SIGEV_SIGNAL, 41, 600 * S + 3, 2 * S },
		{ "real, no signal", CLOCK_REALTIME, RELATIVE, SIGEV_NONE, 0, 700 * S, 0 },
		{ "boot", CLOCK_BOOTTIME, RELATIVE, SIGEV_SIGNAL, 42, 100000 * S, 0 },
		{ "tai", CLOCK_TAI, RELATIVE, SIGEV_SIGNAL, 43, 100 * S, 100 * S },
		{ "process time", CLOCK_PROCESS_CPUTIME_ID, RELATIVE, SIGEV_SIGNAL, SIGVTALRM, 300 * S, S },
		{ "own time by number", 0, RELATIVE, SIGEV_SIGNAL, 44, 300 * S, 0 },
		{ "a child's time", 1, RELATIVE, SIGEV_SIGNAL, 45, 300 * S, 0 },
		{ "thread time", CLOCK_THREAD_CPUTIME_ID, RELATIVE, SIGEV_THREAD_ID, 46, 300 * S, S },
		{ "SIGEV_THREAD", CLOCK_MONOTONIC, RELATIVE, SIGEV_THREAD, 47, 300 * S, 0 },
		{ "no signal", CLOCK_MONOTONIC, RELATIVE, SIGEV_NONE, 77, 300 * S, S },
	};
	int id[COUNT(timers)];
	int64_t since[COUNT(timers)], target[COUNT(timers)];
	pid_t kid = spawn(child, NULL);
	int gone = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
	int64_t start;

	for (size_t i = 0; i < COUNT(timers); i++) {
		clockid_t clock = timers[i].clock;

		if (timers[i].signal == 44)
			clock = CPU_CLOCK(getpid());
		else if (timers[i].signal == 45)
			clock = CPU_CLOCK(kid);
		id[i] = create(clock, timers[i].notify, timers[i].signal, (long)pattern(1, i), getpid());
		if (i % 3 == 0)	/* a gap */
			NEED(timer_delete((timer_t)(long)create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0)) == 0);
	}
	NEED(syscall(SYS_timer_delete, gone) == 0);
	for (size_t i = 0; i < COUNT(timers); i++) {
		int64_t left = timers[i].left;

		since[i] = now_ns(CLOCK_MONOTONIC);
		target[i] = now_ns(CLOCK_REALTIME) + left;
		if (timers[i].how != DISARMED)
			arm(id[i], timers[i].how == ABSOLUTE ? TIMER_ABSTIME : 0,
			    timers[i].how == ABSOLUTE ? target[i] : left, timers[i].interval);
	}
	start = now_ns(CLOCK_MONOTONIC);
	burn(CLOCK_PROCESS_CPUTIME_ID, 30000000);
	while (now_ns(CLOCK_MONOTONIC) < start + 200000000)
		;
	list_before();

	ready();
	wait_until_told();

	check_list();
	for (size_t i = 0; i < COUNT(timers); i++) {
		int64_t interval = -1, before = now_ns(CLOCK_REALTIME);
		int64_t left = left_of(id[i], &interval), real = now_ns(CLOCK_REALTIME);
		int64_t passed = now_ns(CLOCK_MONOTONIC) - since[i];
		int64_t gone_by = 200000000;
		char what[64];

		if (timers[i].signal == 45)
			gone_by = 0;
		else if (timers[i].signal == 44 || timers[i].signal == 46 || timers[i].signal == SIGVTALRM)
			gone_by = 30000000;
		snprintf(what, sizeof(what), "%s: interval", timers[i].name);
		CHECK(what, timers[i].interval, interval);
		snprintf(what, sizeof(what), "%s: ns left", timers[i].name);
		if (timers[i].how == DISARMED)
			CHECK(what, 0, left);
		else if (timers[i].how == ABSOLUTE)
			check_between(what, target[i] - real - 5000000,
				      target[i] - before + 5000000, left);
		else
			check_between(what, timers[i].left - passed, timers[i].left - gone_by, left);
	}
	/* The next id is one that nobody has. */
	CHECK("a new id", true, create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0) > id[COUNT(id) - 1]);
	/* The child's clock is still the one that is measured. */
	CHECK("the child's timer", 0, syscall(SYS_timer_settime, id[10], 0, &(struct itimerspec){ 0 }, NULL));
	expect_exit("the child", kid, 0);
	return verdict();
}

static volatile int fired[65];
static volatile pid_t fired_in[65];

static void on_timer(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code != SI_TIMER)
		fail("code of signal %d (got %d)", sig, info->si_code);
	fired[sig]++;
	fired_in[sig] = tid_of_caller();
}

static volatile bool finish;

static void *wait_to_finish(void *argument)
{
	*(volatile pid_t *)argument = tid_of_caller();
	while (!finish)
		sleep_ms(1);
	return NULL;
}

static int fires(void)
{
	struct sigaction action = { .sa_sigaction = on_timer, .sa_flags = SA_RESTART | SA_SIGINFO };
	static volatile pid_t tid;
	static const int signals[] = { 40, 41, 42, 43 };
	int ids[4], start[65];
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, wait_to_finish, (void *)&tid) == 0);
	while (!tid)
		sleep_ms(1);
	for (size_t i = 0; i < 4; i++)
		NEED(sigaction(signals[i], &action, NULL) == 0);
	ids[0] = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 40, 0, 0);
	ids[1] = create(CLOCK_REALTIME, SIGEV_THREAD_ID, 41, 0, tid);
	ids[2] = create(CLOCK_BOOTTIME, SIGEV_SIGNAL, 42, 0, 0);
	ids[3] = create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 43, 0, 0);
	for (int i = 0; i < 4; i++)
		arm(ids[i], 0, 1, 15000000);
	while (fired[40] < 3 || fired[41] < 3 || fired[42] < 3)
		sleep_ms(1);
	while (fired[43] < 2)
		;
	ready();
	wait_until_told();
	memcpy(start, (int *)fired, sizeof(start));
	for (int n = 0; n < 2000; n++) {
		bool enough = true;

		for (size_t i = 0; i < 4; i++)
			enough = enough && fired[signals[i]] >= start[signals[i]] + 5;
		if (enough)
			break;
		burn(CLOCK_MONOTONIC, 5000000);
	}
	for (size_t i = 0; i < 4; i++)
		check_between("signals since", start[signals[i]] + 5, INT_MAX, fired[signals[i]]);
	CHECK("who got the thread's signal", tid, fired_in[41]);
	for (int i = 0; i < 4; i++)
		NEED(syscall(SYS_timer_delete, ids[i]) == 0);
	finish = true;
	NEED(pthread_join(thread, NULL) == 0);
	return verdict();
}

static void check_timer_signal(const char *what, int signal, int id, long value, siginfo_t *info)
{
	char text[96];

	snprintf(text, sizeof(text), "%s: taken", what);
	CHECK(text, signal, take(signal, info));
	snprintf(text, sizeof(text), "%s: code", what);
	CHECK(text, SI_TIMER, info->si_code);
	snprintf(text, sizeof(text), "%s: id", what);
	CHECK(text, id, info->si_timerid);
	snprintf(text, sizeof(text), "%s: value", what);
	CHECK(text, value, info->si_value.sival_ptr);
}

static void check_queued(const char *what, int signal, int value)
{
	siginfo_t info;

	CHECK(what, signal, take(signal, &info));
	CHECK("its code", SI_QUEUE, info.si_code);
	CHECK("its value", value, info.si_value.sival_int);
}

static volatile pid_t taker_tid;
static int for_thread;

static void *taker(void *argument)
{
	siginfo_t info;

	(void)argument;
	taker_tid = tid_of_caller();
	wait_until_told();
	while (!finish)
		sleep_ms(1);
	check_timer_signal("the thread's", 42, for_thread, 0x7777, &info);
	CHECK("the thread's: no more", 0, take(42, &info));
	return NULL;
}

static int pending(void)
{
	int one_shot, periodic, often, cpu;
	int64_t expired, left, interval, passed;
	siginfo_t info;
	pthread_t thread;

	block(40, 50);
	NEED(pthread_create(&thread, NULL, taker, NULL) == 0);
	while (!taker_tid)
		sleep_ms(1);
	one_shot = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 40, 0x1234567890, 0);
	periodic = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 40, -5, 0);
	often = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 41, 9, 0);
	for_thread = create(CLOCK_REALTIME, SIGEV_THREAD_ID, 42, 0x7777, taker_tid);
	cpu = create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 43, 10, 0);
	/* In one queue: a value, a timer's, a value, a timer's, a value. */
	NEED(sigqueue(getpid(), 40, (union sigval){ .sival_int = 1 }) == 0);
	arm(one_shot, 0, 1, 0);
	wait_until_fired(one_shot);
	NEED(sigqueue(getpid(), 40, (union sigval){ .sival_int = 2 }) == 0);
	expired = now_ns(CLOCK_MONOTONIC);
	arm(periodic, 0, 1, 100 * S);
	wait_until_fired(periodic);
	NEED(sigqueue(getpid(), 40, (union sigval){ .sival_int = 3 }) == 0);
	arm(often, 0, 1, 10000000);
	arm(for_thread, 0, 1, 0);
	arm(cpu, 0, 1, 100 * S);
	/* CPU timers expire at a tick. */
	burn(CLOCK_PROCESS_CPUTIME_ID, 30000000);
	sleep_ms(100);
	list_before();

	ready();
	wait_until_told();

	check_list();
	CHECK("one shot: left", 0, left_of(one_shot, NULL));
	check_queued("first", 40, 1);
	check_timer_signal("one shot", 40, one_shot, 0x1234567890, &info);
	CHECK("one shot: overrun", 0, info.si_overrun);
	CHECK("one shot: overrun asked", 0, timer_getoverrun((timer_t)(long)one_shot));
	check_queued("third", 40, 2);
	check_timer_signal("periodic", 40, periodic, -5, &info);
	CHECK("periodic: overrun", 0, info.si_overrun);
	check_queued("fifth", 40, 3);
	CHECK("no more", 0, take(40, &info));
	/* Its period went on in step: time stood still for it only where the program did. */
	left = left_of(periodic, &interval);
	passed = now_ns(CLOCK_MONOTONIC) - expired;
	CHECK("periodic: interval", 100 * S, interval);
	check_between("periodic: left", 100 * S - passed, 100 * S - 120000000, left);
	/* A signal that is taken late says so, and the timer goes on: it is the timer's own. */
	sleep_ms(60);
	check_timer_signal("often", 41, often, 9, &info);
	check_between("often: overrun", 3, 100000, info.si_overrun);
	expired = now_ns(CLOCK_MONOTONIC);
	sleep_ms(60);
	check_timer_signal("often again", 41, often, 9, &info);
	check_between("often again: overrun", 3, 2 + (now_ns(CLOCK_MONOTONIC) - expired) / 10000000,
		      info.si_overrun);
	check_timer_signal("CPU", 43, cpu, 10, &info);
	check_between("CPU: left", 99 * S, 100 * S, left_of(cpu, &interval));
	CHECK("CPU: interval", 100 * S, interval);
	finish = true;
	NEED(pthread_join(thread, NULL) == 0);
	/* They can be used as before. */
	arm(one_shot, 0, 1, 0);
	wait_until_fired(one_shot);
	check_timer_signal("one shot again", 40, one_shot, 0x1234567890, &info);
	return verdict();
}

static int overrun(void)
{
	int64_t period = now_ns(CLOCK_MONOTONIC) / 10, hour = 3600 * S, next, now, left;
	int real, monotonic;
	siginfo_t info;

	block(40, 50);
	real = create(CLOCK_REALTIME, SIGEV_SIGNAL, 40, 1, 0);
	monotonic = create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, 41, 2, tid_of_caller());
	next = now_ns(CLOCK_REALTIME) + hour / 2;
	arm(real, TIMER_ABSTIME, next - 8 * hour, hour);
	arm(monotonic, TIMER_ABSTIME, now_ns(CLOCK_MONOTONIC) - 4 * period - period / 2, period);
	wait_until_fired(real);
	wait_until_fired(monotonic);
	NEED(take(40, &info) == 40 && info.si_overrun == 7);
	NEED(take(41, &info) == 41 && info.si_overrun == 4);

	ready();
	wait_until_told();

	CHECK("nothing pending", 0, take(40, &info));
	CHECK("nothing pending", 0, take(41, &info));
	CHECK("overruns, time of day", 7, timer_getoverrun((timer_t)(long)real));
	CHECK("overruns, monotonic", 4, timer_getoverrun((timer_t)(long)monotonic));
	now = now_ns(CLOCK_REALTIME);
	left = left_of(real, NULL);
	check_between("left, time of day", next - now_ns(CLOCK_REALTIME) - 5000000, next - now + 5000000, left);
	check_between("left, monotonic", period / 4, period / 2, left_of(monotonic, NULL));
	return verdict();
}

struct worker {
	pthread_t thread;
	volatile pid_t tid;
	int armed, disarmed, by_number;
	volatile bool work;
};

static void *work(void *argument)
{
	struct worker *w = argument;

	w->armed = create(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, 40, 1, 0);
	w->disarmed = create(CLOCK_THREAD_CPUTIME_ID, SIGEV_NONE, 41, 1, 0);
	arm(w->armed, 0, 200 * S, 0);
	burn(CLOCK_THREAD_CPUTIME_ID, 10000000);
	w->tid = tid_of_caller();
	while (!finish) {
		if (w->work) {
			burn(CLOCK_THREAD_CPUTIME_ID, 30000000);
			w->work = false;
		}
		sleep_ms(1);
	}
	return NULL;
}

static int threads(void)
{
	static struct worker workers[3];
	int mine = create(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, 40, 1, 0);

	block(40, 50);
	for (size_t i = 0; i < COUNT(workers); i++) {
		NEED(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
		while (!workers[i].tid)
			sleep_ms(1);
		workers[i].by_number = create(THREAD_CLOCK(workers[i].tid), SIGEV_THREAD_ID, 42, 7,
					      workers[(i + 1) % COUNT(workers)].tid
						      ? workers[(i + 1) % COUNT(workers)].tid
						      : getpid());
		arm(workers[i].by_number, 0, 300 * S, 10 * S);
	}
	arm(mine, 0, 100 * S, 0);
	list_before();

	ready();
	wait_until_told();

	check_list();
	check_between("the first thread's: left", 99 * S, 100 * S, left_of(mine, NULL));
	for (size_t i = 0; i < COUNT(workers); i++) {
		int64_t others[COUNT(workers)], armed = left_of(workers[i].armed, NULL);
		int64_t by_number = left_of(workers[i].by_number, NULL);

		check_between("a thread's: left", 190 * S, 200 * S - 10000000, armed);
		check_between("by number: left", 290 * S, 300 * S, by_number);
		CHECK("disarmed", 0, left_of(workers[i].disarmed, NULL));
		for (size_t k = 0; k < COUNT(workers); k++) {
			arm(workers[k].disarmed, 0, 50 * S, 0);
			others[k] = left_of(workers[k].armed, NULL);
		}
		workers[i].work = true;
		while (workers[i].work)
			sleep_ms(1);
		/* The thread that worked has used its time up; the others have slept. */
		for (size_t k = 0; k < COUNT(workers); k++) {
			int64_t used = others[k] - left_of(workers[k].armed, NULL);
			int64_t armed_now = 50 * S - left_of(workers[k].disarmed, NULL);

			check_between("used of the armed one", k == i ? 30000000 : 0, k == i ? S : 20000000, used);
			check_between("used of the other", k == i ? 30000000 : 0, k == i ? S : 20000000, armed_now);
			arm(workers[k].disarmed, 0, 0, 0);
		}
		check_between("used by number", 30000000, S, by_number - left_of(workers[i].by_number, NULL));
	}
	finish = true;
	for (size_t i = 0; i < COUNT(workers); i++)
		NEED(pthread_join(workers[i].thread, NULL) == 0);
	return verdict();
}

/* An id that counting would not come to. */
static int ids(void)
{
	struct event event = { .signal = SIGUSR1, .notify = SIGEV_SIGNAL };
	int id = 1 << 30;

	if (prctl(PR_TIMER_CREATE_RESTORE_IDS, 1, 0, 0, 0))
		skip("the kernel lets nobody choose a timer's id (Linux 6.15)");
	NEED(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) == 0 && id == 1 << 30);
	id = 7;
	NEED(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) == 0 && id == 7);
	NEED(prctl(PR_TIMER_CREATE_RESTORE_IDS, 0, 0, 0, 0) == 0);
	arm(1 << 30, 0, 100 * S, 0);
	list_before();

	ready();
	wait_until_told();

	check_list();
	check_between("left", S, 100 * S, left_of(1 << 30, NULL));
	CHECK("a new id is not chosen", 0, prctl(PR_TIMER_CREATE_RESTORE_IDS, 2, 0, 0, 0));
	return verdict();
}

int main(int argc, char **argv)
{
	const char *how = variant(argc, argv);

	begin(argc, argv);
	if (!strcmp(how, "fires"))
		return fires();
	if (!strcmp(how, "pending"))
		return pending();
	if (!strcmp(how, "overrun"))
		return overrun();
	if (!strcmp(how, "threads"))
		return threads();
	if (!strcmp(how, "ids"))
		return ids();
	return all_clocks();
}
