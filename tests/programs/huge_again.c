/*
 * Transparent huge pages are there again, and only where they were: an area that was advised to have
 * them, one that got them without (MADV_COLLAPSE), one of small pages, and a child that shares the
 * first with its parent. Beside that, what /proc/PID/smaps says of their advice.
 */
#include "program.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define HUGE (2ul << 20)
#define ADVISED ((char *)0x380000000)
#define COLLAPSED ((char *)0x390000000)
#define SMALL ((char *)0x3a0000000)
#define BYTES (4 * HUGE)

static volatile int *go;

/* Of the area that begins at `p`: how much of it is huge, and whether it is advised to be. */
static unsigned long long huge_kib(const char *p, bool *advised)
{
	unsigned long long found = 0, kib;
	unsigned long start = 0, end;
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[1024];

	NEED(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		unsigned long a;

		if (sscanf(line, "%lx-%lx ", &a, &end) == 2)
			start = a;
		else if (start == (unsigned long)p && sscanf(line, "AnonHugePages: %llu", &kib) == 1)
			found = kib;
		else if (start == (unsigned long)p && !strncmp(line, "VmFlags:", 8))
			*advised = strstr(line, " hg") != NULL;
	}
	fclose(smaps);
	return found;
}

static void check_all(const char *who, bool always)
{
	char what[64];
	bool advised = false;

	snprintf(what, sizeof(what), "%s: huge pages where they are advised, KiB", who);
	CHECK(what, BYTES >> 10, huge_kib(ADVISED, &advised));
	CHECK("advice", true, advised);
	snprintf(what, sizeof(what), "%s: huge pages where they are not advised, KiB", who);
	CHECK(what, BYTES >> 10, huge_kib(COLLAPSED, &advised));
	CHECK("advice of the collapsed", false, advised);
	snprintf(what, sizeof(what), "%s: huge pages where there were none, KiB", who);
	if (!always)
		CHECK(what, 0, huge_kib(SMALL, &advised));
	check_pattern("advised", ADVISED, BYTES, 1);
	check_pattern("collapsed", COLLAPSED, BYTES, 2);
	check_pattern("small", SMALL, BYTES, 3);
}

static void child(void *always)
{
	child_is_ready();
	while (!*go)
		sleep_ms(2);
	check_all("child", always != NULL);
}

int main(int argc, char **argv)
{
	bool always, advised;
	char setting[100];
	pid_t pid;

	begin(argc, argv);
	if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK))
		skip("this kernel has no transparent huge pages");
	read_file("/sys/kernel/mm/transparent_hugepage/enabled", setting, sizeof(setting));
	if (strstr(setting, "[never]"))
		skip("this host has no transparent huge pages (transparent_hugepage/enabled)");
	always = strstr(setting, "[always]") != NULL;
	go = map_anonymous(NULL, 4096, MAP_SHARED);
	map_anonymous(ADVISED, BYTES, MAP_PRIVATE | MAP_FIXED_NOREPLACE);
	map_anonymous(COLLAPSED, BYTES, MAP_PRIVATE | MAP_FIXED_NOREPLACE);
	map_anonymous(SMALL, BYTES, MAP_PRIVATE | MAP_FIXED_NOREPLACE);
	NEED(madvise(ADVISED, BYTES, MADV_HUGEPAGE) == 0);
	fill_pattern(ADVISED, BYTES, 1);
	fill_pattern(COLLAPSED, BYTES, 2);
	fill_pattern(SMALL, BYTES, 3);
	if (madvise(COLLAPSED, BYTES, MADV_COLLAPSE) && errno == EINVAL)
		skip("this kernel collapses no pages (MADV_COLLAPSE)");
	if (huge_kib(ADVISED, &advised) != BYTES >> 10 || huge_kib(COLLAPSED, &advised) != BYTES >> 10)
		skip("this machine has no memory for huge pages just now");
	pid = spawn(child, always ? &always : NULL);
	ready();
	wait_until_told();
	*go = 1;
	check_all("parent", always);
	expect_exit("child", pid, 0);
	return verdict();
}
