/*
 * A signal at the end of the parent (PR_SET_PDEATHSIG), of children of several kinds: it comes when
 * the parent ends after the restore, from that parent, and not before. Variant "thread": the parent
 * of one child is a second thread, whose own end it is told of.
 */
#include "program.h"

enum { BY_PROCESS, BY_REALTIME, WITHOUT, BY_THREAD, CHILDREN };

static const int numbers[CHILDREN] = { SIGUSR1, 45, 0, SIGUSR2 };
static struct {
	volatile pid_t parent, children[CHILDREN];
	volatile int checked, stage;
} *all;

static void child(void *argument)
{
	int i = *(int *)argument, got;
	struct timespec limit = { 5, 0 }, none = { 0, 0 };
	siginfo_t info;
	sigset_t set;

	sigfillset(&set);
	NEED(prctl(PR_SET_PDEATHSIG, numbers[i]) == 0);
	all->children[i] = getpid();
	child_is_ready();
	wait_until_told();
	NEED(prctl(PR_GET_PDEATHSIG, &got) == 0);
	CHECK("death signal", numbers[i], got);
	CHECK("parent", all->parent, getppid());
	CHECK("nothing has come", -1, sigtimedwait(&set, &info, &none));
	__atomic_add_fetch(&all->checked, 1, __ATOMIC_SEQ_CST);
	while (all->stage < (i == BY_THREAD ? 1 : 2))
		sleep_ms(1);
	if (numbers[i]) {
		CHECK("signal at the end", numbers[i], sigtimedwait(&set, &info, &limit));
		CHECK("its sender", all->parent, info.si_pid);
		CHECK("its code", SI_USER, info.si_code);
	}
	if (i == BY_THREAD) {
		CHECK("the process lives on", all->parent, getppid());
		__atomic_add_fetch(&all->checked, 1, __ATOMIC_SEQ_CST);
	}
	while (getppid() == all->parent)
		sleep_ms(1);
	if (i == BY_THREAD)	/* of the thread that was its parent in between */
		CHECK("signal at the end", numbers[i], sigtimedwait(&set, &info, &limit));
	NEED(prctl(PR_GET_PDEATHSIG, &got) == 0);
	CHECK("death signal afterwards", numbers[i], got);
	CHECK("only once", -1, sigtimedwait(&set, &info, &none));
}

static void *beget_in_thread(void *argument)
{
	int i = BY_THREAD;

	spawn(child, &i);
	__atomic_store_n((int *)argument, 1, __ATOMIC_SEQ_CST);
	while (all->stage < 1)
		sleep_ms(1);
	return NULL;
}

static void parent(void *argument)
{
	int count = CHILDREN - 1, begotten = 0;
	bool threaded = *(bool *)argument;
	pthread_t thread;

	all->parent = getpid();
	for (int i = 0; i < BY_THREAD; i++)
		spawn(child, &i);
	if (threaded) {
		NEED(pthread_create(&thread, NULL, beget_in_thread, &begotten) == 0);
		while (!__atomic_load_n(&begotten, __ATOMIC_SEQ_CST))
			sleep_ms(1);
		count++;
	}
	child_is_ready();
	wait_until_told();
	while (all->checked < count)
		sleep_ms(1);
	all->stage = 1;
	if (threaded) {
		NEED(pthread_join(thread, NULL) == 0);
		while (all->checked < count + 1)
			sleep_ms(1);
	}
	all->stage = 2;
}

int main(int argc, char **argv)
{
	bool threaded = !strcmp(variant(argc, argv), "thread");
	sigset_t set;
	pid_t pid;

	begin(argc, argv);
	all = map_anonymous(NULL, 4096, MAP_SHARED);
	NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	sigfillset(&set);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	pid = spawn(parent, &threaded);

	ready();
	wait_until_told();

	expect_exit("parent", pid, 0);
	for (int i = 0; i < CHILDREN; i++)
		if (all->children[i])
			expect_exit("child", all->children[i], 0);
	return verdict();
}
