/* Areas that mremap moved, grew, shrank; with holes punched; a file's, moved; its own program text
   changed in place, as a debugger does it. */
#include "program.h"

#define PAGE 4096ul

__attribute__((noinline, aligned(64))) static int changed_text(void)
{
	__asm__ volatile("nop; nop; nop; nop; nop; nop; nop; nop");
	return 1;
}

static int (*volatile call)(void) = changed_text;

int main(int argc, char **argv)
{
	char *grown, *moved, *holed, *file, *page = (char *)((unsigned long)changed_text & ~(PAGE - 1));
	uint64_t content[4 * 512];
	int fd;

	begin(argc, argv);
	grown = map_anonymous(NULL, 4 * PAGE, MAP_PRIVATE);
	fill_pattern(grown, 4 * PAGE, 1);
	grown = mremap(grown, 4 * PAGE, 400 * PAGE, MREMAP_MAYMOVE);
	NEED(grown != MAP_FAILED);
	fill_pattern(grown + 399 * PAGE, PAGE, 2);
	moved = map_anonymous(NULL, 16 * PAGE, MAP_PRIVATE);
	fill_pattern(moved, 16 * PAGE, 3);
	/* Only its middle moves: offsets inside the kernel no longer match the addresses. */
	moved = mremap(moved + 4 * PAGE, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x390000000);
	NEED(moved == (void *)0x390000000);
	holed = map_anonymous(NULL, 9 * PAGE, MAP_PRIVATE);
	fill_pattern(holed, 9 * PAGE, 4);
	for (int i = 1; i < 9; i += 2)
		NEED(munmap(holed + (unsigned long)i * PAGE, PAGE) == 0);
	fill_pattern(content, sizeof(content), 5);
	write_file("mapped", content, sizeof(content));
	fd = open("mapped", O_RDONLY);
	file = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	NEED(file != MAP_FAILED && close(fd) == 0);
	memset(file + 2 * PAGE, 'm', 10);
	file = mremap(file + PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x3a0000000);
	NEED(file == (void *)0x3a0000000);
	/* mov $77, %eax; ret. Through /proc/self/mem, as the area itself is never writable. */
	fd = open("/proc/self/mem", O_RDWR);
	NEED(fd >= 0 && pwrite(fd, "\xb8\x4d\x00\x00\x00\xc3", 6, (off_t)(unsigned long)changed_text) == 6);
	NEED(close(fd) == 0 && call() == 77 && page);

	ready();
	wait_until_told();

	check_pattern("grown", grown, 4 * PAGE, 1);
	check_filled("grown: untouched", grown + 4 * PAGE, 0, 395 * PAGE);
	check_pattern("grown: its end", grown + 399 * PAGE, PAGE, 2);
	for (size_t i = 0; i < 8 * 512; i++)
		if (((uint64_t *)moved)[i] != pattern(3, i + 4 * 512)) {
			fail("moved: word %zu", i);
			break;
		}
	for (size_t page_number = 0; page_number < 9; page_number++) {
		unsigned char resident;
		uint64_t *words = (uint64_t *)(holed + page_number * PAGE);

		if (page_number % 2)
			CHECK("a hole", -1, mincore(words, PAGE, &resident));
		else
			CHECK("between holes", pattern(4, page_number * 512 + 9), words[9]);
	}
	check_bytes("a file's area, moved", (char *)content + PAGE, file, PAGE);
	check_filled("a file's area, moved: changed", file + PAGE, 'm', 10);
	check_bytes("a file's area, moved: the rest", (char *)content + 2 * PAGE + 10, file + PAGE + 10, PAGE - 10);
	CHECK("changed program text", 77, call());
	moved = mremap(moved, 8 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	CHECK("it grows on", true, moved != MAP_FAILED);
	return verdict();
}
