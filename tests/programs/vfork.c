/*
 * A parent inside vfork, which nothing can stop until its child has left its memory. Variants:
 * "short": the child executes another program 400 ms after READY; "long": not before it is told.
 */
#include "program.h"

int main(int argc, char **argv)
{
	static bool is_long;	/* in memory, as vfork returns twice */
	char *const args[] = { argv[0], argv[1], "child", NULL };
	pid_t pid;

	begin(argc, argv);
	is_long = !strcmp(variant(argc, argv), "long");
	if (!strcmp(variant(argc, argv), "child")) {
		wait_until_told();
		return 7;
	}
	pid = vfork();
	NEED(pid >= 0);
	if (pid == 0) {
		ready();
		if (is_long)
			wait_until_told();
		else
			sleep_ms(400);
		execv(argv[0], args);
		_exit(1);
	}
	wait_until_told();
	expect_exit("child", pid, 7);
	return verdict();
}
