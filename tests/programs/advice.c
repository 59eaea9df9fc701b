/* Flags of areas: what madvise, mlock and mmap have set has to show in smaps' VmFlags as before. */
#include "program.h"

#define PAGE 4096ul
#define SIZE (16 * PAGE)

static const struct {
	const char *name, *flag;	/* as in VmFlags */
	int advice;
} kinds[] = {
	{ "MADV_HUGEPAGE", "hg", MADV_HUGEPAGE },
	{ "MADV_NOHUGEPAGE", "nh", MADV_NOHUGEPAGE },
	{ "MADV_DONTFORK", "dc", MADV_DONTFORK },
	{ "MADV_DONTDUMP", "dd", MADV_DONTDUMP },
	{ "MADV_WIPEONFORK", "wf", MADV_WIPEONFORK },
	{ "MADV_MERGEABLE", "mg", MADV_MERGEABLE },
	{ "MADV_RANDOM", "rr", MADV_RANDOM },
	{ "MADV_SEQUENTIAL", "sr", MADV_SEQUENTIAL },
	{ "mlock", "lo", -1 },
	{ "mlock2, on fault", "lf", -2 },
	{ "MAP_LOCKED", "lo", -3 },
	{ "MAP_NORESERVE", "nr", -4 },
};

static char *areas[COUNT(kinds) + 1];

/* The line "VmFlags:" of the area that holds `p`. */
static void read_flags(const char *p, char *flags, size_t size)
{
	unsigned long start = 0, end = 0;
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[1024];

	NEED(smaps);
	flags[0] = 0;
	while (fgets(line, sizeof(line), smaps)) {
		unsigned long a, b;

		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			start = a;
			end = b;
		} else if (!strncmp(line, "VmFlags:", 8) && start <= (unsigned long)p && (unsigned long)p < end)
			snprintf(flags, size, "%s", line + 8);
	}
	fclose(smaps);
}

static void check_flag(size_t i, const char *when)
{
	char flags[1024], wanted[8], what[96];

	read_flags(areas[i], flags, sizeof(flags));
	snprintf(wanted, sizeof(wanted), " %s", kinds[i].flag);
	if (!strstr(flags, wanted)) {
		snprintf(what, sizeof(what), "%s %s", kinds[i].name, when);
		fail("%s (expected %s, got%s)", what, kinds[i].flag, flags);
	}
}

static void child_sees(void)
{
	for (size_t i = 0; i < COUNT(kinds); i++) {
		unsigned char resident;

		if (kinds[i].advice == MADV_WIPEONFORK)
			check_filled("MADV_WIPEONFORK in a child", areas[i], 0, SIZE);
		else if (kinds[i].advice == MADV_DONTFORK)
			CHECK("MADV_DONTFORK in a child", -1, mincore(areas[i], PAGE, &resident));
		else
			check_pattern("in a child", areas[i], SIZE, i);
	}
}

int main(int argc, char **argv)
{
	bool supported[COUNT(kinds)];
	pid_t pid;

	begin(argc, argv);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		int advice = kinds[i].advice, flags = MAP_PRIVATE;

		/* Apart from each other, so that nothing merges. */
		flags |= MAP_FIXED | (advice == -3 ? MAP_LOCKED : 0) | (advice == -4 ? MAP_NORESERVE : 0);
		areas[i] = map_anonymous((void *)(0x350000000 + i * 0x1000000), SIZE, flags);
		supported[i] = true;
		if (advice == -1)
			NEED(mlock(areas[i], SIZE) == 0);
		else if (advice == -2)
			NEED(syscall(SYS_mlock2, areas[i], SIZE, 1 /* MLOCK_ONFAULT */) == 0);
		else if (advice >= 0)
			supported[i] = madvise(areas[i], SIZE, advice) == 0;	/* KSM and THP are options */
		fill_pattern(areas[i], SIZE, i);
		if (supported[i])
			check_flag(i, "before");
	}
	NEED(failures == 0);

	ready();
	wait_until_told();

	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (supported[i])
			check_flag(i, "afterwards");
		check_pattern(kinds[i].name, areas[i], SIZE, i);
	}
	pid = fork();
	if (pid == 0) {
		child_sees();
		_exit(failures ? 1 : 0);
	}
	expect_exit("a child made afterwards", pid, 0);
	return verdict();
}
