/* Zombies: with exit codes, killed by signals, a zombie thread group leader (variant leader), one of a
 * grandchild, with core dumps (variant cores). A parent that counts its SIGCHLD (variant counted) gets
 * none for being restored. */
#include "program.h"
#include <sys/resource.h>

static volatile int ends;

static void count_end(int signal)
{
	(void)signal;
	ends++;
}

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

/* Those whose end a core dump comes with, or would but for a limit. */
static void check_cores(const pid_t *pids, const int *expected, size_t number)
{
	int status;

	for (size_t i = 0; i < number; i++) {
		CHECK("one that ended with a core", pids[i], waitpid(pids[i], &status, 0));
		CHECK("its status", expected[i], status);
	}
	CHECK("core files", -1, access("core", F_OK));
}

static size_t dump_cores(pid_t *pids, int *expected)
{
	static const int signals[] = { SIGSEGV, SIGQUIT, SIGABRT };
	struct rlimit limit;
	siginfo_t info;
	char pattern[256];

	read_file("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern));
	if (strcmp(pattern, "core\n"))
		skip("cores of this host have another name than core");
	NEED(getrlimit(RLIMIT_CORE, &limit) == 0);
	if (limit.rlim_max != RLIM_INFINITY)
		skip("the size of cores is limited");
	for (size_t i = 0; i < 2 * COUNT(signals); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			limit.rlim_cur = i & 1 ? limit.rlim_max : 0;
			NEED(setrlimit(RLIMIT_CORE, &limit) == 0);
			NEED(signal(signals[i / 2], SIG_DFL) != SIG_ERR);
			NEED(prctl(PR_SET_DUMPABLE, 1) == 0);
			raise(signals[i / 2]);
		}
		NEED(waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOWAIT) == 0);
		expected[i] = signals[i / 2] | (i & 1 ? 0x80 : 0);
		NEED(info.si_code == (i & 1 ? CLD_DUMPED : CLD_KILLED));
		NEED(!unlink("core") || errno == ENOENT);
	}
	return 2 * COUNT(signals);
}

int main(int argc, char **argv)
{
	static const int codes[] = { 0, 1, 42, 255 };
	static const int signals[] = { SIGKILL, SIGTERM, SIGUSR1, 37 };
	bool cores = !strcmp(variant(argc, argv), "cores");
	bool counted = !strcmp(variant(argc, argv), "counted");
	int ended;
	int expected[8];
	pid_t dumped[8];
	size_t number = 0;
	pid_t exited[COUNT(codes)], killed[COUNT(signals)], odd, parent;
	struct timespec forever = { 1000, 0 };
	siginfo_t info;
	int status;

	begin(argc, argv);
	if (cores)
		number = dump_cores(dumped, expected);
	if (counted)
		NEED(signal(SIGCHLD, count_end) != SIG_ERR);
	odd = argc > 2 && !cores && !counted ? spawn(leader_exits, NULL) : 0;	/* variant "leader" */
	if (odd)
		wait_until_state(odd, 'Z');
	/* That one ends when it is told, which would count. */
	parent = counted ? 0 : spawn(parent_of_zombie, NULL);
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

	ended = ends;
	CHECK("ends that were counted", counted, ended > 0);

	ready();
	wait_until_told();

	CHECK("ends that were counted since", ended, ends);
	check_cores(dumped, expected, number);
	for (size_t i = 0; i < COUNT(codes); i++)
		expect_exit("exit code", exited[i], codes[i]);
	for (size_t i = 0; i < COUNT(signals); i++) {
		CHECK("killed one", killed[i], waitpid(killed[i], &status, 0));
		CHECK("its status", signals[i], status);
	}
	if (parent)
		expect_exit("parent of a zombie", parent, 0);
	if (odd)
		expect_exit("process whose leader had exited", odd, 23);
	return verdict();
}
