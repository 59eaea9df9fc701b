/*
 * Who takes in orphans (PR_SET_CHILD_SUBREAPER): a process in the middle of the tree, set by a
 * thread of it that has exited since; one that is none any more, so that the next above takes them;
 * and orphans of before, whose parent is the subreaper already.
 */
#include "program.h"

enum { KEEPS, GAVE_UP, KINDS };

static struct {
	pid_t reaper[KINDS], parent[KINDS], orphan[KINDS], adopted[KINDS];
	volatile int checked;
} *all;

static void *become_subreaper(void *argument)
{
	(void)argument;
	NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	return NULL;
}

/* Its parent ends after the restore: who is its parent then? */
static void orphan(void *argument)
{
	int kind = *(int *)argument;
	pid_t expected = kind == KEEPS ? all->reaper[KEEPS] : getsid(0);

	all->orphan[kind] = getpid();
	child_is_ready();
	wait_until_told();
	CHECK("parent", all->parent[kind], getppid());
	__atomic_add_fetch(&all->checked, 1, __ATOMIC_SEQ_CST);
	while (getppid() == all->parent[kind])
		sleep_ms(1);
	CHECK("new parent", expected, getppid());
}

static void parent(void *argument)
{
	int kind = *(int *)argument;

	all->parent[kind] = getpid();
	spawn(orphan, argument);
	child_is_ready();
	wait_until_told();
	while (all->checked < KINDS)
		sleep_ms(1);
}

/* An orphan already. */
static void adopted(void *argument)
{
	int kind = *(int *)argument;
	pid_t first = getppid();

	all->adopted[kind] = getpid();
	child_is_ready();
	while (getppid() == first)
		sleep_ms(1);
	wait_until_told();
	CHECK("parent of the one adopted", all->reaper[kind], getppid());
}

static void short_lived(void *argument)
{
	spawn(adopted, argument);
	child_is_ready();
}

static void reaper(void *argument)
{
	int kind = *(int *)argument, is, status;
	pthread_t thread;
	pid_t ended;

	all->reaper[kind] = getpid();
	NEED(pthread_create(&thread, NULL, become_subreaper, NULL) == 0);
	NEED(pthread_join(thread, NULL) == 0);
	ended = spawn(short_lived, argument);
	expect_exit("parent of the one adopted", ended, 0);
	spawn(parent, argument);
	if (kind == GAVE_UP)
		NEED(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	child_is_ready();
	wait_until_told();
	NEED(prctl(PR_GET_CHILD_SUBREAPER, &is) == 0);
	CHECK("subreaper", kind == KEEPS, is);
	/* The parent, the one adopted, and where it still takes them in, the orphan. */
	for (int i = 0; i < (kind == KEEPS ? 3 : 2); i++) {
		NEED(wait(&status) > 0);
		CHECK("status of a child", 0, status);
	}
	CHECK("no more children", -1, wait(&status));
}

int main(int argc, char **argv)
{
	int kinds[KINDS] = { KEEPS, GAVE_UP };

	begin(argc, argv);
	all = map_anonymous(NULL, 4096, MAP_SHARED);
	NEED(getsid(0) == getpid());
	NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	for (int kind = 0; kind < KINDS; kind++)
		spawn(reaper, &kinds[kind]);

	ready();
	wait_until_told();

	expect_exit("reaper", all->reaper[KEEPS], 0);
	/* It has waited for the orphan's parent. */
	expect_exit("reaper no more", all->reaper[GAVE_UP], 0);
	expect_exit("orphan that came to the root", all->orphan[GAVE_UP], 0);
	return verdict();
}
