/* The word that the kernel clears when a thread ends (set_tid_address): joining waits for it. */
#include "program.h"

struct ender {
	pthread_t thread;
	unsigned long before;
};

static unsigned long tid_address(void)
{
	unsigned long address = 0;

	/* PR_GET_TID_ADDRESS needs CONFIG_CHECKPOINT_RESTORE, as setting a tid does. */
	NEED(prctl(PR_GET_TID_ADDRESS, &address) == 0);
	return address;
}

static void *run(void *argument)
{
	struct ender *me = argument;

	__atomic_store_n(&me->before, tid_address(), __ATOMIC_SEQ_CST);
	wait_until_told();
	CHECK("address of a thread", me->before, tid_address());
	CHECK("tid in it", tid_of_caller(), *(int *)me->before);
	return argument;
}

static int word = 1;	/* what the child's own address holds */

static void child(void *argument)
{
	int *mine = argument;

	NEED(syscall(SYS_set_tid_address, mine) == getpid());
	__atomic_store_n(mine, 1, __ATOMIC_SEQ_CST);
	child_is_ready();
	wait_until_told();
	CHECK("address of a child", mine, tid_address());
	CHECK("word of a child", 1, *mine);
}

int main(int argc, char **argv)
{
	struct ender enders[3] = { 0 };
	unsigned long before;
	int *shared;
	void *result;
	pid_t pid;

	begin(argc, argv);
	shared = map_anonymous(NULL, 4096, MAP_SHARED);
	pid = spawn(child, shared);
	for (size_t i = 0; i < COUNT(enders); i++) {
		NEED(pthread_create(&enders[i].thread, NULL, run, &enders[i]) == 0);
		while (!__atomic_load_n(&enders[i].before, __ATOMIC_SEQ_CST))
			sleep_ms(1);
	}
	NEED(syscall(SYS_set_tid_address, &word) == getpid());
	before = tid_address();

	ready();
	wait_until_told();

	CHECK("address of the leader", before, tid_address());
	CHECK("its word", 1, word);
	for (size_t i = 0; i < COUNT(enders); i++) {
		NEED(pthread_join(enders[i].thread, &result) == 0);
		CHECK("result", &enders[i], result);
	}
	expect_exit("child", pid, 0);
	return verdict();
}
