/* A program that single-steps itself: the trap flag is set, and a handler counts the steps. */
#include "program.h"

static volatile long steps;
static volatile int stop;

static void count(int signal)
{
	(void)signal;
	if (++steps == 10000)
		ready();
	if (steps % 10000 == 0 && told())
		stop = 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = count };

	begin(argc, argv);
	NEED(sigaction(SIGTRAP, &action, NULL) == 0);
	__asm__ volatile("sub $128, %%rsp\n pushfq\n orl $0x100, (%%rsp)\n popfq\n"
			 "1: nop\n nop\n nop\n nop\n nop\n nop\n nop\n nop\n mov (%0), %%ecx\n jecxz 1b\n"
			 "pushfq\n andl $~0x100, (%%rsp)\n popfq\n add $128, %%rsp"
			 : : "r"(&stop) : "rcx", "memory", "cc");
	CHECK("told", 1, told());
	check_between("steps", 10000, LONG_MAX, steps);
	return verdict();
}
