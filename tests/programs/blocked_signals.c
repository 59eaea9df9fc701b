/*
 * pause and sigsuspend, which a signal ends when it comes. Variant "wait": sigwaitinfo and
 * sigtimedwait, which the kernel never restarts by itself, so that whoever stops them has to.
 */
#include "blocked.h"

static __thread int taken;

static void on_signal(int sig)
{
	(void)sig;
	taken++;
}

static void send(struct blocked *b)
{
	NEED(syscall(SYS_tgkill, getpid(), b->tid, SIGUSR1) == 0);
}

static long do_pause(struct blocked *b)
{
	long result = syscall(SYS_pause);
	int error = errno;

	(void)b;
	CHECK("signals that pause saw", 1, taken);
	errno = error;
	return result;
}

static long do_sigsuspend(struct blocked *b)
{
	uint64_t before = 1ull << (SIGUSR1 - 1) | 1ull << (SIGUSR2 - 1), during = 1ull << (SIGTERM - 1), after;
	long result;
	int error;

	(void)b;
	NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, 8) == 0);
	result = syscall(SYS_rt_sigsuspend, &during, 8);
	error = errno;
	CHECK("signals that sigsuspend saw", 1, taken);
	NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &after, 8) == 0);
	CHECK("mask after sigsuspend", before, after);
	errno = error;
	return result;
}

static long wait_signal(const struct timespec *limit)
{
	uint64_t set = 1ull << (SIGUSR1 - 1);
	siginfo_t info = { 0 };
	long result;

	NEED(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8) == 0);
	result = syscall(SYS_rt_sigtimedwait, &set, &info, limit, 8);
	CHECK("signals that were delivered", 0, taken);
	return result;
}

static long do_sigwaitinfo(struct blocked *b)
{
	(void)b;
	return wait_signal(NULL);
}

static long do_sigtimedwait(struct blocked *b)
{
	struct timespec limit = { SLEEP_NS / 1000000000, SLEEP_NS % 1000000000 };
	long result = wait_signal(&limit);

	(void)b;
	return result;
}

static struct blocked ended_by_signals[] = {
	{ "pause", SYS_pause, do_pause, -1, EINTR, .release = send },
	{ "sigsuspend", SYS_rt_sigsuspend, do_sigsuspend, -1, EINTR, .release = send },
};

static struct blocked waits_for_signals[] = {
	{ "sigwaitinfo", SYS_rt_sigtimedwait, do_sigwaitinfo, SIGUSR1, .release = send },
	{ "sigtimedwait", SYS_rt_sigtimedwait, do_sigtimedwait, -1, EAGAIN, .timed = true },
};

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	begin(argc, argv);
	NEED(sigaction(SIGUSR1, &action, NULL) == 0);
	if (!strcmp(variant(argc, argv), "wait"))
		return run_all_blocked(waits_for_signals, COUNT(waits_for_signals));
	return run_all_blocked(ended_by_signals, COUNT(ended_by_signals));
}
