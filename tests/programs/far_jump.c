/*
 * A 64-bit program that is in 32-bit code just now: a far jump to the kernel's 32-bit code segment.
 * Variant: thread, where a second thread is.
 */
#include "program.h"

#define CODE 0x10000000ul
#define STOP (*(volatile int *)(CODE + 0x1000))
#define INSIDE (*(volatile int *)(CODE + 0x1010))

extern const char low_start[], low_end[];

/* 0x33 is __USER_CS, 0x23 __USER32_CS, 0x2b __USER_DS (asm/segment.h); 32-bit code needs a data
 * segment, and a stack below 4 GiB. */
__asm__(".pushsection .rodata\n"
	"low_start:\n"
	" mov %rsp, 0x10001008\n mov $0x10001f00, %esp\n mov $0x2b, %eax\n mov %eax, %ds\n"
	" pushq $0x23\n pushq $0x10000000 + (low_32 - low_start)\n lretq\n"
	".code32\n"
	"low_32: incl 0x10001010\n"
	"1: pause\n mov 0x10001000, %eax\n test %eax, %eax\n je 1b\n"
	" ljmp $0x33, $0x10000000 + (low_back - low_start)\n"
	".code64\n"
	"low_back: mov 0x10001008, %rsp\n ret\n"
	"low_end:\n"
	".popsection");

static void jump(void)
{
	uint64_t function = CODE;

	/* 32-bit code may change the upper halves of all registers. */
	__asm__ volatile("sub $128, %%rsp\n push %%rbp\n push %%rbx\n call *%%rax\n pop %%rbx\n pop %%rbp\n"
			 "add $128, %%rsp"
			 : "+a"(function)
			 : : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
			   "memory", "cc");
}

static void *run(void *argument)
{
	jump();
	return argument;
}

static void *announce(void *argument)
{
	while (!INSIDE)
		sched_yield();
	ready();
	wait_until_told();
	STOP = 1;
	return argument;
}

int main(int argc, char **argv)
{
	bool second = !strcmp(variant(argc, argv), "thread");
	pthread_t thread;

	begin(argc, argv);
	NEED(mmap((void *)CODE, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)CODE);
	memcpy((void *)CODE, low_start, (size_t)(low_end - low_start));
	NEED(pthread_create(&thread, NULL, second ? run : announce, NULL) == 0);
	(second ? announce : run)(NULL);
	NEED(pthread_join(thread, NULL) == 0);
	return verdict();
}
