/* COUNT processes: a root and its children, which share MIB mebibytes that the root has written to
 * before it begot them. */
#include "bench.h"

int main(int argc, char **argv)
{
	int count = atoi(argc > 1 ? argv[1] : "1"), told[2], number = 0;
	uint64_t bytes = strtoull(argc > 2 ? argv[2] : "1", NULL, 10) << 20;
	char byte = 'x';

	NEED(pipe(told) == 0);
	fill(map(bytes), bytes);
	for (int child = 1; child < count && !number; child++) {
		pid_t pid = fork();

		NEED(pid >= 0);
		if (pid == 0)
			number = child;
	}
	if (number)
		NEED(write(told[1], &byte, 1) == 1);
	for (int i = 1; !number && i < count; i++)
		NEED(read(told[0], &byte, 1) == 1);
	close(told[0]);
	close(told[1]);
	if (number)
		close(1);
	else
		ready();
	for (;;)
		pause();
}
