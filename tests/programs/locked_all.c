/* mlockall for all that is mapped (variant "future": and all that will be). */
#include "program.h"

int main(int argc, char **argv)
{
	bool future = !strcmp(variant(argc, argv), "future");
	unsigned long long before;
	char *area, *new;

	begin(argc, argv);
	area = map_anonymous(NULL, 1 << 18, MAP_PRIVATE);
	NEED(mlockall(future ? MCL_CURRENT | MCL_FUTURE : MCL_CURRENT) == 0);
	fill_pattern(area, 1 << 18, 3);
	before = status_number("/proc/self/status", "VmLck", 10);
	NEED(before > 256);

	ready();
	wait_until_told();

	CHECK("locked KiB", before, status_number("/proc/self/status", "VmLck", 10));
	check_pattern("content", area, 1 << 18, 3);
	new = map_anonymous((void *)0x360000000, 1 << 18, MAP_PRIVATE | MAP_FIXED);
	CHECK("locked KiB, with what was mapped afterwards", before + (future ? 256 : 0), status_number("/proc/self/status", "VmLck", 10));
	NEED(munmap(new, 1 << 18) == 0 && munlockall() == 0);
	CHECK("unlocked", 0, status_number("/proc/self/status", "VmLck", 10));
	return verdict();
}
