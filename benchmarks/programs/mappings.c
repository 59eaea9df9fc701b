/* COUNT mappings of a page each, every second one written to and the others read-only: neighbours
 * never become one. */
#include "bench.h"

int main(int argc, char **argv)
{
	uint64_t count = strtoull(argc > 1 ? argv[1] : "2", NULL, 10);
	char *memory = map(count * 4096);

	for (uint64_t i = 0; i < count; i += 2) {
		memory[i * 4096] = 1;
		NEED(mprotect(memory + (i + 1) * 4096, 4096, PROT_READ) == 0);
	}
	ready();
	for (;;)
		pause();
}
