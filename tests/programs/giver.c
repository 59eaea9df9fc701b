/*
 * A process that gives children to its own parent all the time (clone(2), CLONE_PARENT): none of
 * them is in its tree. The parent, which goes on meanwhile, counts how they ended.
 */
#include "program.h"

#define LIVE 20

static struct {
	bool stop;
	long born, live, wrong;
} *shared;
static long ended;

static void give(void)
{
	long number = __atomic_add_fetch(&shared->born, 1, __ATOMIC_SEQ_CST);
	pid_t pid;

	__atomic_add_fetch(&shared->live, 1, __ATOMIC_SEQ_CST);
	pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		sleep_ms(number % 3);
		_exit(7);
	}
	if (pid < 0)
		__atomic_add_fetch(&shared->wrong, 1, __ATOMIC_SEQ_CST);
}

static void give_all_the_time(void)
{
	NEED(setsid() > 0);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_SEQ_CST))
		if (__atomic_load_n(&shared->live, __ATOMIC_SEQ_CST) < LIVE)
			give();
	_exit(0);
}

static bool reap(pid_t giver)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	if (pid == giver) {
		CHECK("the giver's end", 0, status);
		return true;
	}
	if (pid > 0) {
		CHECK("a child's end", 7 << 8, status);
		ended++;
		__atomic_sub_fetch(&shared->live, 1, __ATOMIC_SEQ_CST);
	} else {
		NEED(pid == 0 || errno == ECHILD);
		sleep_ms(1);
	}
	return false;
}

int main(int argc, char **argv)
{
	int64_t limit;
	pid_t giver;

	begin(argc, argv);
	shared = map_anonymous(NULL, 4096, MAP_SHARED);
	giver = fork();
	NEED(giver >= 0);
	if (giver == 0)
		give_all_the_time();
	while (ended < 100)
		reap(giver);
	say("GIVER %d", giver);
	ready();
	while (!told())
		reap(giver);

	/* It still gives. */
	limit = now_ns(CLOCK_MONOTONIC) + 30000000000;
	for (long enough = ended + 100; ended < enough && now_ns(CLOCK_MONOTONIC) < limit;)
		reap(giver);
	__atomic_store_n(&shared->stop, true, __ATOMIC_SEQ_CST);
	while (!reap(giver) && now_ns(CLOCK_MONOTONIC) < limit)
		;
	while (ended < shared->born && now_ns(CLOCK_MONOTONIC) < limit)
		reap(giver);
	CHECK("children that have ended", shared->born, ended);
	CHECK("children that could not be made", 0, shared->wrong);
	return verdict();
}
