/* MIB mebibytes of private memory in each of TASKS processes, all of it written to. */
#include "bench.h"

int main(int argc, char **argv)
{
	uint64_t bytes = strtoull(argc > 1 ? argv[1] : "1", NULL, 10) << 20;
	int tasks = atoi(argc > 2 ? argv[2] : "1"), number = 0, told[2];
	char byte = 'x';

	NEED(pipe(told) == 0);
	for (int child = 1; child < tasks && !number; child++) {
		pid_t pid = fork();

		NEED(pid >= 0);
		if (pid == 0)
			number = child;
	}
	fill(map(bytes), bytes);
	if (number)
		NEED(write(told[1], &byte, 1) == 1);
	for (int i = 1; !number && i < tasks; i++)
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
