/*
 * Five processes with memory enough that the next one's is dumped while it is still being written:
 * 3 MiB each, every word of it different. The second has threads, the third shares its memory with
 * a process that comes later in the tree, the fifth cannot read a part of its memory itself.
 */
#include "program.h"

#define PROCESSES 4
#define BYTES (3ul << 20)
#define PART (64ul << 10)

static char *areas[PROCESSES + 1];
static volatile int *go;

static void *idle(void *unused)
{
	(void)unused;
	while (!*go)
		sleep_ms(2);
	return NULL;
}

static int idle_child(void *unused)
{
	idle(unused);
	check_pattern("memory of the process that begot it", areas[3], BYTES, 3);
	return failures ? 1 : 0;
}

static void wait_and_check(long i)
{
	char what[32];

	while (!*go)
		sleep_ms(2);
	if (i == 4)
		NEED(mprotect(areas[i] + PART, PART, PROT_READ) == 0);
	snprintf(what, sizeof(what), "memory of process %ld", i);
	check_pattern(what, areas[i], BYTES, (uint64_t)i);
}

static void child(void *argument)
{
	long i = (long)argument;
	pthread_t threads[3];
	pid_t sharing = 0;

	fill_pattern(areas[i], BYTES, (uint64_t)i);
	if (i == 2)
		for (size_t t = 0; t < COUNT(threads); t++)
			NEED(pthread_create(&threads[t], NULL, idle, NULL) == 0);
	if (i == 3) {
		char *stack = map_anonymous(NULL, PART, MAP_PRIVATE);

		sharing = clone(idle_child, stack + PART, CLONE_VM | SIGCHLD, NULL);
		NEED(sharing > 0);
	}
	if (i == 4)
		NEED(mprotect(areas[i] + PART, PART, PROT_NONE) == 0);
	child_is_ready();
	wait_and_check(i);
	if (i == 2)
		for (size_t t = 0; t < COUNT(threads); t++)
			NEED(pthread_join(threads[t], NULL) == 0);
	if (sharing)
		expect_exit("the process that shares the third's memory", sharing, 0);
}

int main(int argc, char **argv)
{
	pid_t pids[PROCESSES + 1];

	begin(argc, argv);
	go = map_anonymous(NULL, 4096, MAP_SHARED);
	for (int i = 0; i <= PROCESSES; i++)
		areas[i] = map_anonymous(NULL, BYTES, MAP_PRIVATE);
	for (long i = 1; i <= PROCESSES; i++)
		pids[i] = spawn(child, (void *)i);
	fill_pattern(areas[0], BYTES, 0);
	/* Until then one may still be about to close its end of a pipe. */
	for (int i = 1; i <= PROCESSES; i++)
		wait_until_blocked(pids[i], pids[i], SYS_clock_nanosleep);
	ready();
	wait_until_told();
	*go = 1;
	check_pattern("memory of the root", areas[0], BYTES, 0);
	for (int i = 1; i <= PROCESSES; i++)
		expect_exit("child", pids[i], 0);
	return verdict();
}
