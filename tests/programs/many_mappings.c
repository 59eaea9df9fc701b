/* 60,000 mappings in one process, every second one with content. */
#include "program.h"

#define AREAS 60000
#define PAGE 4096ul

int main(int argc, char **argv)
{
	char *base = (char *)0x400000000;

	begin(argc, argv);
	/* Neighbours differ in their access, so that they stay apart. */
	map_anonymous(base, AREAS * PAGE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE);
	for (size_t i = 0; i < AREAS; i += 2)
		*(uint64_t *)(base + i * PAGE) = i + 1;
	for (size_t i = 1; i < AREAS; i += 2)
		if (mprotect(base + i * PAGE, PAGE, PROT_READ))
			skip("vm.max_map_count is less than 60,000");

	ready();
	wait_until_told();

	for (size_t i = 0; i < AREAS && !failures; i++)
		CHECK("content", i % 2 ? 0 : i + 1, *(uint64_t *)(base + i * PAGE));
	for (size_t i = 1; i < AREAS; i += 10001)
		CHECK("a read-only one becomes writable", 0, mprotect(base + i * PAGE, PAGE, PROT_READ | PROT_WRITE));
	return verdict();
}
