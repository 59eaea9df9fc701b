/*
 * Areas where or as they seldom are: at address 0, growing downwards apart from the stack, pages that
 * the kernel may take at any time (MADV_FREE), pages given back in a locked area.
 */
#include "program.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#define PAGE 4096ul

static void *at(unsigned long address, size_t size, int flags)
{
	return mmap((void *)address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags | MAP_FIXED, -1, 0);
}

/* Through memory of its own: to a compiler nothing is at 0. */
static void copy(unsigned long to, unsigned long from, size_t size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

int main(int argc, char **argv)
{
	static char bytes[PAGE];
	char *freed, *grows, *locked;
	bool lowest;

	begin(argc, argv);
	/* With CAP_SYS_RAWIO, whatever vm.mmap_min_addr is. */
	lowest = at(0, 2 * PAGE, 0) == NULL;
	if (lowest) {
		fill_pattern(bytes, PAGE, 1);
		copy(PAGE, (unsigned long)bytes, PAGE);
		copy(0, (unsigned long)bytes, PAGE);
	}
	freed = at(0x394000000, 16 * PAGE, 0);
	grows = at(0x395000000, 4 * PAGE, MAP_GROWSDOWN);
	locked = at(0x396000000, 4 * PAGE, 0);
	NEED(freed != MAP_FAILED && grows != MAP_FAILED && locked != MAP_FAILED);
	fill_pattern(freed, 16 * PAGE, 2);
	NEED(madvise(freed, 16 * PAGE, MADV_FREE) == 0);
	fill_pattern(freed + 3 * PAGE, PAGE, 3);
	fill_pattern(grows, 4 * PAGE, 4);
	fill_pattern(grows - PAGE, PAGE, 5);
	fill_pattern(locked, 4 * PAGE, 6);
	NEED(mlock(locked, 4 * PAGE) == 0 && madvise(locked, PAGE, MADV_DONTNEED_LOCKED) == 0);

	ready();
	wait_until_told();

	if (lowest) {
		copy((unsigned long)bytes, 0, PAGE);
		check_pattern("at 0", bytes, PAGE, 1);
		copy((unsigned long)bytes, PAGE, PAGE);
		check_pattern("behind it", bytes, PAGE, 1);
		CHECK("unmapping 0", 0, munmap(NULL, 2 * PAGE));
	}
	for (size_t i = 0; i < 16; i++) {
		uint64_t *page = (uint64_t *)(freed + i * PAGE);

		if (i == 3)
			check_pattern("written after it was free", page, PAGE, 3);
		else if (page[0] == 0)
			check_filled("taken by the kernel", page, 0, PAGE);
		else
			CHECK("free", pattern(2, i * PAGE / 8 + 7), page[7]);
	}
	check_pattern("grows down", grows, 4 * PAGE, 4);
	check_pattern("grown down", grows - PAGE, PAGE, 5);
	memset(grows - 3 * PAGE, 1, PAGE);
	check_filled("grows down further", grows - 3 * PAGE, 1, PAGE);
	check_filled("given back", locked, 0, PAGE);
	for (size_t i = 1; i < 4; i++)
		CHECK("locked", pattern(6, i * PAGE / 8), ((uint64_t *)(locked + i * PAGE))[0]);
	return verdict();
}
