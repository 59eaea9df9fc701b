/* Stacks that grow: the main one, by recursion after the restore, and areas that grow downwards. */
#include "program.h"

#define PAGE 4096ul

static uint64_t recurse(int depth)
{
	volatile uint64_t local[256];	/* half a page a level */
	uint64_t below;

	for (int i = 0; i < 256; i++)
		local[i] = pattern((uint64_t)depth, (uint64_t)i);
	below = depth ? recurse(depth - 1) : 0;
	for (int i = 0; i < 256; i++)
		if (local[i] != pattern((uint64_t)depth, (uint64_t)i))
			fail("a local at depth %d", depth);
	return below + local[0];
}

int main(int argc, char **argv)
{
	volatile uint64_t local[1024];
	uint64_t expected;
	char *down, *far_down;

	begin(argc, argv);
	fill_pattern((void *)local, sizeof(local), 31);
	expected = recurse(100);
	down = mmap((void *)0x330000000, 2 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	NEED(down != MAP_FAILED);
	fill_pattern(down, 2 * PAGE, 32);
	far_down = mmap((void *)0x340000000, PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	NEED(far_down != MAP_FAILED);
	/* It has grown by three pages before. */
	for (int i = 1; i <= 3; i++)
		*(volatile uint64_t *)(far_down - (unsigned long)i * PAGE) = (uint64_t)i;

	ready();
	wait_until_told();

	check_pattern("locals of main", (void *)local, sizeof(local), 31);
	CHECK("a recursion as before", expected, recurse(100));
	recurse(1500);	/* 3 MiB more */
	check_pattern("a growing area", down, 2 * PAGE, 32);
	*(volatile uint64_t *)(down - PAGE) = 1;
	*(volatile uint64_t *)(down - 2 * PAGE) = 2;
	CHECK("it has grown", 2, *(volatile uint64_t *)(down - 2 * PAGE));
	for (int i = 1; i <= 3; i++)
		CHECK("where it had grown", i, *(volatile uint64_t *)(far_down - (unsigned long)i * PAGE));
	*(volatile uint64_t *)(far_down - 4 * PAGE) = 4;
	CHECK("it grows on", 4, *(volatile uint64_t *)(far_down - 4 * PAGE));
	return verdict();
}
