/* Signal actions with all flags, blocked masks, and pending signals with their siginfo. */
#include "program.h"
#include <sys/ucontext.h>

static volatile int ran[65];
static volatile long values[65][8];

static void taken(int sig, siginfo_t *info, void *context)
{
	(void)context;
	values[sig][ran[sig] % 8] = info->si_value.sival_int;
	ran[sig]++;
	if (info->si_code == SI_QUEUE && info->si_pid != getpid())
		fail("sender of signal %d (expected %d, got %d)", sig, getpid(), info->si_pid);
	if (info->si_code == SI_QUEUE && info->si_uid != getuid())
		fail("user of signal %d (expected %d, got %d)", sig, getuid(), info->si_uid);
}

struct kernel_action {
	unsigned long handler, flags, restorer, mask;
};

static void get_action(int sig, struct kernel_action *action)
{
	NEED(syscall(SYS_rt_sigaction, sig, NULL, action, 8) == 0);
}

static const struct {
	int sig, flags;
} actions[] = {
	{ SIGHUP, SA_RESTART }, { SIGQUIT, SA_NODEFER }, { SIGILL, SA_RESETHAND },
	{ SIGTRAP, SA_ONSTACK }, { SIGABRT, SA_NOCLDSTOP }, { SIGBUS, SA_NOCLDWAIT },
	{ SIGFPE, SA_RESTART | SA_NODEFER | SA_ONSTACK | SA_RESETHAND },
	{ 39, SA_RESTART | 0x800 /* SA_EXPOSE_TAGBITS, linux/signal.h */ },
};

static volatile pid_t thread_id;
static volatile bool thread_done;

static void *pending_thread(void *argument)
{
	union sigval value = { .sival_int = 777 };
	siginfo_t info;
	sigset_t set;

	(void)argument;
	/* Pending for this thread alone: a queued one and one by tgkill. */
	NEED(pthread_sigqueue(pthread_self(), SIGRTMIN + 2, value) == 0);
	NEED(pthread_kill(pthread_self(), SIGUSR2) == 0);
	thread_id = tid_of_caller();
	wait_until_told();
	while (!thread_done)
		sleep_ms(1);
	NEED(sigpending(&set) == 0);
	CHECK("pending for the thread: USR2", 1, sigismember(&set, SIGUSR2));
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	CHECK("taken by the thread", SIGRTMIN + 2, sigwaitinfo(&set, &info));
	CHECK("its value", 777, info.si_value.sival_int);
	CHECK("its code", SI_QUEUE, info.si_code);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	/* Not sigwaitinfo: glibc makes SI_USER of SI_TKILL. */
	CHECK("taken by the thread", SIGUSR2, syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8));
	CHECK("its code", SI_TKILL, info.si_code);
	CHECK("its sender", getpid(), info.si_pid);
	return NULL;
}

int main(int argc, char **argv)
{
	struct kernel_action before[65], after;
	struct sigaction action = { .sa_sigaction = taken };
	siginfo_t raw = { .si_signo = SIGRTMIN + 3, .si_code = -77 };
	sigset_t blocked, now, pending;
	pthread_t thread;

	begin(argc, argv);
	for (size_t i = 0; i < COUNT(actions); i++) {
		action.sa_flags = actions[i].flags | SA_SIGINFO;
		sigemptyset(&action.sa_mask);
		sigaddset(&action.sa_mask, SIGTERM);
		sigaddset(&action.sa_mask, SIGRTMIN + (int)i);
		NEED(sigaction(actions[i].sig, &action, NULL) == 0);
	}
	NEED(signal(SIGPIPE, SIG_IGN) != SIG_ERR && signal(SIGTTOU, SIG_IGN) != SIG_ERR);
	sigemptyset(&blocked);
	for (int sig = SIGRTMIN; sig < SIGRTMIN + 4; sig++)
		sigaddset(&blocked, sig);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGUSR2);
	sigaddset(&blocked, SIGWINCH);
	NEED(sigprocmask(SIG_SETMASK, &blocked, NULL) == 0);
	sigemptyset(&action.sa_mask);
	action.sa_flags = SA_SIGINFO;
	for (int sig = SIGRTMIN; sig < SIGRTMIN + 4; sig++)
		NEED(sigaction(sig, &action, NULL) == 0);
	NEED(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0);
	NEED(pthread_create(&thread, NULL, pending_thread, NULL) == 0);
	while (!thread_id)
		sleep_ms(1);
	/* Pending for the process: five queued values in order, a raw siginfo, one kill. */
	for (int i = 0; i < 5; i++) {
		union sigval value = { .sival_int = 1000 + i };

		NEED(sigqueue(getpid(), SIGRTMIN + 1, value) == 0);
	}
	for (int i = 0; i < 32; i++)
		((char *)&raw)[16 + i] = (char)i;
	NEED(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN + 3, &raw) == 0);
	NEED(kill(getpid(), SIGUSR1) == 0);
	for (int sig = 1; sig < 65; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			get_action(sig, &before[sig]);

	ready();
	wait_until_told();

	for (int sig = 1; sig < 65; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		get_action(sig, &after);
		CHECK("handler", before[sig].handler, after.handler);
		CHECK("flags", before[sig].flags, after.flags);
		CHECK("restorer", before[sig].restorer, after.restorer);
		CHECK("mask of the action", before[sig].mask, after.mask);
	}
	NEED(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigpending(&pending) == 0);
	for (int sig = 1; sig < 65; sig++) {
		bool waits = sig == SIGRTMIN + 1 || sig == SIGRTMIN + 3 || sig == SIGUSR1;

		CHECK("blocked", sigismember(&blocked, sig), sigismember(&now, sig));
		CHECK("pending", waits, sigismember(&pending, sig));
	}
	thread_done = true;
	NEED(pthread_join(thread, NULL) == 0);
	{
		siginfo_t got = { 0 };
		sigset_t one;

		sigemptyset(&one);
		sigaddset(&one, SIGRTMIN + 3);
		CHECK("the raw one", SIGRTMIN + 3, sigwaitinfo(&one, &got));
		CHECK("its code", -77, got.si_code);
		check_bytes("its siginfo", (char *)&raw + 16, (char *)&got + 16, 32);
		sigemptyset(&one);
		sigaddset(&one, SIGUSR1);
		CHECK("the kill", SIGUSR1, sigwaitinfo(&one, &got));
		CHECK("its code", SI_USER, got.si_code);
		CHECK("its sender", getpid(), got.si_pid);
	}
	sigemptyset(&now);
	NEED(sigprocmask(SIG_SETMASK, &now, NULL) == 0);
	CHECK("queued signals taken", 5, ran[SIGRTMIN + 1]);
	for (int i = 0; i < 5; i++)
		CHECK("their values in order", 1000 + i, values[SIGRTMIN + 1][i]);
	for (int sig = 1; sig < 65; sig++)
		if (sig != SIGRTMIN + 1)
			CHECK("signals nobody sent", 0, ran[sig]);
	return verdict();
}
