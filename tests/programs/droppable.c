/* Droppable memory (MAP_DROPPABLE): its pages may vanish when memory is short, and children have none. */
#include "program.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#define PAGE 4096ul
#define SIZE (16 * PAGE)

static char *area;

/* Each page is as it was, or dropped. There is memory enough here, so none should be. */
static size_t count_kept(uint64_t seed)
{
	size_t kept = 0;

	for (size_t i = 0; i < SIZE / PAGE; i++) {
		uint64_t *page = (uint64_t *)(area + i * PAGE);

		if (page[0] == 0) {
			check_filled("a page that was dropped", page, 0, PAGE);
			continue;
		}
		for (size_t word = 0; word < PAGE / 8; word++)
			if (page[word] != pattern(seed, i * PAGE / 8 + word)) {
				fail("page %zu, word %zu", i, word);
				break;
			}
		kept++;
	}
	return kept;
}

static bool has_flag(void)
{
	char line[1024];
	FILE *smaps = fopen("/proc/self/smaps", "r");
	bool inside = false, found = false;

	NEED(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (unsigned long)area && (unsigned long)area < end;
		else if (inside && !strncmp(line, "VmFlags:", 8))
			found = strstr(line, " dp") != NULL;
	}
	fclose(smaps);
	return found;
}

static void child(void *unused)
{
	(void)unused;
	check_filled("inherited", area, 0, SIZE);
	fill_pattern(area, SIZE, 2);
	child_is_ready();
	wait_until_told();
	CHECK("pages in the child", SIZE / PAGE, count_kept(2));
	CHECK("the child's area is droppable", true, has_flag());
}

int main(int argc, char **argv)
{
	pid_t pid;

	begin(argc, argv);
	area = mmap((void *)0x380000000, SIZE, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		skip("no droppable memory here (MAP_DROPPABLE)");
	fill_pattern(area, SIZE, 1);
	NEED(has_flag());
	pid = spawn(child, NULL);

	ready();
	wait_until_told();

	expect_exit("the child", pid, 0);
	CHECK("pages", SIZE / PAGE, count_kept(1));
	CHECK("the area is droppable", true, has_flag());
	pid = fork();
	if (pid == 0) {
		check_filled("in a child made afterwards", area, 0, SIZE);
		_exit(failures ? 1 : 0);
	}
	expect_exit("a child made afterwards", pid, 0);
	return verdict();
}
