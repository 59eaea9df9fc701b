/* epoll_wait, with a time limit and without: no system call is more easily interrupted by a stop. */
#include "blocked.h"
#include <sys/epoll.h>

static long wait_for_pipe(struct blocked *b, int milliseconds)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0x1122334455667788 }, got = { 0 };
	int epoll = epoll_create1(0);
	long result;

	NEED(epoll >= 0 && pipe(b->fds) == 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, b->fds[0], &event) == 0);
	result = syscall(SYS_epoll_wait, epoll, &got, 1, milliseconds);
	CHECK("data of the event", result == 1 ? 0x1122334455667788 : 0, got.data.u64);
	return result;
}

static long wait_timed(struct blocked *b) { return wait_for_pipe(b, SLEEP_NS / 1000000); }
static long wait_forever(struct blocked *b) { return wait_for_pipe(b, -1); }

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

static long wait_with_timespec(struct blocked *b)
{
	static const struct timespec limit = { SLEEP_NS / 1000000000, SLEEP_NS % 1000000000 };
	struct epoll_event got = { 0 };
	int epoll = epoll_create1(0);

	(void)b;
	NEED(epoll >= 0);
	return syscall(SYS_epoll_pwait2, epoll, &got, 1, &limit, NULL, 8);
}

static void write_byte(struct blocked *b)
{
	NEED(write(b->fds[1], "x", 1) == 1);
}

static __thread int taken;

static void on_signal(int number)
{
	(void)number;
	taken++;
}

static void send_signal(struct blocked *b)
{
	NEED(syscall(SYS_tgkill, getpid(), b->tid, SIGUSR1) == 0);
}

/* Ended by a signal that the mask of the call lets through, and that of the thread does not. */
static long pwait_signalled(struct blocked *b)
{
	uint64_t before = 1ull << (SIGUSR1 - 1), during = 1ull << (SIGUSR2 - 1), after;
	struct epoll_event got = { 0 };
	int epoll = epoll_create1(0), error;
	long result;

	(void)b;
	NEED(epoll >= 0 && syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, 8) == 0);
	result = syscall(SYS_epoll_pwait, epoll, &got, 1, -1, &during, 8);
	error = errno;
	NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &after, 8) == 0);
	CHECK("mask after the call", before, after);
	CHECK("signals that the call saw", 1, taken);
	errno = error;
	return result;
}

static struct blocked cases[] = {
	{ "epoll_wait", SYS_epoll_wait, wait_timed, .timed = true, .anew = true },
	{ "epoll_pwait", SYS_epoll_pwait, pwait_signalled, -1, EINTR, .release = send_signal },
	{ "epoll_pwait2", SYS_epoll_pwait2, wait_with_timespec, .timed = true },
	{ "epoll_wait without a limit", SYS_epoll_wait, wait_forever, .result = 1, .release = write_byte },
};

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	begin(argc, argv);
	NEED(sigaction(SIGUSR1, &action, NULL) == 0);
	return run_all_blocked(cases, COUNT(cases));
}
