/*
 * Segments: descriptors of a thread's own in the global table (set_thread_area, which only 32-bit
 * system calls reach) and of the process in its local table (modify_ldt), and selectors of both in
 * registers. Variants: threads, where each thread has other descriptors; child, a process forked
 * by one with a local table, which has a copy of it.
 */
#include "program.h"
#include <asm/ldt.h>

#define ENTRIES 3

static char *low;		/* memory that 32-bit bases reach: a page for each thread */
static volatile int prepared;

static long modify_ldt(int function, void *at, unsigned long size)
{
	return (int)syscall(SYS_modify_ldt, function, at, size);
}

static struct user_desc descriptor(unsigned number, void *base)
{
	struct user_desc d;

	memset(&d, 0, sizeof(d));
	d.entry_number = number;
	d.base_addr = (unsigned)(uintptr_t)base;
	d.limit = 0xfff;
	d.seg_32bit = 1;
	d.useable = 1;
	return d;
}

static void no_32bit_calls(int signal)
{
	(void)signal;
	skip("this kernel has no 32-bit system calls");
}

/* In memory that a 32-bit pointer reaches. Returns the entry's number. */
static unsigned set_thread_area(char *page, void *base)
{
	struct user_desc *d = (struct user_desc *)page;
	int result;

	*d = descriptor(-1u, base);
	__asm__ volatile("int $0x80" : "=a"(result) : "0"(243), "b"(d)
			 : "memory", "r8", "r9", "r10", "r11");
	NEED(result == 0);
	return d->entry_number;
}

static unsigned read_gs(void)
{
	unsigned value;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(value));
	return value;
}

static void load_gs(unsigned selector)
{
	__asm__ volatile("mov %0, %%gs" : : "r"(selector));
}

static unsigned selector_in_gs(void)
{
	unsigned short value;

	__asm__ volatile("mov %%gs, %0" : "=r"(value));
	return value;
}

static unsigned selector_in_es(void)
{
	unsigned short value;

	__asm__ volatile("mov %%es, %0" : "=r"(value));
	return value;
}

/* Two segments of this thread, the second in use; a hole is left where a third was. */
static void *hold(void *argument)
{
	char *page = low + 4096 * (size_t)argument, *other = page + 2048;
	unsigned value = 0x1000 + (unsigned)(size_t)argument, first, second;

	*(unsigned *)(page + 64) = value;
	*(unsigned *)(other) = ~value;
	first = set_thread_area(page, page + 64);
	second = set_thread_area(page, other);
	load_gs(second << 3 | 3);
	__asm__ volatile("mov %0, %%es" : : "r"(0 << 3 | 7));	/* of the local table */
	__atomic_add_fetch(&prepared, 1, __ATOMIC_SEQ_CST);
	if (argument == NULL) {
		while (prepared < (low[0x7000] ? 3 : 1))
			sched_yield();
		ready();
	}
	wait_until_told();
	CHECK("selector in GS", second << 3 | 3, selector_in_gs());
	CHECK("selector in ES", 7, selector_in_es());
	CHECK("through GS", ~value, read_gs());
	load_gs(first << 3 | 3);
	CHECK("through GS, loaded with the first segment", value, read_gs());
	load_gs(second << 3 | 3);
	CHECK("through GS, loaded with the second segment", ~value, read_gs());
	load_gs(2 << 3 | 7);
	CHECK("through GS, loaded with one of the local table", 0x5a5a5a5a, read_gs());
	load_gs(0);
	return NULL;
}

static void check_table(const char *expected, long size)
{
	static char table[LDT_ENTRIES * LDT_ENTRY_SIZE];

	CHECK("reading the local table", size, modify_ldt(0, table, (unsigned long)size));
	check_bytes("local table", expected, table, (size_t)size);
}

static char expected[LDT_ENTRIES * LDT_ENTRY_SIZE];

static void child(void *unused)
{
	struct user_desc d = descriptor(5, low + 0x100);

	(void)unused;
	NEED(modify_ldt(0x11, &d, sizeof(d)) == 0);
	NEED(modify_ldt(0, expected, sizeof(expected)) > 0);
	child_is_ready();
	wait_until_told();
	check_table(expected, sizeof(expected));
}

int main(int argc, char **argv)
{
	struct user_desc d;
	pthread_t threads[2];
	pid_t pid = 0;
	bool many;

	begin(argc, argv);
	many = !strcmp(variant(argc, argv), "threads");
	low = mmap(NULL, 0x8000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	NEED(low != MAP_FAILED);
	low[0x7000] = many;
	NEED(signal(SIGSEGV, no_32bit_calls) != SIG_ERR);
	set_thread_area(low, low);
	NEED(signal(SIGSEGV, SIG_DFL) != SIG_ERR);
	*(struct user_desc *)low = descriptor(12, 0);	/* take it back: empty */
	*(unsigned *)(low + 0x4000) = 0x5a5a5a5a;

	d = descriptor(0, low);
	if (modify_ldt(0x11, &d, sizeof(d)) != 0 && errno == ENOSYS)
		skip("this kernel has no modify_ldt");
	d = descriptor(2, low + 0x4000);
	NEED(modify_ldt(0x11, &d, sizeof(d)) == 0);
	d.entry_number = 100;	/* code, 4 KiB units, not usable by the system, absent */
	d.contents = MODIFY_LDT_CONTENTS_CODE;
	d.read_exec_only = 1;
	d.limit_in_pages = 1;
	d.seg_not_present = 1;
	d.useable = 0;
	NEED(modify_ldt(0x11, &d, sizeof(d)) == 0);
	d = descriptor(8191, low + 0x123);	/* the last one there is; grows down */
	d.contents = MODIFY_LDT_CONTENTS_STACK;
	d.limit = 0xabcde;
	NEED(modify_ldt(0x11, &d, sizeof(d)) == 0);
	NEED(modify_ldt(0, expected, sizeof(expected)) == sizeof(expected));
	if (!strcmp(variant(argc, argv), "child"))
		pid = spawn(child, NULL);
	for (size_t i = 0; many && i < 2; i++)
		NEED(pthread_create(&threads[i], NULL, hold, (void *)(i + 1)) == 0);

	hold(NULL);

	check_table(expected, sizeof(expected));
	for (int i = 0; many && i < 2; i++)
		NEED(pthread_join(threads[i], NULL) == 0);
	if (pid)
		expect_exit("the child", pid, 0);
	return verdict();
}
