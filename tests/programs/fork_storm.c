/*
 * Processes that are hard to stop all at once: few live at a time and none for long, each forks the
 * next one and ends ("chain"); or gives the next one to its own parent ("siblings", CLONE_PARENT); or
 * each forks others besides while fewer than CROWD live ("crowd"). The first process takes all orphans
 * in and counts how they ended.
 */
#include "program.h"

#define CROWD 40
#define CHAINS 4

static struct {
	bool stop;
	long born, ended, live, wrong;
} *shared;
static bool crowd, siblings;
static pid_t root;

static void live_shortly(long number, bool stem);

static void beget(bool stem)
{
	long number = __atomic_add_fetch(&shared->born, 1, __ATOMIC_SEQ_CST);
	pid_t pid;

	__atomic_add_fetch(&shared->live, 1, __ATOMIC_SEQ_CST);
	/* A sibling's parent may be stopped, and its children known, by now. */
	pid = siblings && getpid() != root ? (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) : fork();
	if (pid == 0) {
		live_shortly(number, stem);
		_exit((int)(number % 100));
	}
	if (pid < 0)
		__atomic_add_fetch(&shared->wrong, 1, __ATOMIC_SEQ_CST);
}

static void live_shortly(long number, bool stem)
{
	if (!__atomic_load_n(&shared->stop, __ATOMIC_SEQ_CST)) {
		if (stem)
			beget(true);
		for (int i = 0; i < 2 && crowd && __atomic_load_n(&shared->live, __ATOMIC_SEQ_CST) < CROWD; i++)
			beget(false);
	}
	if (crowd && number % 4 == 0)
		sleep_ms(number % 16);
}

static void reap(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	if (pid <= 0) {
		NEED(pid == 0 || errno == ECHILD || errno == EINTR);
		sleep_ms(1);
		return;
	}
	if (!WIFEXITED(status))
		fail("a process ended with wait status %#x", (unsigned)status);
	shared->ended++;
	__atomic_sub_fetch(&shared->live, 1, __ATOMIC_SEQ_CST);
}

static void reap_until(long count)
{
	for (int64_t limit = now_ns(CLOCK_MONOTONIC) + 30000000000; shared->ended < count;) {
		if (now_ns(CLOCK_MONOTONIC) > limit)
			break;
		reap();
	}
	check_between("processes that have ended", count, LONG_MAX, shared->ended);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	crowd = !strcmp(variant(argc, argv), "crowd");
	siblings = !strcmp(variant(argc, argv), "siblings");
	root = getpid();
	shared = map_anonymous(NULL, 4096, MAP_SHARED);
	NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	for (int i = 0; i < CHAINS; i++)
		beget(true);
	reap_until(200);

	ready();
	while (!told())
		reap();

	reap_until(shared->ended + 200);
	__atomic_store_n(&shared->stop, true, __ATOMIC_SEQ_CST);
	for (int i = 0; __atomic_load_n(&shared->live, __ATOMIC_SEQ_CST) && i < 60000; i++)
		reap();
	CHECK("processes left", 0, shared->live);
	CHECK("processes that have ended", shared->born, shared->ended);
	CHECK("forks that failed", 0, shared->wrong);
	return verdict();
}
