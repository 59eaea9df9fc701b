/* 60 GiB of writable addresses, of which a few pages are in use. */
#include "program.h"

#define SIZE (60ul << 30)
#define STEP (3ul << 30)

int main(int argc, char **argv)
{
	char *area;

	begin(argc, argv);
	area = map_anonymous(NULL, SIZE, MAP_PRIVATE | MAP_NORESERVE);
	for (size_t at = 0; at < SIZE; at += STEP)
		*(uint64_t *)(area + at + 4096) = at + 1;
	area[SIZE - 1] = 9;

	ready();
	wait_until_told();

	for (size_t at = 0; at < SIZE; at += STEP) {
		CHECK("touched", at + 1, *(uint64_t *)(area + at + 4096));
		CHECK("untouched", 0, *(uint64_t *)(area + at + 4096 * 7));
	}
	CHECK("last byte", 9, area[SIZE - 1]);
	return verdict();
}
