/*
 * glibc's restartable sequences: the registration of each thread, the CPU number that the kernel
 * keeps in it, and a sequence that is cut short by an interruption, be it as long as a restore.
 */
#include "program.h"
#include <sys/rseq.h>

#define UNREGISTER 1	/* RSEQ_FLAG_UNREGISTER, linux/rseq.h */
#define LONG_GAP 100000000ul	/* of the TSC: some 40 ms */

static struct rseq *area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/*
 * Spins inside a sequence. Returns the longest time for which nothing ran there, or 0 if the kernel
 * went to the abort handler: it always does when the thread was interrupted.
 */
static unsigned long spin_in_sequence(unsigned long ticks)
{
	unsigned long longest = 0;

	__asm__ volatile(
		".pushsection __rseq_cs, \"aw\"\n .balign 32\n"
		"3: .long 0, 0\n .quad 1f, 2f - 1f, 4f\n .popsection\n"
		"lea 3b(%%rip), %%rax\n mov %%rax, 8(%[rseq])\n"
		"1: rdtsc\n shl $32, %%rdx\n or %%rdx, %%rax\n mov %%rax, %%r8\n mov %%rax, %%r9\n"
		"5: rdtsc\n shl $32, %%rdx\n or %%rdx, %%rax\n"
		"mov %%rax, %%rcx\n sub %%r9, %%rcx\n cmp %[longest], %%rcx\n cmova %%rcx, %[longest]\n"
		"mov %%rax, %%r9\n sub %%r8, %%rax\n cmp %[ticks], %%rax\n jb 5b\n"
		"2: jmp 6f\n"
		".byte 0x0f, 0xb9, 0x3d\n .long %c[signature]\n"
		"4: xor %k[longest], %k[longest]\n"
		"6: movq $0, 8(%[rseq])\n"
		: [longest] "+r"(longest)
		: [rseq] "r"(area()), [ticks] "r"(ticks), [signature] "i"(RSEQ_SIG)
		: "rax", "rcx", "rdx", "r8", "r9", "memory", "cc");
	return longest;
}

static void check_registration(void)
{
	struct rseq *mine = area();
	unsigned cpu = 0;
	int tries = 0;

	CHECK("registering again", -1, syscall(SYS_rseq, mine, sizeof(*mine), 0, RSEQ_SIG));
	CHECK("errno", EBUSY, errno);
	do
		NEED(syscall(SYS_getcpu, &cpu, NULL, NULL) == 0);
	while (cpu != mine->cpu_id && tries++ < 1000);
	CHECK("CPU number in the area", cpu, mine->cpu_id);
	CHECK("and where it started", cpu, mine->cpu_id_start);
	CHECK("unregistering", 0, syscall(SYS_rseq, mine, sizeof(*mine), UNREGISTER, RSEQ_SIG));
	CHECK("CPU number when unregistered", (unsigned)RSEQ_CPU_ID_UNINITIALIZED, mine->cpu_id);
	CHECK("registering", 0, syscall(SYS_rseq, mine, sizeof(*mine), 0, RSEQ_SIG));
	sched_yield();
	check_between("CPU number when registered", 0, sysconf(_SC_NPROCESSORS_CONF), (int)mine->cpu_id);
}

static volatile bool started;

static void *run(void *argument)
{
	started = true;
	while (!told()) {
		unsigned long longest = spin_in_sequence(50000000);

		if (longest > LONG_GAP)
			fail("a sequence went on after an interruption of %lu ticks", longest);
	}
	check_registration();
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	begin(argc, argv);
	if (!__rseq_size)
		skip("glibc has not registered rseq");
	NEED(pthread_create(&thread, NULL, run, NULL) == 0);

	while (!started)
		sleep_ms(1);
	ready();
	wait_until_told();

	check_registration();
	NEED(pthread_join(thread, NULL) == 0);
	return verdict();
}
