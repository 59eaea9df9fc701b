/* MIB mebibytes of private memory, all of it written to. */
#include "bench.h"

int main(int argc, char **argv)
{
	uint64_t bytes = strtoull(argc > 1 ? argv[1] : "1", NULL, 10) << 20;

	fill(map(bytes), bytes);
	ready();
	for (;;)
		pause();
}
