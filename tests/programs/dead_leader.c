/*
 * A process whose first thread has exited while others run on: /proc/PID shows little of it, and it
 * is a zombie that nobody can wait for until the last thread ends. Variants: root (it is the root),
 * death-signal (its child gets a signal at the end of the thread that made it), stopped,
 * timer (it has POSIX timers, one on the CPU clock of a thread, one whose signal waits), clock (it
 * has one on the CPU clock of the thread that has exited).
 */
#include "program.h"
#include <sys/time.h>

static __thread int number;
static volatile int seen_by_others, got_usr1;
static struct {
	volatile int threads, child;
} *has_begun;
static int leader_code;
static pid_t tids[3], child;
static char *memory;
static bool with_child, as_root, is_stopped, with_timer, with_clock;
static timer_t timers[4];

static void on_usr1(int signal_number)
{
	(void)signal_number;
	got_usr1 = 1;
}

/* Field 52 of /proc/PID/stat, and its state. */
static void check_leader(pid_t pid)
{
	char path[64], text[1024], *word;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	read_file(path, text, sizeof(text));
	word = strrchr(text, ')') + 2;
	CHECK("state of the leader", 'Z', *word);
	for (int field = 3; field < 52; field++)
		word = strchr(word, ' ') + 1;
	CHECK("exit code of the leader", leader_code << 8, atoi(word));
}

/* CPU clocks advance only while somebody is at work. */
static int sigtimedwait_busy(const sigset_t *set, siginfo_t *info)
{
	int64_t end = now_ns(CLOCK_MONOTONIC) + 5000000000;
	struct timespec none = { 0, 0 };
	int got = -1;

	while (got < 0 && now_ns(CLOCK_MONOTONIC) < end)
		got = sigtimedwait(set, info, &none);
	return got;
}

/* By a thread that runs on. */
static void make_timers(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3 };
	struct itimerspec late = { { 7, 5 }, { 5000, 0 } }, soon = { { 0, 0 }, { 0, 1 } };

	event.sigev_value.sival_int = 11;
	NEED(timer_create(CLOCK_MONOTONIC, &event, &timers[0]) == 0);
	NEED(timer_settime(timers[0], 0, &late, NULL) == 0);
	event.sigev_value.sival_int = 12;
	NEED(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timers[1]) == 0);
	NEED(timer_settime(timers[1], 0, &late, NULL) == 0);
	event.sigev_value.sival_int = 13;
	NEED(timer_create(CLOCK_MONOTONIC, &event, &timers[2]) == 0);
	NEED(timer_settime(timers[2], 0, &soon, NULL) == 0);
	event = (struct sigevent){ .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 4 };
	event._sigev_un._tid = tid_of_caller();
	NEED(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timers[3]) == 0);
}

