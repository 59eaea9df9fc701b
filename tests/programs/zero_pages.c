/* Pages that are all zeros: only read, written with zeros, zeros over a file's content. */
#include "program.h"

#define PAGE 4096ul
#define PAGES 512

int main(int argc, char **argv)
{
	char *read_only_touched, *written, *over_file, *mixed;
	uint64_t content[1024];
	volatile char sink;
	int fd;

	begin(argc, argv);
	read_only_touched = map_anonymous(NULL, PAGES * PAGE, MAP_PRIVATE);
	written = map_anonymous(NULL, PAGES * PAGE, MAP_PRIVATE);
	mixed = map_anonymous(NULL, PAGES * PAGE, MAP_PRIVATE);
	for (size_t i = 0; i < PAGES; i++) {
		sink = read_only_touched[i * PAGE];
		memset(written + i * PAGE, 0, PAGE);
		if (i % 7 == 0)
			mixed[i * PAGE + i] = 1;
		else
			sink = mixed[i * PAGE];
	}
	(void)sink;
	fill_pattern(content, sizeof(content), 6);
	write_file("mapped", content, sizeof(content));
	fd = open("mapped", O_RDONLY);
	over_file = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	NEED(over_file != MAP_FAILED && close(fd) == 0);
	memset(over_file, 0, PAGE);	/* zeros that must not turn into the file's bytes */

	ready();
	wait_until_told();

	check_filled("only read", read_only_touched, 0, PAGES * PAGE);
	check_filled("zeros that were written", written, 0, PAGES * PAGE);
	check_filled("zeros over a file", over_file, 0, PAGE);
	check_bytes("the file's second page", (char *)content + PAGE, over_file + PAGE, PAGE);
	for (size_t i = 0; i < PAGES; i++)
		for (size_t byte = 0; byte < PAGE; byte += i % 7 ? 512 : 1)
			if (mixed[i * PAGE + byte] != (i % 7 == 0 && byte == i))
				fail("mixed: page %zu, byte %zu (got %d)", i, byte, mixed[i * PAGE + byte]);
	memset(read_only_touched, 1, PAGES * PAGE);
	check_filled("written over", read_only_touched, 1, PAGES * PAGE);
	return verdict();
}
