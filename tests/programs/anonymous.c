/* Private anonymous memory: full, with holes, read-only, executable, at fixed addresses. */
#include "program.h"

#define PAGE 4096ul
#define PAGES 256

int main(int argc, char **argv)
{
	char *full, *holes, *constant, *code, *fixed, *untouched;
	unsigned char resident[PAGES];
	int (*give)(void);

	begin(argc, argv);
	full = map_anonymous(NULL, PAGES * PAGE, MAP_PRIVATE);
	fill_pattern(full, PAGES * PAGE, 1);
	holes = map_anonymous(NULL, PAGES * PAGE, MAP_PRIVATE);
	for (size_t i = 0; i < PAGES; i += 3)
		fill_pattern(holes + i * PAGE, PAGE, 100 + i);
	constant = map_anonymous(NULL, 4 * PAGE, MAP_PRIVATE);
	fill_pattern(constant, 4 * PAGE, 2);
	NEED(mprotect(constant, 4 * PAGE, PROT_READ) == 0);
	code = map_anonymous(NULL, PAGE, MAP_PRIVATE);
	memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6);	/* mov $42, %eax; ret */
	NEED(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
	fixed = map_anonymous((void *)0x200000000, 2 * PAGE, MAP_PRIVATE | MAP_FIXED);
	fill_pattern(fixed + PAGE, PAGE, 3);
	untouched = map_anonymous(NULL, PAGES * PAGE, MAP_PRIVATE);

	ready();
	wait_until_told();

	NEED(mincore(untouched, PAGES * PAGE, resident) == 0);
	for (size_t i = 0; i < PAGES; i++)
		CHECK("an untouched page is resident", 0, resident[i] & 1);
	check_pattern("full area", full, PAGES * PAGE, 1);
	for (size_t i = 0; i < PAGES; i++) {
		if (i % 3 == 0)
			check_pattern("page of the area with holes", holes + i * PAGE, PAGE, 100 + i);
		else
			check_filled("hole", holes + i * PAGE, 0, PAGE);
	}
	check_pattern("read-only area", constant, 4 * PAGE, 2);
	memcpy(&give, &code, sizeof(give));
	CHECK("generated code", 42, give());
	CHECK("a write into the read-only area", -1, read(open("/dev/zero", O_RDONLY), constant, 1));
	check_filled("first page at a fixed address", fixed, 0, PAGE);
	check_pattern("second page at a fixed address", fixed + PAGE, PAGE, 3);
	memset(untouched, 7, PAGES * PAGE);
	memset(full, 8, PAGES * PAGE);
	check_filled("written afterwards", untouched, 7, PAGES * PAGE);
	check_filled("written over", full, 8, PAGES * PAGE);
	return verdict();
}
