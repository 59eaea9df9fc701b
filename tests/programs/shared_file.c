/* Shared mappings of a file: several, of relatives, read-only, and what reaches the file. */
#include "program.h"

#define PAGE 4096ul

static char *map(int flags, int prot, unsigned long offset, unsigned long size)
{
	int fd = open("mapped", flags);
	char *p;

	NEED(fd >= 0);
	p = mmap(NULL, size, prot, MAP_SHARED, fd, (off_t)offset);
	NEED(p != MAP_FAILED && close(fd) == 0);
	return p;
}

static void relative(void *argument)
{
	char *area = argument;

	child_is_ready();
	wait_until_told();
	strcpy(area + 5 * PAGE, "from the child");
}

int main(int argc, char **argv)
{
	char content[8 * PAGE], *writable, *again, *constant, *late;
	pid_t child;
	int fd;

	begin(argc, argv);
	fill_pattern(content, sizeof(content), 12);
	write_file("mapped", content, sizeof(content));
	writable = map(O_RDWR, PROT_READ | PROT_WRITE, 0, 8 * PAGE);
	again = map(O_RDWR, PROT_READ | PROT_WRITE, 4 * PAGE, 4 * PAGE);
	constant = map(O_RDONLY, PROT_READ, 0, 8 * PAGE);
	late = map(O_RDWR, PROT_NONE, 0, 8 * PAGE);	/* may become writable later */
	strcpy(writable + 3 * PAGE, "before the dump");
	child = spawn(relative, writable);

	ready();
	wait_until_told();

	expect_exit("child", child, 0);
	check_pattern("untouched pages", writable, 3 * PAGE, 12);
	check_text("what was written", "before the dump", writable + 3 * PAGE);
	check_text("in the other mapping", "from the child", again + PAGE);
	check_text("in the read-only one", "from the child", constant + 5 * PAGE);
	CHECK("the read-only one stays so", -1, mprotect(constant, PAGE, PROT_READ | PROT_WRITE));
	CHECK("errno", EACCES, errno);
	CHECK("one with no access becomes writable", 0, mprotect(late, 8 * PAGE, PROT_READ | PROT_WRITE));
	strcpy(late + 6 * PAGE, "afterwards");
	check_text("written through it", "afterwards", again + 2 * PAGE);
	fd = open("mapped", O_RDONLY);
	NEED(fd >= 0 && pread(fd, content, 20, 6 * PAGE) == 20);
	check_text("in the file", "afterwards", content);
	NEED(pread(fd, content, 20, 5 * PAGE) == 20);
	check_text("the child's, in the file", "from the child", content);
	return verdict();
}
