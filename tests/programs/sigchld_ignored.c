/* Children of a task that ignores SIGCHLD: they leave no zombie, before as after. */
#include "program.h"

static void live(void *argument)
{
	(void)argument;
	child_is_ready();
	wait_until_told();
}

static void parent(void *argument)
{
	struct sigaction action = { .sa_handler = SIG_IGN }, got;
	bool by_flag = argument;
	pid_t child;

	if (by_flag)
		action = (struct sigaction){ .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
	NEED(sigaction(SIGCHLD, &action, NULL) == 0);
	child = spawn(live, NULL);
	child_is_ready();
	wait_until_told();
	NEED(sigaction(SIGCHLD, NULL, &got) == 0);
	if (by_flag)
		CHECK("SA_NOCLDWAIT", SA_NOCLDWAIT, got.sa_flags & SA_NOCLDWAIT);
	else
		CHECK("SIG_IGN", SIG_IGN, got.sa_handler);
	/* Waits until the child is gone, and has no status to give. */
	CHECK("wait", -1, waitpid(child, NULL, 0));
	CHECK("errno", ECHILD, errno);
	child = fork();
	if (child == 0)
		_exit(0);
	CHECK("wait for a new one", -1, waitpid(child, NULL, 0));
	CHECK("errno", ECHILD, errno);
}

int main(int argc, char **argv)
{
	pid_t ignores, flagged;

	begin(argc, argv);
	ignores = spawn(parent, NULL);
	flagged = spawn(parent, argv);

	ready();
	wait_until_told();

	expect_exit("parent that ignores SIGCHLD", ignores, 0);
	expect_exit("parent with SA_NOCLDWAIT", flagged, 0);
	return verdict();
}
