/*
 * All bits of the flags register that a program can set, in a thread that is caught in user mode
 * and in one that is caught in system calls (variant "alone": in the first thread).
 */
#include "program.h"

/* CF PF AF ZF SF DF OF NT AC ID; the alignment check makes odd accesses of compiled code fault. */
#define ALL_FLAGS 0x244cd5ul
#define NONE 0ul
#define MASK 0x244cd5ul

static volatile int stop, holding;
static struct timespec short_time = { 0, 1000000 };

struct holder {
	unsigned long flags;
	bool by_syscalls;
};

/* Nothing in the loop changes a flag; what happens on the stack is aligned. */
static unsigned long hold(unsigned long flags, bool by_syscalls)
{
	volatile int *word = &stop, *count = &holding;
	unsigned long got;

	if (by_syscalls)
		__asm__ volatile("sub $128, %%rsp\n pushfq\n lock incl (%3)\n push %1\n popfq\n"
				 "1: mov $35, %%eax\n mov %4, %%rdi\n mov $0, %%esi\n syscall\n"
				 "mov (%2), %%ecx\n jecxz 1b\n"
				 "pushfq\n pop %0\n popfq\n lea 128(%%rsp), %%rsp\n"
				 : "=&r"(got)
				 : "r"(flags), "r"(word), "r"(count), "r"(&short_time)
				 : "rax", "rcx", "rsi", "rdi", "r11", "memory", "cc");
	else
		__asm__ volatile("sub $128, %%rsp\n pushfq\n lock incl (%3)\n push %1\n popfq\n"
				 "1: pause\n mov (%2), %%ecx\n jecxz 1b\n"
				 "pushfq\n pop %0\n popfq\n lea 128(%%rsp), %%rsp\n"
				 : "=&r"(got)
				 : "r"(flags), "r"(word), "r"(count)
				 : "rcx", "memory", "cc");
	return got & MASK;
}

static void *run(void *argument)
{
	struct holder *me = argument;
	unsigned long got = hold(me->flags, me->by_syscalls);

	CHECK(me->by_syscalls ? "flags in system calls" : "flags in user mode", me->flags, got);
	return NULL;
}

static void *announce(void *unused)
{
	while (holding < (unused ? 1 : 4))
		sched_yield();
	ready();
	wait_until_told();
	stop = 1;
	return NULL;
}

int main(int argc, char **argv)
{
	static struct holder holders[] = {
		{ ALL_FLAGS, false }, { ALL_FLAGS, true }, { NONE, false }, { NONE, true },
	};
	pthread_t threads[4];

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "alone")) {
		NEED(pthread_create(&threads[0], NULL, announce, argv) == 0);
		run(&holders[0]);
		NEED(pthread_join(threads[0], NULL) == 0);
		return verdict();
	}
	for (int i = 0; i < 4; i++)
		NEED(pthread_create(&threads[i], NULL, run, &holders[i]) == 0);
	announce(NULL);
	for (int i = 0; i < 4; i++)
		NEED(pthread_join(threads[i], NULL) == 0);
	return verdict();
}
