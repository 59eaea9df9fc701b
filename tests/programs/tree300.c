/* A tree of 300 processes, four levels deep, each with memory of its own. */
#include "program.h"

#define TOTAL 300

static pid_t *pids;	/* shared, so that everyone knows everyone */
static pid_t *parents;

static void wait_for_signal(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	while (sigwait(&set, &sig))
		;
}

/* Node i has the children 5i+1 .. 5i+5. */
static void node(int i)
{
	uint64_t *own = map_anonymous(NULL, 3 * 4096, MAP_PRIVATE);

	fill_pattern(own, 2 * 4096, (uint64_t)i);
	for (int c = 5 * i + 1; c <= 5 * i + 5 && c < TOTAL; c++) {
		pid_t pid = fork();

		NEED(pid >= 0);
		if (pid == 0) {
			node(c);
			_exit(failures ? 1 : 0);
		}
	}
	parents[i] = getppid();
	__atomic_store_n(&pids[i], getpid(), __ATOMIC_SEQ_CST);
	if (i)
		wait_for_signal();
	else {
		for (int n = 0; n < TOTAL; n++)
			while (!__atomic_load_n(&pids[n], __ATOMIC_SEQ_CST))
				sleep_ms(1);
		ready();
		wait_until_told();
	}
	CHECK("pid", pids[i], getpid());
	if (i)
		CHECK("parent", pids[(i - 1) / 5], getppid());
	check_pattern("own memory", own, 2 * 4096, (uint64_t)i);
	check_filled("untouched memory", own + 2 * 512, 0, 4096);
	for (int c = 5 * i + 1; c <= 5 * i + 5 && c < TOTAL; c++) {
		NEED(kill(pids[c], SIGUSR1) == 0);
		expect_exit("child", pids[c], 0);
	}
}

int main(int argc, char **argv)
{
	sigset_t set;

	begin(argc, argv);
	pids = map_anonymous(NULL, 2 * TOTAL * sizeof(pid_t), MAP_SHARED);
	parents = pids + TOTAL;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	node(0);
	return verdict();
}
