/*
 * Takes the semaphore of the set whose id is in DIR/set, with SEM_UNDO, and gives it back in the
 * end. "thread": a thread without CLONE_SYSVSEM does. "shared": so does a child with it.
 */
#include "program.h"
#include <sys/sem.h>

static struct sembuf take = { 0, -1, SEM_UNDO }, give = { 0, 1, SEM_UNDO };
static char stack[65536] __attribute__((aligned(16)));
static volatile int set, taken, ended;

static int body(void *argument)
{
	struct timespec pause_time = { 0, 2000000 };

	(void)argument;
	taken = syscall(SYS_semop, set, &take, 1L) == 0 ? 1 : -1;
	while (syscall(SYS_access, go_path, F_OK))
		syscall(SYS_nanosleep, &pause_time, NULL);
	ended = syscall(SYS_semop, set, &give, 1L) == 0 ? 1 : -1;
	syscall(SYS_exit, 0);
	return 0;
}

int main(int argc, char **argv)
{
	char text[32], path[PATH_MAX + 16];
	const char *how;
	int flags = 0;
	pid_t pid = 0;

	begin(argc, argv);
	how = variant(argc, argv);
	snprintf(path, sizeof(path), "%s/set", test_dir);
	read_file(path, text, sizeof(text));
	set = atoi(text);
	if (!strcmp(how, "thread"))
		flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	if (!strcmp(how, "shared"))
		flags = CLONE_SYSVSEM | SIGCHLD;
	if (flags & CLONE_SYSVSEM)
		NEED(semop(set, &take, 1) == 0);
	if (flags) {
		pid = clone(body, stack + sizeof(stack), flags, NULL);
		NEED(pid > 0);
	}
	if (flags & CLONE_THREAD)
		while (!taken)
			sleep_ms(1);
	else if (!flags)
		NEED(semop(set, &take, 1) == 0);
	else
		while (semctl(set, 0, GETVAL))
			sleep_ms(1);

	ready();
	wait_until_told();

	if (flags & CLONE_THREAD) {
		while (!ended)
			sleep_ms(1);
		CHECK("taken by the thread", 1, taken);
		CHECK("given by the thread", 1, ended);
	} else {
		CHECK("give", 0, semop(set, &give, 1));
	}
	if (flags & CLONE_SYSVSEM)
		expect_exit("child", pid, 0);
	return verdict();
}
