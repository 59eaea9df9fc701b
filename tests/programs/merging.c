/* PR_SET_MEMORY_MERGE: areas that it marks for KSM, one taken back, areas made afterwards. */
#include "program.h"
#include <linux/prctl.h>

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67	/* linux/prctl.h */
#define PR_GET_MEMORY_MERGE 68
#endif

#define SIZE 65536ul

/* Whether VmFlags of the area that begins there has "mg". */
static bool is_marked(const void *area)
{
	static char text[1 << 20];
	char start[32];
	char *at, *flags, *end;

	snprintf(start, sizeof(start), "\n%lx-", (unsigned long)area);
	text[0] = '\n';	/* it may be the lowest of all */
	read_file("/proc/self/smaps", text + 1, sizeof(text) - 1);
	at = strstr(text, start);
	NEED(at);
	flags = strstr(at, "VmFlags:");
	NEED(flags && (end = strchr(flags, '\n')));
	*end = 0;
	return strstr(flags, " mg") != NULL;
}

int main(int argc, char **argv)
{
	char *before, *back, *after, *last;

	begin(argc, argv);
	before = map_anonymous((void *)0x200000000000, SIZE, MAP_PRIVATE | MAP_FIXED);
	back = map_anonymous((void *)0x200000100000, SIZE, MAP_PRIVATE | MAP_FIXED);
	fill_pattern(before, SIZE, 1);
	fill_pattern(back, SIZE, 2);
	if (prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0) < 0)
		skip("this kernel has no PR_SET_MEMORY_MERGE");
	NEED(madvise(back, SIZE, MADV_UNMERGEABLE) == 0);
	after = map_anonymous((void *)0x200000200000, SIZE, MAP_PRIVATE | MAP_FIXED);
	fill_pattern(after, SIZE, 3);
	NEED(is_marked(before) && !is_marked(back) && is_marked(after));

	ready();
	wait_until_told();

	CHECK("merging", 1, prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0));
	CHECK("an area from before", 1, is_marked(before));
	CHECK("an area taken back", 0, is_marked(back));
	CHECK("an area from after", 1, is_marked(after));
	last = map_anonymous((void *)0x200000300000, SIZE, MAP_PRIVATE | MAP_FIXED);
	CHECK("a new area", 1, is_marked(last));
	check_pattern("an area from before", before, SIZE, 1);
	check_pattern("an area taken back", back, SIZE, 2);
	check_pattern("an area from after", after, SIZE, 3);
	return verdict();
}
