/* Stopped children stay stopped, until their parent continues them; also one with threads. */
#include "program.h"

static volatile int *progress;

static void *tick(void *argument)
{
	while (!told()) {
		__atomic_add_fetch((int *)argument, 1, __ATOMIC_SEQ_CST);
		sleep_ms(1);
	}
	return NULL;
}

static void live(void *argument)
{
	long i = (long)argument;
	pthread_t thread;

	if (i == 1)
		NEED(pthread_create(&thread, NULL, tick, (void *)&progress[2]) == 0);
	child_is_ready();
	tick((void *)&progress[i]);
	if (i == 1)
		NEED(pthread_join(thread, NULL) == 0);
}

static void stop(pid_t pid, int sig, bool reap)
{
	siginfo_t info;

	NEED(kill(pid, sig) == 0);
	NEED(waitid(P_PID, (id_t)pid, &info, WSTOPPED | (reap ? 0 : WNOWAIT)) == 0);
	NEED(info.si_status == sig);
}

int main(int argc, char **argv)
{
	pid_t simple, threaded, unseen;
	int before[4], status;

	begin(argc, argv);
	progress = map_anonymous(NULL, 4096, MAP_SHARED);
	simple = spawn(live, (void *)0);
	threaded = spawn(live, (void *)1);
	unseen = spawn(live, (void *)3);
	sleep_ms(5);
	stop(simple, SIGSTOP, true);
	stop(threaded, SIGSTOP, true);
	stop(unseen, SIGSTOP, false);	/* the parent has not waited for that stop yet */
	memcpy(before, (void *)progress, sizeof(before));

	ready();
	while (!told())
		sleep_ms(2);

	sleep_ms(20);
	CHECK("state of the stopped one", 'T', task_state(simple, simple));
	CHECK("state of the one with threads", 'T', task_state(threaded, threaded));
	CHECK("state of the unseen one", 'T', task_state(unseen, unseen));
	for (int i = 0; i < 4; i++)
		CHECK("progress while stopped", before[i], progress[i]);
	CHECK("a stop seen before is not seen again", 0, waitpid(simple, &status, WUNTRACED | WNOHANG));
	NEED(kill(simple, SIGCONT) == 0 && kill(threaded, SIGCONT) == 0 && kill(unseen, SIGCONT) == 0);
	expect_exit("stopped child", simple, 0);
	expect_exit("stopped child with threads", threaded, 0);
	expect_exit("stopped child, unseen", unseen, 0);
	return verdict();
}