static void check_timers(void)
{
	static const char *const names[] = { "monotonic timer", "timer of a thread's clock" };
	struct itimerspec now, soon = { { 0, 0 }, { 0, 1 } };
	struct timespec limit = { 5, 0 };
	siginfo_t info;
	sigset_t set;

	for (int i = 0; i < 2; i++) {
		NEED(timer_gettime(timers[i], &now) == 0);
		check_between(names[i], 4900, 5000, now.it_value.tv_sec);
		CHECK(names[i], 7, now.it_interval.tv_sec);
		CHECK(names[i], 5, now.it_interval.tv_nsec);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigaddset(&set, SIGRTMIN + 4);
	CHECK("the signal that waits", SIGRTMIN + 3, sigtimedwait(&set, &info, &limit));
	CHECK("its value", 13, info.si_value.sival_int);
	CHECK("its code", SI_TIMER, info.si_code);
	/* Whose clock it is: that of this thread, who is busy now. */
	NEED(timer_settime(timers[1], 0, &soon, NULL) == 0);
	CHECK("the thread's clock", SIGRTMIN + 3, sigtimedwait_busy(&set, &info));
	CHECK("its value", 12, info.si_value.sival_int);
	NEED(timer_gettime(timers[3], &now) == 0);
	CHECK("not armed", 0, now.it_value.tv_sec || now.it_value.tv_nsec);
	NEED(timer_settime(timers[3], 0, &soon, NULL) == 0);
	CHECK("a thread's signal", SIGRTMIN + 4, sigtimedwait_busy(&set, &info));
}

static void *run(void *argument)
{
	int mine = (int)(intptr_t)argument, status;
	struct itimerval left;
	char name[32], cwd[PATH_MAX];
	sigset_t set;

	number = mine + 100;
	tids[mine] = tid_of_caller();
	snprintf(name, sizeof(name), "thread %d", mine);
	NEED(prctl(PR_SET_NAME, name) == 0);
	wait_until_state(getpid(), 'Z');
	if (mine == 0 && with_timer)
		make_timers();
	if (mine == 0 && with_child) {
		/* Its parent is this thread by now; it is told when the first one ends only. */
		NEED(kill(child, SIGCONT) == 0);
	}
	if (mine == 0)
		NEED(kill(getpid(), SIGUSR1) == 0);	/* blocked by all: the process's */
	__atomic_add_fetch(&has_begun->threads, 1, __ATOMIC_SEQ_CST);
	wait_until_told();

	CHECK("tid", tids[mine], tid_of_caller());
	CHECK("thread-local", mine + 100, number);
	memset(name, 0, sizeof(name));
	NEED(prctl(PR_GET_NAME, name) == 0);
	CHECK("name", '0' + mine, name[7]);
	if (mine) {
		__atomic_add_fetch(&seen_by_others, 1, __ATOMIC_SEQ_CST);
		return NULL;
	}
	while (seen_by_others < 2)
		sleep_ms(1);
	check_leader(getpid());
	check_pattern("memory", memory, 1 << 20, 77);
	CHECK("descriptor", 0, fcntl(77, F_GETFD));
	NEED(getcwd(cwd, sizeof(cwd)));
	check_text("directory", test_dir, cwd);
	CHECK("subreaper", 0, prctl(PR_GET_CHILD_SUBREAPER, &status) || status != 1);
	NEED(getitimer(ITIMER_REAL, &left) == 0);
	check_between("timer", 1, 5000, left.it_value.tv_sec);
	NEED(sigpending(&set) == 0);
	CHECK("pending", 1, sigismember(&set, SIGUSR1));
	CHECK("not delivered before", 0, got_usr1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	NEED(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
	CHECK("delivered", 1, got_usr1);
	if (with_timer)
		check_timers();
	if (with_child)
		expect_exit("child", child, 9);
	if (as_root && !failures)
		say("PASS");
	_exit(failures ? 1 : as_root ? 0 : 23);
}

static void child_with_death_signal(void)
{
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	NEED(prctl(PR_SET_PDEATHSIG, SIGUSR2) == 0);
	NEED(raise(SIGSTOP) == 0);	/* until the thread that made it has ended */
	NEED(sigwaitinfo(&set, NULL) == SIGUSR2);
	has_begun->child = 1;
	wait_until_told();
	CHECK("death signal", 0, prctl(PR_GET_PDEATHSIG, &got));
	CHECK("death signal", SIGUSR2, got);
	NEED(sigpending(&set) == 0);
	CHECK("it has not come again", 0, sigismember(&set, SIGUSR2));
	_exit(failures ? 1 : 9);
}

static void live(void *argument)
{
	static struct itimerval late = { { 0, 0 }, { 5000, 0 } };
	pthread_t thread;

	(void)argument;
	memory = map_anonymous(NULL, 1 << 20, MAP_PRIVATE);
	fill_pattern(memory, 1 << 20, 77);
	NEED(dup2(0, 77) == 77);
	NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	NEED(setitimer(ITIMER_REAL, &late, NULL) == 0);
	NEED(signal(SIGUSR1, on_usr1) != SIG_ERR);
	if (with_clock) {
		struct sigevent none = { .sigev_notify = SIGEV_NONE };

		NEED(timer_create(CLOCK_THREAD_CPUTIME_ID, &none, &timers[0]) == 0);
	}
	if (with_child) {
		child = fork();
		if (child == 0)
			child_with_death_signal();
		NEED(child > 0);
		wait_until_state(child, 'T');
	}
	for (int i = 0; i < 3; i++)
		NEED(pthread_create(&thread, NULL, run, (void *)(intptr_t)i) == 0);
	if (ready_fd >= 0)
		child_is_ready();
	/* That of one in a stopped process is not to be seen, proc_pid_stat(5). */
	leader_code = is_stopped ? 0 : 5;
	syscall(SYS_exit, leader_code);
}

static void wait_until_begun(void)
{
	while (has_begun->threads < 3 || (with_child && !has_begun->child))
		sleep_ms(1);
}

static void *say_ready(void *argument)
{
	(void)argument;
	wait_until_begun();
	ready();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	siginfo_t info;
	sigset_t set;
	int status;
	pid_t pid;

	begin(argc, argv);
	as_root = !strcmp(variant(argc, argv), "root");
	with_child = !strcmp(variant(argc, argv), "death-signal");
	is_stopped = !strcmp(variant(argc, argv), "stopped");
	with_timer = !strcmp(variant(argc, argv), "timer");
	with_clock = !strcmp(variant(argc, argv), "clock");
	has_begun = map_anonymous(NULL, 4096, MAP_SHARED);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 3);
	sigaddset(&set, SIGRTMIN + 4);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	if (as_root) {
		NEED(pthread_create(&thread, NULL, say_ready, NULL) == 0);
		live(NULL);
	}
	pid = spawn(live, NULL);
	wait_until_state(pid, 'Z');
	wait_until_begun();
	if (is_stopped) {
		NEED(kill(pid, SIGSTOP) == 0);
		NEED(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	}
	ready();
	wait_until_told();
	CHECK("nothing to wait for yet", 0, waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
	if (is_stopped)
		NEED(kill(pid, SIGCONT) == 0);
	expect_exit("process whose leader had exited", pid, 23);
	return verdict();
}
