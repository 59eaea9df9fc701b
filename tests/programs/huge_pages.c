/*
 * Transparent huge pages: the content of areas that are made of them, wholly and in part. Variant
 * "hugetlb": pages of the pool that an administrator set aside, private and shared.
 */
#include "program.h"

#define HUGE (2ul << 20)

static unsigned long long huge_kib(const char *p)
{
	unsigned long start = 0, end = 0;
	unsigned long long found = 0, kib;
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[1024];

	NEED(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		unsigned long a, b;

		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			start = a;
			end = b;
		} else if (start <= (unsigned long)p && (unsigned long)p < end && sscanf(line, "AnonHugePages: %llu", &kib) == 1)
			found = kib;
	}
	fclose(smaps);
	return found;
}

static int hugetlb(void)
{
	int flags = MAP_ANONYMOUS | MAP_HUGETLB;
	char *private_area = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | flags, -1, 0);
	char *shared_area;

	if (private_area == MAP_FAILED)
		skip("no huge pages are set aside here (vm.nr_hugepages)");
	shared_area = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | flags, -1, 0);
	if (shared_area == MAP_FAILED)
		skip("not enough huge pages are set aside here (vm.nr_hugepages)");
	fill_pattern(private_area, HUGE, 1);
	fill_pattern(shared_area, HUGE, 2);
	ready();
	wait_until_told();
	check_pattern("private", private_area, HUGE, 1);
	check_filled("untouched", private_area + HUGE, 0, HUGE);
	check_pattern("shared", shared_area, HUGE, 2);
	return verdict();
}

int main(int argc, char **argv)
{
	char *area = (char *)0x380000000;

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "hugetlb"))
		return hugetlb();
	map_anonymous(area, 8 * HUGE, MAP_PRIVATE | MAP_FIXED);
	if (madvise(area, 8 * HUGE, MADV_HUGEPAGE))
		skip("this kernel has no transparent huge pages");
	fill_pattern(area, 4 * HUGE, 41);
	if (!huge_kib(area))
		skip("this kernel gives no transparent huge pages");
	/* One of them is cut: in its middle a hole, and a page without access. */
	NEED(madvise(area + HUGE + 8192, 4096, MADV_DONTNEED) == 0);
	NEED(mprotect(area + 2 * HUGE + 4096, 4096, PROT_READ) == 0);
	area[6 * HUGE + 5] = 5;

	ready();
	wait_until_told();

	check_pattern("whole", area, HUGE, 41);
	check_filled("hole", area + HUGE + 8192, 0, 4096);
	check_filled("untouched", area + 4 * HUGE, 0, 2 * HUGE);
	CHECK("one byte", 5, area[6 * HUGE + 5]);
	for (size_t i = 2 * HUGE / 8; i < 4 * HUGE / 8; i++) {
		if (((uint64_t *)area)[i] != pattern(41, i)) {
			fail("behind the hole, word %zu", i);
			break;
		}
	}
	memset(area + 7 * HUGE, 1, HUGE);
	check_filled("written afterwards", area + 7 * HUGE, 1, HUGE);
	return verdict();
}
