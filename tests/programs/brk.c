/* The program break: grown, with content, and it can grow and shrink afterwards. */
#include "program.h"

int main(int argc, char **argv)
{
	unsigned long first, grown, odd;
	char *area;

	begin(argc, argv);
	/* By system calls: malloc moves the break, too. */
	first = (unsigned long)syscall(SYS_brk, 0);
	grown = first + 40 * 4096;
	odd = grown + 123;
	NEED((unsigned long)syscall(SYS_brk, odd) == odd);
	area = (char *)((first + 4095) & ~4095ul);
	fill_pattern(area, 30 * 4096, 77);

	ready();
	wait_until_told();

	CHECK("break", odd, syscall(SYS_brk, 0));
	check_pattern("content", area, 30 * 4096, 77);
	check_filled("untouched", area + 30 * 4096, 0, 5 * 4096);
	CHECK("grown", odd + 100 * 4096, syscall(SYS_brk, odd + 100 * 4096));
	memset((char *)grown + 8192, 5, 90 * 4096);
	CHECK("shrunk", first + 31 * 4096, syscall(SYS_brk, first + 31 * 4096));
	check_pattern("content, still", area, 30 * 4096, 77);
	CHECK("grown again", grown, syscall(SYS_brk, grown));
	check_filled("new", area + 32 * 4096, 0, 4 * 4096);
	return verdict();
}
