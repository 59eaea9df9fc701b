/* Private mappings of a file: untouched, changed in places, beyond its end, mapped with an offset. */
#include "program.h"

#define PAGE 4096ul
#define PAGES 16

int main(int argc, char **argv)
{
	char *content, *untouched, *changed, *part, *tail, *constant;
	int fd;

	begin(argc, argv);
	content = malloc(PAGES * PAGE);
	fill_pattern(content, PAGES * PAGE, 11);
	write_file("mapped", content, PAGES * PAGE - 1000);
	memset(content + PAGES * PAGE - 1000, 0, 1000);
	fd = open("mapped", O_RDONLY);
	NEED(fd >= 0);
	untouched = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	changed = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	part = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 5 * PAGE);
	tail = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, (PAGES - 1) * PAGE);
	constant = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	NEED(untouched != MAP_FAILED && changed != MAP_FAILED && part != MAP_FAILED && tail != MAP_FAILED);
	NEED(constant != MAP_FAILED && close(fd) == 0);
	memset(changed + 2 * PAGE + 100, 'x', 50);
	memset(changed + 9 * PAGE, 'y', 2 * PAGE);
	memset(part + PAGE, 'z', PAGE);
	strcpy(tail + PAGE - 500, "behind the end of the file");
	memset(constant + PAGE, 'c', PAGE);
	NEED(mprotect(constant, 4 * PAGE, PROT_READ) == 0);

	ready();
	wait_until_told();

	check_bytes("untouched", content, untouched, PAGES * PAGE);
	check_bytes("changed: before", content, changed, 2 * PAGE + 100);
	check_filled("changed: a few bytes", changed + 2 * PAGE + 100, 'x', 50);
	check_bytes("changed: between", content + 2 * PAGE + 150, changed + 2 * PAGE + 150, 7 * PAGE - 150);
	check_filled("changed: two pages", changed + 9 * PAGE, 'y', 2 * PAGE);
	check_bytes("changed: after", content + 11 * PAGE, changed + 11 * PAGE, 5 * PAGE);
	check_bytes("part: before", content + 5 * PAGE, part, PAGE);
	check_filled("part: a page", part + PAGE, 'z', PAGE);
	check_bytes("part: after", content + 7 * PAGE, part + 2 * PAGE, PAGE);
	check_text("in the last page", "behind the end of the file", tail + PAGE - 500);
	check_bytes("read-only: before", content, constant, PAGE);
	check_filled("read-only: a page", constant + PAGE, 'c', PAGE);
	check_bytes("read-only: after", content + 2 * PAGE, constant + 2 * PAGE, 2 * PAGE);
	/* A page nobody has touched still shows what is written to the file. */
	fd = open("mapped", O_WRONLY);
	NEED(fd >= 0 && pwrite(fd, "new", 3, 12 * PAGE) == 3);
	check_bytes("a change of the file", "new", changed + 12 * PAGE, 3);
	memset(changed, 'w', PAGE);
	NEED(pread(open("mapped", O_RDONLY), content + PAGE, 3, 0) == 3);
	check_bytes("the file keeps its content", content, content + PAGE, 3);
	return verdict();
}
