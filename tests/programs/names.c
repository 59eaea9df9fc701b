/* Names of threads, processes and zombies of any bytes: none, newlines, parentheses, no UTF-8. */
#include "program.h"

static const char *const names[] = { "", "\n", "a\nb", ") R (", "\\x\\n", "\xff\xfe\x80", "\t \x01",
				     "fifteen letters", " ", "ends with \xc3" };
static pthread_barrier_t all_named;

static void check_name(const char *what, const char *expected)
{
	char got[32] = "";

	NEED(prctl(PR_GET_NAME, got) == 0);
	check_text(what, expected, got);
}

static void *live(void *argument)
{
	const char *name = argument;

	NEED(prctl(PR_SET_NAME, name) == 0);
	pthread_barrier_wait(&all_named);
	wait_until_told();
	check_name("thread", name);
	return NULL;
}

static void child(void *argument)
{
	const char *name = argument;

	NEED(prctl(PR_SET_NAME, name) == 0);
	child_is_ready();
	wait_until_told();
	check_name("process", name);
}

/* /proc/PID/comm of a zombie. */
static void check_comm(pid_t pid, const char *expected)
{
	char path[64], got[64], line[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	read_file(path, got, sizeof(got));
	snprintf(line, sizeof(line), "%s\n", expected);
	check_text("zombie", line, got);
}

int main(int argc, char **argv)
{
	pthread_t threads[COUNT(names)];
	pid_t children[COUNT(names)], zombies[COUNT(names)];
	siginfo_t info;

	begin(argc, argv);
	for (size_t i = 0; i < COUNT(names); i++) {
		children[i] = spawn(child, (void *)(uintptr_t)names[i]);
		zombies[i] = fork();
		if (zombies[i] == 0) {
			NEED(prctl(PR_SET_NAME, names[i]) == 0);
			_exit(7);
		}
		NEED(waitid(P_PID, (id_t)zombies[i], &info, WEXITED | WNOWAIT) == 0);
	}
	NEED(prctl(PR_SET_NAME, "\xe4) S 1\n(") == 0);
	NEED(pthread_barrier_init(&all_named, NULL, COUNT(names) + 1) == 0);
	for (size_t i = 0; i < COUNT(names); i++)
		NEED(pthread_create(&threads[i], NULL, live, (void *)(uintptr_t)names[i]) == 0);
	pthread_barrier_wait(&all_named);

	ready();
	wait_until_told();

	check_name("root", "\xe4) S 1\n(");
	for (size_t i = 0; i < COUNT(names); i++) {
		NEED(pthread_join(threads[i], NULL) == 0);
		expect_exit("child", children[i], 0);
		check_comm(zombies[i], names[i]);
		expect_exit("zombie", zombies[i], 7);
	}
	return verdict();
}
