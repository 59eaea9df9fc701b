/*
 * Whom pipes signal when they can be read (fcntl(2), F_SETOWN, F_SETSIG, O_ASYNC): this process, a
 * process group, another process, a thread, one of another process, a child's thread that made
 * itself the owner; with what signal, and nobody for nothing: what was in a pipe had been told of.
 */
#include "program.h"

enum { OWN, PLAIN, GROUP, CHILD, THREAD, CHILDS_THREAD, SELF_MADE, QUIET, NOBODY, PIPES };

struct owned {
	const char *name;
	int type;	/* F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP; -1: nobody */
	int signal;	/* of F_SETSIG; 0: SIGIO */
	bool async;
};

static const struct owned kinds[PIPES] = {
	[OWN] = { "this process", F_OWNER_PID, 36, true },
	[PLAIN] = { "this process with SIGIO", F_OWNER_PID, 0, true },
	[GROUP] = { "a process group", F_OWNER_PGRP, 37, true },
	[CHILD] = { "a child", F_OWNER_PID, 38, true },
	[THREAD] = { "a thread", F_OWNER_TID, 39, true },
	[CHILDS_THREAD] = { "a child's thread", F_OWNER_TID, 40, true },
	[SELF_MADE] = { "who made itself the owner", F_OWNER_TID, 41, true },
	[QUIET] = { "a process that is not told", F_OWNER_PID, 42, false },
	[NOBODY] = { "nobody", -1, 43, true },
};

static int ends[PIPES][2];
static struct {
	volatile pid_t child, thread, childs_thread;
	volatile int stage, looked;
} *all;

static void set_owner(int i, pid_t who)
{
	struct f_owner_ex owner = { kinds[i].type, who };
	int fd = ends[i][0];

	if (kinds[i].type >= 0)
		NEED(fcntl(fd, F_SETOWN_EX, &owner) == 0);
	NEED(fcntl(fd, F_SETSIG, kinds[i].signal) == 0);
	NEED(fcntl(fd, F_SETFL, kinds[i].async ? O_ASYNC | O_NONBLOCK : O_NONBLOCK) == 0);
}

/* All that waits for the caller, or its process: the numbers of the pipes' ends, as bits. */
static unsigned take_all(const sigset_t *set)
{
	struct timespec none = { 0, 0 };
	unsigned pipes = 0;
	siginfo_t info;
	int number;

	while ((number = sigtimedwait(set, &info, &none)) > 0) {
		int i = PLAIN;

		if (number != SIGIO) {
			while (kinds[i].signal != number)
				i = (i + 1) % PIPES;
			CHECK("code of the signal", POLL_IN, info.si_code);
			CHECK("descriptor of the signal", ends[i][0], info.si_fd);
		}
		CHECK(kinds[i].name, 0, pipes >> i & 1);	/* told once */
		pipes |= 1u << i;
	}
	return pipes;
}

static void expect_signals(const char *who, unsigned nothing, unsigned expected)
{
	sigset_t set;

	sigfillset(&set);
	while (all->stage < 1)
		sleep_ms(1);
	CHECK(who, nothing, take_all(&set));
	__atomic_add_fetch(&all->looked, 1, __ATOMIC_SEQ_CST);
	while (all->stage < 2)
		sleep_ms(1);
	CHECK(who, expected, take_all(&set));
}

static void *childs_thread(void *argument)
{
	(void)argument;
	all->childs_thread = tid_of_caller();
	set_owner(SELF_MADE, tid_of_caller());
	while (all->stage < 1)
		sleep_ms(1);
	__atomic_add_fetch(&all->looked, 1, __ATOMIC_SEQ_CST);
	while (all->stage < 2)
		sleep_ms(1);
	/* Only its own: what is the process's the first thread takes. */
	sigset_t own;

	sigemptyset(&own);
	sigaddset(&own, kinds[CHILDS_THREAD].signal);
	sigaddset(&own, kinds[SELF_MADE].signal);
	CHECK("a child's thread", 1u << CHILDS_THREAD | 1u << SELF_MADE, take_all(&own));
	return NULL;
}

static void child(void *argument)
{
	pthread_t thread;

	(void)argument;
	NEED(setpgid(0, 0) == 0);
	all->child = getpid();
	NEED(pthread_create(&thread, NULL, childs_thread, NULL) == 0);
	while (!all->childs_thread)
		sleep_ms(1);
	child_is_ready();
	expect_signals("a child", 0, 1u << CHILD | 1u << GROUP);
	NEED(pthread_join(thread, NULL) == 0);
}

static void *own_thread(void *argument)
{
	sigset_t own;

	(void)argument;
	all->thread = tid_of_caller();
	while (all->stage < 2)
		sleep_ms(1);
	sigemptyset(&own);
	sigaddset(&own, kinds[THREAD].signal);
	CHECK("a thread", 1u << THREAD, take_all(&own));
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	pid_t owner[PIPES] = { 0 };
	sigset_t set;
	pid_t pid;

	begin(argc, argv);
	sigfillset(&set);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	all = map_anonymous(NULL, 4096, MAP_SHARED);
	/* What is in them was written before anybody was to be told of it. */
	for (int i = 0; i < PIPES; i++)
		NEED(pipe(ends[i]) == 0 && write(ends[i][1], "before", 6) == 6);
	NEED(pthread_create(&thread, NULL, own_thread, NULL) == 0);
	pid = spawn(child, NULL);
	while (!all->thread)
		sleep_ms(1);
	owner[OWN] = owner[PLAIN] = owner[QUIET] = getpid();
	owner[GROUP] = owner[CHILD] = pid;
	owner[THREAD] = all->thread;
	owner[CHILDS_THREAD] = owner[SELF_MADE] = all->childs_thread;
	for (int i = 0; i < PIPES; i++)
		if (i != SELF_MADE)
			set_owner(i, owner[i]);

	ready();
	wait_until_told();

	for (int i = 0; i < PIPES; i++) {
		struct f_owner_ex got = { -1, -1 };
		int fd = ends[i][0];

		NEED(fcntl(fd, F_GETOWN_EX, &got) == 0);
		if (kinds[i].type >= 0)
			CHECK(kinds[i].name, kinds[i].type, got.type);
		CHECK(kinds[i].name, owner[i], got.pid);
		CHECK("signal", kinds[i].signal, fcntl(fd, F_GETSIG));
		CHECK("O_ASYNC", kinds[i].async ? O_ASYNC : 0, fcntl(fd, F_GETFL) & O_ASYNC);
	}
	all->stage = 1;
	sigset_t rest;

	sigfillset(&rest);
	CHECK("nothing before", 0, take_all(&rest));
	while (all->looked < 2)
		sleep_ms(1);
	for (int i = 0; i < PIPES; i++)
		NEED(write(ends[i][1], "after", 5) == 5);
	all->stage = 2;
	CHECK("this process", 1u << OWN | 1u << PLAIN, take_all(&rest));
	NEED(pthread_join(thread, NULL) == 0);
	expect_exit("child", pid, 0);
	for (int i = 0; i < PIPES; i++) {
		char got[32] = "";

		NEED(read(ends[i][0], got, sizeof(got) - 1) > 0);
		check_text("content", "beforeafter", got);
	}
	return verdict();
}
