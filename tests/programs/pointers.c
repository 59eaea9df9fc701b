/*
 * Addresses that the kernel keeps for threads, in unusual shapes: an rseq area larger than the first
 * version's, none, a robust list that lies nowhere, no address to clear at the end, or another.
 */
#include "program.h"
#include <sys/rseq.h>

#define UNREGISTER 1
#define LARGE 256
#define NOWHERE ((void *)0x10)
/* Of the last 4095 addresses get_robust_list says that it failed, with the address for its error. */
#define LAST ((void *)-8l)

static volatile int prepared;
static pid_t cleared = 1;

static void *tid_address(void)
{
	void *address = NULL;

	NEED(prctl(PR_GET_TID_ADDRESS, &address) == 0);
	return address;
}

static void unregister(void)
{
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;

	NEED(syscall(SYS_rseq, area, 32, UNREGISTER, RSEQ_SIG) == 0);
}

static void check_robust(void *head, size_t size)
{
	void *got;
	size_t length;

	CHECK("get_robust_list", 0, syscall(SYS_get_robust_list, 0, &got, &length));
	CHECK("robust list", (long)head, (long)got);
	CHECK("its size", size, length);
}

static void *hold_large(void *argument)
{
	static char area[LARGE] __attribute__((aligned(LARGE)));
	struct rseq *mine = (struct rseq *)area;
	int tries = 0;
	unsigned cpu;

	unregister();
	NEED(syscall(SYS_rseq, area, LARGE, 0, 0x12345678) == 0);
	NEED(syscall(SYS_set_robust_list, NOWHERE, 24) == 0);
	__atomic_add_fetch(&prepared, 1, __ATOMIC_SEQ_CST);
	wait_until_told();
	check_robust(NOWHERE, 24);
	do
		NEED(syscall(SYS_getcpu, &cpu, NULL, NULL) == 0);
	while (cpu != mine->cpu_id && tries++ < 1000);
	CHECK("CPU number in the large area", cpu, mine->cpu_id);
	CHECK("unregistering as small", -1, syscall(SYS_rseq, area, 32, UNREGISTER, 0x12345678));
	CHECK("with another signature", -1, syscall(SYS_rseq, area, LARGE, UNREGISTER, RSEQ_SIG));
	CHECK("unregistering", 0, syscall(SYS_rseq, area, LARGE, UNREGISTER, 0x12345678));
	return argument;
}

static void *hold_none(void *argument)
{
	void *head;
	size_t size;

	unregister();
	NEED(syscall(SYS_get_robust_list, 0, &head, &size) == 0);
	__atomic_add_fetch(&prepared, 1, __ATOMIC_SEQ_CST);
	wait_until_told();
	check_robust(head, size);
	CHECK("unregistering", -1,
	      syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32, UNREGISTER,
		      RSEQ_SIG));
	CHECK("errno", EINVAL, errno);
	return argument;
}

/* Not pthread_create's: its end would wait for the address that it gave. */
static void *hold_address(void *argument)
{
	NEED(syscall(SYS_set_tid_address, &cleared) == tid_of_caller());
	__atomic_add_fetch(&prepared, 1, __ATOMIC_SEQ_CST);
	wait_until_told();
	CHECK("address to clear", (long)&cleared, (long)tid_address());
	syscall(SYS_exit, 0);
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t threads[3];
	void *before;
	size_t length;

	begin(argc, argv);
	if (!__rseq_size)
		skip("glibc has not registered rseq");
	before = tid_address();
	NEED(syscall(SYS_set_tid_address, 0) == getpid());
	NEED(syscall(SYS_set_robust_list, LAST, 24) == 0);
	NEED(before && pthread_create(&threads[0], NULL, hold_large, NULL) == 0);
	NEED(pthread_create(&threads[1], NULL, hold_none, NULL) == 0);
	NEED(pthread_create(&threads[2], NULL, hold_address, NULL) == 0);
	while (prepared < 3)
		sched_yield();
	ready();
	wait_until_told();

	CHECK("get_robust_list of the first thread", -1,
	      syscall(SYS_get_robust_list, 0, &before, &length));
	CHECK("errno", 8, errno);
	CHECK("address to clear of the first thread", 0, (long)tid_address());
	NEED(pthread_join(threads[0], NULL) == 0);
	NEED(pthread_join(threads[1], NULL) == 0);
	for (int i = 0; *(volatile pid_t *)&cleared && i < 5000; i++)
		sleep_ms(1);
	CHECK("cleared at the end", 0, *(volatile pid_t *)&cleared);
	return verdict();
}
