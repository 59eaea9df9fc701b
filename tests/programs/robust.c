/* Robust mutexes: the list of every thread, and what the next one gets when an owner dies. */
#include "program.h"

static struct {
	pthread_mutex_t by_process, by_thread;
} *shared;

static void *die_with_lock(void *argument)
{
	NEED(pthread_mutex_lock(&shared->by_thread) == 0);
	__atomic_store_n((int *)argument, 1, __ATOMIC_SEQ_CST);
	wait_until_told();
	return NULL;	/* without unlocking */
}

static void die_with_process(void *argument)
{
	(void)argument;
	NEED(pthread_mutex_lock(&shared->by_process) == 0);
	child_is_ready();
	wait_until_told();
	kill(getpid(), SIGKILL);
}

static void get_list(pid_t tid, unsigned long *list)
{
	NEED(syscall(SYS_get_robust_list, tid, &list[0], &list[1]) == 0);
}

int main(int argc, char **argv)
{
	unsigned long before[2], after[2];
	pthread_mutexattr_t robust;
	int locked = 0, status;
	pthread_t thread;
	pid_t child;

	begin(argc, argv);
	shared = map_anonymous(NULL, 4096, MAP_SHARED);
	NEED(!pthread_mutexattr_init(&robust) && !pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST));
	NEED(!pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED));
	NEED(!pthread_mutex_init(&shared->by_process, &robust) && !pthread_mutex_init(&shared->by_thread, &robust));
	child = spawn(die_with_process, NULL);
	NEED(pthread_create(&thread, NULL, die_with_lock, &locked) == 0);
	while (!__atomic_load_n(&locked, __ATOMIC_SEQ_CST))
		sleep_ms(1);
	get_list(0, before);

	ready();
	wait_until_told();

	get_list(0, after);
	CHECK("head of the list", before[0], after[0]);
	CHECK("length of the head", before[1], after[1]);
	NEED(waitpid(child, &status, 0) == child);
	CHECK("end of the child", SIGKILL, status);
	CHECK("lock after a dead process", EOWNERDEAD, pthread_mutex_lock(&shared->by_process));
	CHECK("consistent", 0, pthread_mutex_consistent(&shared->by_process));
	CHECK("unlock", 0, pthread_mutex_unlock(&shared->by_process));
	NEED(pthread_join(thread, NULL) == 0);
	CHECK("lock after a dead thread", EOWNERDEAD, pthread_mutex_lock(&shared->by_thread));
	return verdict();
}
