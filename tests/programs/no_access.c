/* Areas without access that have content, guard pages, and an area with every protection by turns. */
#include "program.h"

#define PAGE 4096ul

int main(int argc, char **argv)
{
	static const int protections[] = {
		PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC,
	};
	char *hidden, *turns, *empty, *file;
	int fd;

	begin(argc, argv);
	hidden = map_anonymous(NULL, 64 * PAGE, MAP_PRIVATE);
	fill_pattern(hidden + 8 * PAGE, 8 * PAGE, 21);
	NEED(mprotect(hidden, 64 * PAGE, PROT_NONE) == 0);
	turns = map_anonymous(NULL, COUNT(protections) * PAGE, MAP_PRIVATE);
	fill_pattern(turns, COUNT(protections) * PAGE, 22);
	for (size_t i = 0; i < COUNT(protections); i++)
		NEED(mprotect(turns + i * PAGE, PAGE, protections[i]) == 0);
	empty = mmap(NULL, 1ul << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	NEED(empty != MAP_FAILED);
	write_file("mapped", test_dir, 8);
	fd = open("mapped", O_RDONLY);
	file = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	NEED(file != MAP_FAILED && close(fd) == 0);
	fill_pattern(file, PAGE, 23);
	NEED(mprotect(file, PAGE, PROT_NONE) == 0);

	ready();
	wait_until_told();

	fd = open("/dev/zero", O_RDONLY);
	NEED(fd >= 0);
	for (size_t i = 0; i < COUNT(protections); i++) {
		bool writable = read(fd, turns + i * PAGE + 4000, 1) == 1;

		CHECK("writable", (protections[i] & PROT_WRITE) != 0, writable);
	}
	NEED(mprotect(turns, COUNT(protections) * PAGE, PROT_READ) == 0);
	for (size_t i = 0; i < COUNT(protections); i++)
		for (size_t word = 0; word < 500; word++)
			CHECK("content", pattern(22, i * 512 + word), ((uint64_t *)turns)[i * 512 + word]);
	NEED(mprotect(hidden, 64 * PAGE, PROT_READ | PROT_WRITE) == 0);
	check_filled("before", hidden, 0, 8 * PAGE);
	check_pattern("content without access", hidden + 8 * PAGE, 8 * PAGE, 21);
	check_filled("after", hidden + 16 * PAGE, 0, 48 * PAGE);
	NEED(mprotect(file, PAGE, PROT_READ) == 0);
	check_pattern("content of a file's page without access", file, PAGE, 23);
	NEED(mprotect(empty + (1ul << 29), PAGE, PROT_READ | PROT_WRITE) == 0);
	check_filled("reserved addresses", empty + (1ul << 29), 0, PAGE);
	return verdict();
}
