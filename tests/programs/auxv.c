/* The auxiliary vector: what getauxval says, what is on the stack, and /proc/self/auxv. */
#include "program.h"
#include <elf.h>
#include <sys/auxv.h>

int main(int argc, char **argv)
{
	char before[4096], after[4096];
	unsigned long values[64];
	uint8_t random[16];
	size_t size;

	begin(argc, argv);
	size = read_file("/proc/self/auxv", before, sizeof(before));
	for (unsigned long i = 0; i < 64; i++)
		values[i] = getauxval(i);
	NEED(values[AT_RANDOM] && values[AT_SYSINFO_EHDR] && values[AT_PAGESZ] == 4096);
	memcpy(random, (void *)values[AT_RANDOM], 16);

	ready();
	wait_until_told();

	CHECK("size of /proc/self/auxv", size, read_file("/proc/self/auxv", after, sizeof(after)));
	check_bytes("/proc/self/auxv", before, after, size);
	for (unsigned long i = 0; i < 64; i++)
		CHECK("getauxval", values[i], getauxval(i));
	check_bytes("the 16 random bytes", random, (void *)getauxval(AT_RANDOM), 16);
	check_bytes("ELF magic of the vDSO", ELFMAG, (void *)values[AT_SYSINFO_EHDR], SELFMAG);
	return verdict();
}
