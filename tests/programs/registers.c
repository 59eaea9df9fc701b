/*
 * Every register of two threads, one caught in user mode and one in system calls: the general ones,
 * the direction flag, GS, x87, MXCSR and all components that XSAVE knows on this CPU.
 */
#include "program.h"
#include <asm/prctl.h>
#include <cpuid.h>

#define AREA 16384

static volatile int stop;
static volatile int spinning;

struct general {
	uint64_t r8, r9, r10, r12, r13, r14, r15, flags;
};

struct component {
	unsigned number, offset, size;
};

static struct component components[64];
static int component_count;

static void xsave(char *area, uint64_t mask)
{
	__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)) : "memory");
}

/* AVX (2), opmask (5), the upper halves of ZMM (6, 7): data without rules (Intel SDM 1, 13.4). */
static uint64_t find_components(void)
{
	unsigned a, b, c, d;

	NEED(__get_cpuid_count(0xd, 0, &a, &b, &c, &d));
	NEED(b <= AREA);
	for (unsigned i = 2; i < 8; i++) {
		unsigned size, offset, unused;

		if (!(a >> i & 1) || i == 3 || i == 4)
			continue;
		NEED(__get_cpuid_count(0xd, i, &size, &offset, &unused, &d));
		components[component_count++] = (struct component){ i, offset, size };
	}
	return (a & 0xe4) | 3;
}

static void build_area(char *area, uint64_t mask, uint64_t seed)
{
	memset(area, 0, AREA);
	xsave(area, mask);
	*(uint16_t *)area = 0x0f7f;			/* FCW: toward zero, all masked */
	*(uint16_t *)(area + 2) = 0x3800;		/* FSW: top of stack 7 */
	area[4] = (char)0xff;				/* FTW: all in use */
	*(uint32_t *)(area + 24) = 0x5f80;		/* MXCSR: upward, all masked */
	for (int i = 0; i < 8; i++) {
		fill_pattern(area + 32 + 16 * i, 8, seed + (uint64_t)i);
		area[32 + 16 * i + 7] |= (char)0x80;	/* normal numbers */
		*(uint16_t *)(area + 32 + 16 * i + 8) = (uint16_t)(0x3fff + i);
	}
	fill_pattern(area + 160, 256, seed + 100);
	for (int i = 0; i < component_count; i++)
		fill_pattern(area + components[i].offset, components[i].size, seed + 200 + (uint64_t)i);
	*(uint64_t *)(area + 512) = mask;		/* XSTATE_BV */
}

/* Loads everything, waits for `stop`, stores everything: nothing of the compiler's in between. */
static void hold(char *in, char *out, uint64_t mask, struct general *got, int by_syscalls)
{
	static struct timespec short_time = { 0, 1000000 };
	volatile int *flags[2] = { &stop, &spinning };
	struct {
		uint64_t in, out, mask, got, stop, spinning, by_syscalls, time;
	} args = { (uint64_t)in, (uint64_t)out, mask, (uint64_t)got, (uint64_t)flags[0],
		   (uint64_t)flags[1], (uint64_t)by_syscalls, (uint64_t)&short_time };

	/* The locals may lie in the red zone below the stack pointer. */
	__asm__ volatile(
		"sub $128, %%rsp\n push %%rbp\n mov %%rbx, %%rbp\n"
		"mov (%%rbp), %%rsi\n mov 16(%%rbp), %%eax\n mov 20(%%rbp), %%edx\n xrstor64 (%%rsi)\n"
		"mov 32(%%rbp), %%rbx\n"
		"mov $0x1111111111111111, %%r8\n mov $0x2222222222222222, %%r9\n"
		"mov $0x3333333333333333, %%r10\n mov $0x4444444444444444, %%r12\n"
		"mov $0x5555555555555555, %%r13\n mov $0x6666666666666666, %%r14\n"
		"mov $0x7777777777777777, %%r15\n std\n"
		"mov 40(%%rbp), %%rcx\n lock incl (%%rcx)\n"
		"1: cmpl $0, 48(%%rbp)\n je 2f\n"
		"mov $35, %%eax\n mov 56(%%rbp), %%rdi\n xor %%esi, %%esi\n syscall\n"	/* nanosleep */
		"2: pause\n cmpl $0, (%%rbx)\n je 1b\n"
		"mov 24(%%rbp), %%rdi\n"
		"mov %%r8, (%%rdi)\n mov %%r9, 8(%%rdi)\n mov %%r10, 16(%%rdi)\n mov %%r12, 24(%%rdi)\n"
		"mov %%r13, 32(%%rdi)\n mov %%r14, 40(%%rdi)\n mov %%r15, 48(%%rdi)\n"
		"pushf\n pop 56(%%rdi)\n cld\n"
		"mov 16(%%rbp), %%eax\n mov 20(%%rbp), %%edx\n mov 8(%%rbp), %%rsi\n xsave64 (%%rsi)\n"
		"fninit\n ldmxcsr 72(%%rdi)\n pop %%rbp\n add $128, %%rsp\n"
		: : "b"(&args)
		: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
		  "memory", "cc");
}

