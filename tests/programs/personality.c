/* The personality: no random addresses (needs an exec), "readable is executable" (ends with one). */
#include "program.h"
#include <sys/personality.h>

int main(int argc, char **argv)
{
	int wanted = ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC;
	char *p, perms[64] = "", path[64], line[512];
	FILE *maps;

	if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
		NEED(personality(ADDR_NO_RANDOMIZE) >= 0);
		execv(argv[0], argv);
		NEED(!"exec");
	}
	NEED(personality((unsigned long)wanted) >= 0);
	begin(argc, argv);

	ready();
	wait_until_told();

	CHECK("personality", wanted, personality(0xffffffff));
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(p != MAP_FAILED);
	snprintf(path, sizeof(path), "%lx-", (unsigned long)p);
	NEED(maps = fopen("/proc/self/maps", "r"));
	/* The kernel may have merged the new page with what follows, not with what comes before. */
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, end;

		NEED(sscanf(line, "%lx-%lx %15s", &start, &end, perms) == 3);
		if (start <= (unsigned long)p && (unsigned long)p < end)
			break;
	}
	check_text("a readable page is executable", "r-xp", perms);
	return verdict();
}
