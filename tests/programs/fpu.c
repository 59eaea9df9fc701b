/* What the registers program leaves out: an x87 exception that is pending, with where it came from. */
#include "program.h"
#include <setjmp.h>

struct environment {
	uint16_t control, unused0, status, unused1, tag, unused2;
	uint32_t ip;
	uint16_t cs, opcode;
	uint32_t data;
	uint16_t ds, unused3;
};

static volatile int stop, holding;
static struct environment before, after;
static sigjmp_buf again;
static volatile int code;

static void on_exception(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	code = info->si_code;
	siglongjmp(again, 1);
}

/* 1/0 with that exception unmasked: it comes with the next x87 instruction that waits. */
static void *hold_exception(void *argument)
{
	static const uint16_t control = 0x37b;
	volatile int *word = &stop, *count = &holding;
	struct sigaction action = { .sa_sigaction = on_exception, .sa_flags = SA_SIGINFO };

	NEED(sigaction(SIGFPE, &action, NULL) == 0);
	/* fnstenv masks everything: the control word, with the pending bits, is loaded again. */
	__asm__ volatile("fninit\n fldcw (%2)\n fld1\n fldz\n fdivrp %%st, %%st(1)\n"
			 "fnstenv (%3)\n fldenv (%3)\n lock incl (%1)\n"
			 "1: pause\n mov (%0), %%ecx\n jecxz 1b\n"
			 "fnstenv (%4)\n fldenv (%4)"
			 : : "r"(word), "r"(count), "r"(&control), "r"(&before), "r"(&after)
			 : "rcx", "memory", "st", "st(1)");
	CHECK("pending before", 0x80, before.status & 0x80);
	CHECK("control word", before.control, after.control);
	CHECK("status word", before.status, after.status);
	CHECK("tags", before.tag, after.tag);
	CHECK("instruction", before.ip, after.ip);
	CHECK("its opcode", before.opcode, after.opcode);
	CHECK("its operand", before.data, after.data);
	/* The selectors do not outlive the kernel's own switch of tasks (FXSAVE with REX.W). */
	if (!sigsetjmp(again, 1)) {
		__asm__ volatile("fwait");
		fail("the pending exception did not come");
	}
	CHECK("the exception's code", FPE_FLTDIV, code);
	__asm__ volatile("fninit");
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	begin(argc, argv);
	NEED(pthread_create(&thread, NULL, hold_exception, NULL) == 0);
	while (!holding)
		sched_yield();
	ready();
	wait_until_told();
	stop = 1;
	NEED(pthread_join(thread, NULL) == 0);
	return verdict();
}