struct holder {
	int by_syscalls;
	uint64_t mask;
	char *in, *out;
	struct {
		struct general general;
		uint64_t unused, mxcsr;
	} got;
};

static void *run(void *argument)
{
	struct holder *me = argument;
	unsigned long base = 0x700000001000ul + 0x1000ul * (unsigned long)me->by_syscalls, got;

	NEED(syscall(SYS_arch_prctl, ARCH_SET_GS, base) == 0);
	me->got.mxcsr = 0x1f80;
	hold(me->in, me->out, me->mask, &me->got.general, me->by_syscalls);
	NEED(syscall(SYS_arch_prctl, ARCH_GET_GS, &got) == 0);
	CHECK("base of GS", base, got);
	return NULL;
}

static void check_area(struct holder *holder)
{
	char what[64];

	CHECK("x87 control word", *(uint16_t *)holder->in, *(uint16_t *)holder->out);
	CHECK("x87 status word", *(uint16_t *)(holder->in + 2), *(uint16_t *)(holder->out + 2));
	CHECK("x87 tags", holder->in[4], holder->out[4]);
	CHECK("MXCSR", *(uint32_t *)(holder->in + 24), *(uint32_t *)(holder->out + 24));
	for (int i = 0; i < 8; i++)
		check_bytes("x87 register", holder->in + 32 + 16 * i, holder->out + 32 + 16 * i, 10);
	check_bytes("XMM", holder->in + 160, holder->out + 160, 256);
	for (int i = 0; i < component_count; i++) {
		struct component *c = &components[i];

		snprintf(what, sizeof(what), "XSAVE component %u", c->number);
		check_bytes(what, holder->in + c->offset, holder->out + c->offset, c->size);
	}
}

int main(int argc, char **argv)
{
	static const uint64_t words[] = { 0x1111111111111111, 0x2222222222222222, 0x3333333333333333,
		0x4444444444444444, 0x5555555555555555, 0x6666666666666666, 0x7777777777777777 };
	struct holder holders[2] = { { .by_syscalls = 0 }, { .by_syscalls = 1 } };
	pthread_t threads[2];
	uint64_t mask;

	begin(argc, argv);
	mask = find_components();
	for (int i = 0; i < 2; i++) {
		holders[i].mask = mask;
		NEED(holders[i].in = aligned_alloc(64, AREA));
		NEED(holders[i].out = aligned_alloc(64, AREA));
		memset(holders[i].out, 0, AREA);
		build_area(holders[i].in, mask, (uint64_t)i * 1000);
		NEED(pthread_create(&threads[i], NULL, run, &holders[i]) == 0);
	}
	while (spinning < 2)
		sleep_ms(1);

	ready();
	wait_until_told();

	stop = 1;
	for (int i = 0; i < 2; i++) {
		NEED(pthread_join(threads[i], NULL) == 0);
		check_bytes("general registers", words, &holders[i].got.general, sizeof(words));
		CHECK("direction flag", 0x400, holders[i].got.general.flags & 0x400);
		check_area(&holders[i]);
	}
	return verdict();
}
