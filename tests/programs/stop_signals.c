/*
 * Processes stopped by each of the four signals that do, whose parent has not waited for that yet:
 * with one thread or two; in a group that no shell looks after any more (an orphaned process group,
 * where only SIGSTOP stops), where no other signal comes with the stop.
 * Variant "orphaned": SIGTSTP had stopped it, and its group was orphaned later, without a signal,
 * when its parent began a session: what is to be seen of the stop may be SIGSTOP then.
 */
#include "program.h"

struct stopped {
	const char *name;
	int signal;
	bool threaded, group;
};

static const struct stopped kinds[] = {
	{ "SIGSTOP", SIGSTOP, false, true },
	{ "SIGTSTP", SIGTSTP, false, true },
	{ "SIGTTIN", SIGTTIN, false, true },
	{ "SIGTTOU", SIGTTOU, false, true },
	{ "SIGTSTP, with a thread", SIGTSTP, true, true },
	{ "SIGSTOP, with a thread", SIGSTOP, true, true },
	{ "SIGSTOP in an orphaned group", SIGSTOP, false, false },
	{ "SIGSTOP in an orphaned group, with a thread", SIGSTOP, true, false },
};

static struct {
	volatile int turns[COUNT(kinds)][2];
	volatile bool end;
} *all;

static volatile int hung_up, continued;

static void on_signal(int number)
{
	*(number == SIGHUP ? &hung_up : &continued) += 1;
}

static void *turn(void *argument)
{
	volatile int *turns = argument;

	while (!all->end) {
		++*turns;
		sleep_ms(1);
	}
	return NULL;
}

static void live(void *argument)
{
	long i = (long)argument;
	pthread_t thread;

	if (kinds[i].group)
		NEED(setpgid(0, 0) == 0);
	NEED(signal(SIGHUP, on_signal) != SIG_ERR && signal(SIGCONT, on_signal) != SIG_ERR);
	if (kinds[i].threaded)
		NEED(pthread_create(&thread, NULL, turn, (void *)&all->turns[i][1]) == 0);
	child_is_ready();
	turn((void *)&all->turns[i][0]);
	if (kinds[i].threaded)
		NEED(pthread_join(thread, NULL) == 0);
	CHECK("hung up", 0, hung_up);
	CHECK("continued", 1, continued);
}

static void parent(void *argument)
{
	int turns, status;
	pid_t pid;

	(void)argument;
	pid = spawn(live, (void *)1);
	NEED(kill(pid, SIGTSTP) == 0 && waitpid(pid, &status, WUNTRACED) == pid);
	NEED(WIFSTOPPED(status) && setsid() == getpid());
	NEED(task_state(pid, pid) == 'T');
	turns = all->turns[1][0];
	child_is_ready();
	while (!told())
		sleep_ms(2);
	sleep_ms(20);
	CHECK("state", 'T', task_state(pid, pid));
	CHECK("turns", turns, all->turns[1][0]);
	CHECK("told of it again", 0, waitpid(pid, &status, WUNTRACED | WNOHANG));
	all->end = true;
	NEED(kill(pid, SIGCONT) == 0);
	expect_exit("in an orphaned group", pid, 0);
}

static int stop_orphaned(void)
{
	pid_t pid = spawn(parent, NULL);

	ready();
	wait_until_told();
	expect_exit("parent", pid, 0);
	return verdict();
}

int main(int argc, char **argv)
{
	pid_t pids[COUNT(kinds)];
	int turns[COUNT(kinds)][2];
	siginfo_t info;

	begin(argc, argv);
	all = map_anonymous(NULL, 4096, MAP_SHARED);
	if (!strcmp(variant(argc, argv), "orphaned"))
		return stop_orphaned();
	for (long i = 0; i < (long)COUNT(kinds); i++) {
		pids[i] = spawn(live, (void *)i);
		NEED(kill(pids[i], kinds[i].signal) == 0);
		NEED(waitid(P_PID, (id_t)pids[i], &info, WSTOPPED | WNOWAIT) == 0);
		NEED(info.si_status == kinds[i].signal);
	}
	memcpy(turns, (void *)all->turns, sizeof(turns));

	ready();
	while (!told())
		sleep_ms(2);

	sleep_ms(20);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		char path[64];

		CHECK(kinds[i].name, 'T', task_state(pids[i], pids[i]));
		CHECK("turns", turns[i][0], all->turns[i][0]);
		CHECK("turns of the thread", turns[i][1], all->turns[i][1]);
		memset(&info, 0, sizeof(info));
		NEED(waitid(P_PID, (id_t)pids[i], &info, WSTOPPED | WNOHANG) == 0);
		CHECK("whose stop", pids[i], info.si_pid);
		CHECK("code", CLD_STOPPED, info.si_code);
		CHECK(kinds[i].name, kinds[i].signal, info.si_status);
		snprintf(path, sizeof(path), "/proc/%d/status", pids[i]);
		CHECK("pending", 0, status_number(path, "SigPnd", 16));
		CHECK("pending of the process", 0, status_number(path, "ShdPnd", 16));
		info.si_pid = 0;
		NEED(waitid(P_PID, (id_t)pids[i], &info, WSTOPPED | WNOHANG) == 0);
		CHECK("only once", 0, info.si_pid);
	}
	all->end = true;
	for (size_t i = 0; i < COUNT(kinds); i++)
		NEED(kill(pids[i], SIGCONT) == 0);
	for (size_t i = 0; i < COUNT(kinds); i++)
		expect_exit(kinds[i].name, pids[i], 0);
	return verdict();
}
