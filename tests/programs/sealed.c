/* Sealed areas (mseal): nothing may change them, and what is not sealed can still be changed. */
#include "program.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#define PAGE 4096ul
#define SIZE (8 * PAGE)

static const struct {
	const char *name;
	int protection, flags, sealed_from, sealed_pages;
} kinds[] = {
	{ "all of an area", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0, 8 },
	{ "a part of an area", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 2, 3 },
	{ "read-only", PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0, 8 },
	{ "not accessible", PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, 0, 8 },
	{ "executable", PROT_READ | PROT_EXEC, MAP_PRIVATE, 0, 8 },
	{ "shared", PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0, 8 },
	{ "a file, shared", PROT_READ | PROT_WRITE, MAP_SHARED, 0, 8 },
	{ "with advice, locked", PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0, 8 },
};

static char *areas[COUNT(kinds)];

static void look(const char *who)
{
	char what[96];

	for (size_t i = 0; i < COUNT(kinds); i++) {
		for (int page = 0; page < 8; page++) {
			bool sealed = page >= kinds[i].sealed_from &&
				      page < kinds[i].sealed_from + kinds[i].sealed_pages;
			char *p = areas[i] + page * (long)PAGE;

			snprintf(what, sizeof(what), "%s, page %d, in %s: mprotect", kinds[i].name, page, who);
			errno = 0;
			CHECK(what, sealed ? -1 : 0, mprotect(p, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
			CHECK(what, sealed ? EPERM : 0, errno);
			if (!sealed)
				NEED(mprotect(p, PAGE, kinds[i].protection) == 0);
		}
		snprintf(what, sizeof(what), "%s in %s: munmap", kinds[i].name, who);
		CHECK(what, -1, munmap(areas[i], SIZE));
		if (kinds[i].protection & PROT_READ)
			check_pattern(what, areas[i], SIZE, i);
	}
}

static void child(void *unused)
{
	(void)unused;
	child_is_ready();
	wait_until_told();
	look("the child");
}

int main(int argc, char **argv)
{
	int fd, memory;
	char bytes[SIZE];
	pid_t pid;

	begin(argc, argv);
	fd = open("data", O_RDWR | O_CREAT, 0600);
	NEED(fd >= 0 && ftruncate(fd, SIZE) == 0);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		int flags = kinds[i].flags;

		areas[i] = mmap((void *)(0x370000000 + i * 0x1000000), SIZE, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
				flags & MAP_ANONYMOUS ? -1 : fd, 0);
		NEED(areas[i] != MAP_FAILED);
		fill_pattern(areas[i], SIZE, i);
		NEED(mprotect(areas[i], SIZE, kinds[i].protection) == 0);
	}
	/* The last write to the file won: the private copy has been made before. */
	NEED(madvise(areas[7], SIZE, MADV_DONTDUMP) == 0 && mlock(areas[7], SIZE) == 0);
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (syscall(SYS_mseal, areas[i] + kinds[i].sealed_from * (long)PAGE, kinds[i].sealed_pages * PAGE, 0)) {
			NEED(errno == ENOSYS);
			skip("no sealed memory here (mseal)");
		}
	pid = spawn(child, NULL);

	ready();
	wait_until_told();

	expect_exit("the child", pid, 0);
	look("the parent");
	memory = open("/proc/self/mem", O_RDONLY);
	NEED(memory >= 0);
	CHECK("what cannot be accessed", SIZE, pread(memory, bytes, SIZE, (off_t)(uintptr_t)areas[3]));
	check_pattern("what cannot be accessed", bytes, SIZE, 3);
	return verdict();
}
