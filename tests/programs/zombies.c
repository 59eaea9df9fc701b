/* Zombies: with exit codes, killed by signals, a zombie thread group leader, one of a grandchild. */
#include "program.h"

static void *outlive_leader(void *argument)
{
	(void)argument;
	sleep_ms(5);
	wait_until_told();
	_exit(23);
}

static void leader_exits(void *argument)
{
	pthread_t thread;

	(void)argument;
	NEED(pthread_create(&thread, NULL, outlive_leader, NULL) == 0);
	child_is_ready();
	pthread_exit(NULL);
}

static void parent_of_zombie(void *argument)
{
	siginfo_t info;
	pid_t grandchild;

	(void)argument;
	grandchild = fork();
	if (grandchild == 0)
		_exit(99);
	NEED(waitid(P_PID, (id_t)grandchild, &info, WEXITED | WNOWAIT) == 0);
	child_is_ready();
	wait_until_told();
	expect_exit("zombie of a child", grandchild, 99);
}

int main(int argc, char **argv)
{
	static const int codes[] = { 0, 1, 42, 255 };
	static const int signals[] = { SIGKILL, SIGTERM, SIGUSR1, 37 };
	pid_t exited[COUNT(codes)], killed[COUNT(signals)], odd, parent;
	struct timespec forever = { 1000, 0 };
	siginfo_t info;
	int status;

	begin(argc, argv);
	odd = argc > 2 ? spawn(leader_exits, NULL) : 0;	/* variant "leader" */
	if (odd)
		wait_until_state(odd, 'Z');
	parent = spawn(parent_of_zombie, NULL);
	for (size_t i = 0; i < COUNT(codes); i++)
		if ((exited[i] = fork()) == 0)
			_exit(codes[i]);
	for (size_t i = 0; i < COUNT(signals); i++) {
		if ((killed[i] = fork()) == 0)
			nanosleep(&forever, NULL);
		NEED(kill(killed[i], signals[i]) == 0);
	}
	for (size_t i = 0; i < COUNT(codes); i++)
		NEED(waitid(P_PID, (id_t)exited[i], &info, WEXITED | WNOWAIT) == 0);
	for (size_t i = 0; i < COUNT(signals); i++)
		NEED(waitid(P_PID, (id_t)killed[i], &info, WEXITED | WNOWAIT) == 0);

	ready();
	wait_until_told();

	for (size_t i = 0; i < COUNT(codes); i++)
		expect_exit("exit code", exited[i], codes[i]);
	for (size_t i = 0; i < COUNT(signals); i++) {
		CHECK("killed one", killed[i], waitpid(killed[i], &status, 0));
		CHECK("its status", signals[i], status);
	}
	expect_exit("parent of a zombie", parent, 0);
	if (odd)
		expect_exit("process whose leader had exited", odd, 23);
	return verdict();
}
