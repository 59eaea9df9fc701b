/* COUNT processes: the root, its children, and theirs, seventeen each at most. */
#include <sys/wait.h>

#include "bench.h"

#define CHILDREN 17

int main(int argc, char **argv)
{
	int count = atoi(argc > 1 ? argv[1] : "1");
	int number = 0, first, told[2];
	char byte = 'x';

	NEED(pipe(told) == 0);
again:
	first = CHILDREN * number + 1;
	for (int child = first; child < first + CHILDREN && child < count; child++) {
		pid_t pid = fork();

		NEED(pid >= 0);
		if (pid == 0) {
			number = child;
			goto again;
		}
	}
	fill(map(16384), 16384);
	if (number)
		NEED(write(told[1], &byte, 1) == 1);
	else
		for (int i = 1; i < count; i++)
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
