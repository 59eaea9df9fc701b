/* poll, ppoll, select, pselect: with a time limit, without one, with a signal mask. */
#include "blocked.h"
#include <poll.h>
#include <sys/select.h>

static const struct timespec duration = { SLEEP_NS / 1000000000, SLEEP_NS % 1000000000 };

static void open_pipe(struct blocked *b)
{
	NEED(pipe(b->fds) == 0);
}

static void write_byte(struct blocked *b)
{
	NEED(write(b->fds[1], "x", 1) == 1);
}

static long poll_for(struct blocked *b, int milliseconds)
{
	struct pollfd fd;
	long result;

	open_pipe(b);
	fd = (struct pollfd){ .fd = b->fds[0], .events = POLLIN, .revents = 0x55 };
	result = syscall(SYS_poll, &fd, 1, milliseconds);
	CHECK("revents", result ? POLLIN : 0, fd.revents);
	return result;
}

static long poll_timed(struct blocked *b) { return poll_for(b, SLEEP_NS / 1000000); }
static long poll_forever(struct blocked *b) { return poll_for(b, -1); }

static long poll_nothing(struct blocked *b)
{
	(void)b;
	return syscall(SYS_poll, NULL, 0, (int)(SLEEP_NS / 1000000));
}

/* The mask of the call holds while it sleeps; afterwards that of the thread is back. */
static uint64_t mask_before(void)
{
	uint64_t mask = 1ull << (SIGUSR1 - 1) | 1ull << (SIGRTMIN + 7 - 1);

	NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0);
	return mask;
}

static void check_mask(uint64_t expected)
{
	uint64_t mask;
	int error = errno;

	NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8) == 0);
	CHECK("mask after the call", expected, mask);
	errno = error;
}

static const uint64_t call_mask = 1ull << (SIGUSR2 - 1);

static long ppoll_for(struct blocked *b, const struct timespec *limit)
{
	struct timespec time = duration;
	uint64_t mask = mask_before();
	struct pollfd fd;
	long result;

	open_pipe(b);
	fd = (struct pollfd){ .fd = b->fds[0], .events = POLLIN };
	result = syscall(SYS_ppoll, &fd, 1, limit ? &time : NULL, &call_mask, 8);
	check_mask(mask);
	return result;
}

static long ppoll_timed(struct blocked *b) { return ppoll_for(b, &duration); }
static long ppoll_forever(struct blocked *b) { return ppoll_for(b, NULL); }

static long select_for(struct blocked *b, bool limited)
{
	struct timeval time = { SLEEP_NS / 1000000000, SLEEP_NS % 1000000000 / 1000 };
	fd_set set;
	long result;

	open_pipe(b);
	FD_ZERO(&set);
	FD_SET(b->fds[0], &set);
	result = syscall(SYS_select, b->fds[0] + 1, &set, NULL, NULL, limited ? &time : NULL);
	CHECK("fd is in the set", result == 1, FD_ISSET(b->fds[0], &set) != 0);
	return result;
}

static long select_timed(struct blocked *b) { return select_for(b, true); }
static long select_forever(struct blocked *b) { return select_for(b, false); }

static long pselect_timed(struct blocked *b)
{
	struct timespec time = duration;
	struct { const uint64_t *mask; size_t size; } with = { &call_mask, 8 };
	uint64_t mask = mask_before();
	fd_set set;
	long result;

	open_pipe(b);
	FD_ZERO(&set);
	FD_SET(b->fds[0], &set);
	result = syscall(SYS_pselect6, b->fds[0] + 1, &set, NULL, NULL, &time, &with);
	check_mask(mask);
	return result;
}

/* Ended by a signal that the mask of the call lets through, and that of the thread does not. */
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

static long check_signalled(uint64_t mask, long result)
{
	check_mask(mask);
	CHECK("signals that the call saw", 1, taken);
	return result;
}

static long ppoll_signalled(struct blocked *b)
{
	uint64_t mask = mask_before();

	(void)b;
	return check_signalled(mask, syscall(SYS_ppoll, NULL, 0, NULL, &call_mask, 8));
}

static long pselect_signalled(struct blocked *b)
{
	struct { const uint64_t *mask; size_t size; } with = { &call_mask, 8 };
	uint64_t mask = mask_before();

	(void)b;
	return check_signalled(mask, syscall(SYS_pselect6, 0, NULL, NULL, NULL, NULL, &with));
}

static struct blocked cases[] = {
	{ "poll", SYS_poll, poll_timed, .timed = true },
	{ "poll of nothing", SYS_poll, poll_nothing, .timed = true },
	{ "poll without a limit", SYS_poll, poll_forever, .result = 1, .release = write_byte },
	{ "ppoll", SYS_ppoll, ppoll_timed, .timed = true },
	{ "ppoll without a limit", SYS_ppoll, ppoll_forever, .result = 1, .release = write_byte },
	{ "select", SYS_select, select_timed, .timed = true },
	{ "select without a limit", SYS_select, select_forever, .result = 1, .release = write_byte },
	{ "pselect", SYS_pselect6, pselect_timed, .timed = true },
	{ "ppoll and a signal", SYS_ppoll, ppoll_signalled, -1, EINTR, .release = send_signal },
	{ "pselect and a signal", SYS_pselect6, pselect_signalled, -1, EINTR, .release = send_signal },
};

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	begin(argc, argv);
	NEED(sigaction(SIGUSR1, &action, NULL) == 0);
	confine(argc, argv);
	return run_all_blocked(cases, COUNT(cases));
}
