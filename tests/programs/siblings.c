/*
 * Children that are no begetter's but its parent's (clone(2), CLONE_PARENT), with the exit signal of
 * their begetter, whose memory they have a copy of: one whose begetter lives, one whose begetter has
 * ended, one of a second generation, in groups of their begetters, and a zombie.
 */
#include "program.h"

enum { FIRST, SECOND, LEFT, ZOMBIE, CHILDREN };

static struct {
	volatile pid_t pids[CHILDREN], groups[CHILDREN];
} *all;
static char *memory;
static volatile int own;

static pid_t beget(unsigned long flags)
{
	pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);

	NEED(pid >= 0);
	return pid;
}

static void live(int i)
{
	own = 100 + i;
	all->groups[i] = getpgrp();
	all->pids[i] = getpid();
	wait_until_told();
	CHECK("own memory", 100 + i, own);
	check_pattern("memory of the begetter", memory, 1 << 20, i == LEFT ? 9 : 7);
	CHECK("parent", getsid(0), getppid());
	CHECK("group", all->groups[i], getpgrp());
	while (access("seen", F_OK))
		sleep_ms(1);
	_exit(failures ? 1 : 20 + i);
}

static void wait_for(int i)
{
	while (!all->pids[i])
		sleep_ms(1);
}

static void begetter(void *argument)
{
	pid_t zombie;

	(void)argument;
	NEED(setpgid(0, 0) == 0);
	fill_pattern(memory, 1 << 20, 7);
	if (beget(CLONE_PARENT) == 0) {
		if (beget(CLONE_PARENT) == 0)
			live(SECOND);
		live(FIRST);
	}
	zombie = beget(CLONE_PARENT);
	if (zombie == 0)
		_exit(20 + ZOMBIE);
	all->pids[ZOMBIE] = zombie;
	wait_for(FIRST);
	wait_for(SECOND);
	child_is_ready();
	wait_until_told();
	CHECK("no children of its own", -1, waitpid(-1, NULL, __WALL));
	CHECK("errno", ECHILD, errno);
}

static void begetter_that_ends(void *argument)
{
	(void)argument;
	fill_pattern(memory, 1 << 20, 9);
	if (beget(CLONE_PARENT) == 0)
		live(LEFT);
	wait_for(LEFT);
	child_is_ready();
}

int main(int argc, char **argv)
{
	pid_t lives, ends;
	siginfo_t info;
	int status;

	begin(argc, argv);
	NEED(getsid(0) == getpid());
	all = map_anonymous(NULL, 4096, MAP_SHARED);
	memory = map_anonymous(NULL, 1 << 20, MAP_PRIVATE);
	lives = spawn(begetter, NULL);
	ends = spawn(begetter_that_ends, NULL);
	expect_exit("a begetter that ends", ends, 0);
	NEED(waitid(P_PID, (id_t)all->pids[ZOMBIE], &info, WEXITED | WNOWAIT) == 0);

	ready();
	wait_until_told();

	CHECK("the begetter's group", lives, getpgid(all->pids[FIRST]));
	CHECK("the begetter's group", lives, getpgid(all->pids[SECOND]));
	CHECK("its group", getpgrp(), getpgid(all->pids[LEFT]));
	expect_exit("begetter", lives, 0);
	write_file("seen", "", 0);
	for (int i = 0; i < CHILDREN; i++)
		expect_exit("sibling of its begetter", all->pids[i], 20 + i);
	CHECK("no more", -1, waitpid(-1, &status, __WALL));
	return verdict();
}
