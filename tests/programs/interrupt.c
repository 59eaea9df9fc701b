/*
 * Not a test program but what a dump does at the least: seizes every thread of the processes given,
 * interrupts them, waits until all have stopped, and detaches. A test program has to pass with it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static pid_t seized[4096];
static long signals[4096];
static int count;

static int seize_threads(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	int found = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		pid_t tid = atoi(entry->d_name);

		/* EPERM: seized already, or a zombie. */
		if (!tid || count == 4096 || ptrace(PTRACE_SEIZE, tid, 0, 0))
			continue;
		ptrace(PTRACE_INTERRUPT, tid, 0, 0);
		seized[count++] = tid;
		found++;
	}
	if (tasks)
		closedir(tasks);
	return found;
}

int main(int argc, char **argv)
{
	int status, found;

	do {
		found = 0;
		for (int i = 1; i < argc; i++)
			found += seize_threads(atoi(argv[i]));
	} while (found);
	for (int i = 0; i < count; i++) {
		while (waitpid(seized[i], &status, __WALL) < 0 && errno == EINTR)
			;
		/* A stop that is no event is the delivery of a signal: it goes on with the detach. */
		if (WIFSTOPPED(status) && status >> 16 == 0)
			signals[i] = WSTOPSIG(status);
	}
	for (int i = 0; i < count; i++)
		ptrace(PTRACE_DETACH, seized[i], 0, (void *)signals[i]);
	printf("%d\n", count);
	return count ? 0 : 1;
}
