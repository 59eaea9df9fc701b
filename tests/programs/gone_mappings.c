/*
 * Mapped files that have lost their names: deleted (mapped twice, shared and private, and open as
 * well); in the variant "replaced" another file has the name by now, also that of the program.
 */
#include "program.h"

#define PAGE 4096ul
#define PAGES 8

static char *map(const char *name, int flags)
{
	int fd = open(name, O_RDWR);
	char *p;

	NEED(fd >= 0);
	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
	NEED(p != MAP_FAILED && close(fd) == 0);
	return p;
}

static void make(const char *name, uint64_t seed)
{
	uint64_t content[PAGES * 512];

	fill_pattern(content, sizeof(content), seed);
	write_file(name, content, sizeof(content));
}

static void relative(void *argument)
{
	child_is_ready();
	wait_until_told();
	strcpy((char *)argument + 5 * PAGE, "from the child");
}

int main(int argc, char **argv)
{
	char *deleted_private, *deleted_shared, *again, *replaced = NULL, text[32] = "";
	struct stat about;
	pid_t child;
	int open_too;

	begin(argc, argv);
	make("deleted", 1);
	deleted_private = map("deleted", MAP_PRIVATE);
	deleted_shared = map("deleted", MAP_SHARED);
	again = map("deleted", MAP_SHARED);
	open_too = open("deleted", O_RDWR);
	NEED(open_too >= 0 && unlink("deleted") == 0);
	memset(deleted_private + PAGE, 'p', PAGE);
	strcpy(deleted_shared + 2 * PAGE, "shared by nameless file");
	if (!strcmp(variant(argc, argv), "replaced")) {
		make("replaced", 2);
		replaced = map("replaced", MAP_PRIVATE);
		memset(replaced + PAGE, 'r', PAGE);
		make("new", 3);
		NEED(rename("new", "replaced") == 0);
		/* As a package manager does with a program that runs. */
		make("program", 4);
		NEED(rename("program", argv[0]) == 0);
	}
	child = spawn(relative, deleted_shared);

	ready();
	wait_until_told();

	expect_exit("child", child, 0);
	check_pattern("deleted, private", deleted_private, PAGE, 1);
	check_filled("deleted, private: changed", deleted_private + PAGE, 'p', PAGE);
	check_text("deleted, shared, in the other mapping", "shared by nameless file", again + 2 * PAGE);
	check_text("deleted, written by the child", "from the child", again + 5 * PAGE);
	NEED(pread(open_too, text, 24, 2 * PAGE) == 24);
	check_text("deleted, through its descriptor", "shared by nameless file", text);
	NEED(pwrite(open_too, "by pwrite", 10, 3 * PAGE) == 10);
	check_text("and back", "by pwrite", deleted_shared + 3 * PAGE);
	NEED(fstat(open_too, &about) == 0);
	CHECK("links of the deleted file", 0, about.st_nlink);
	CHECK("no name came back", -1, access("deleted", F_OK));
	if (replaced) {
		check_pattern("replaced", replaced, PAGE, 2);
		check_filled("replaced: changed", replaced + PAGE, 'r', PAGE);
		CHECK("replaced: the old content", pattern(2, 4 * 512), *(uint64_t *)(replaced + 4 * PAGE));
		NEED(read(open("replaced", O_RDONLY), text, 8) == 8);
		CHECK("the new file has its own", pattern(3, 0), *(uint64_t *)text);
	}
	return verdict();
}
