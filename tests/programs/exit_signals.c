/*
 * Children whose end is told with another signal than SIGCHLD, or not at all (clone(2), "The child
 * termination signal"): alive and zombies. wait(2) finds them with __WCLONE and __WALL only.
 */
#include "program.h"

static const int signals[] = { SIGCHLD, 0, SIGUSR1, 40 };
static volatile int came[65];

static void on_signal(int number)
{
	came[number]++;
}

static pid_t beget(int exit_signal)
{
	pid_t pid = (pid_t)syscall(SYS_clone, exit_signal, NULL, NULL, NULL, NULL);

	NEED(pid >= 0);
	return pid;
}

static int exit_signal_of(pid_t pid)
{
	char path[64], text[1024], *word;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	read_file(path, text, sizeof(text));
	word = strrchr(text, ')') + 2;
	for (int field = 3; field < 38; field++)
		word = strchr(word, ' ') + 1;
	return atoi(word);
}

int main(int argc, char **argv)
{
	enum { EACH = 2 };	/* of a real-time signal each is queued */
	pid_t alive[COUNT(signals)], dead[COUNT(signals)][EACH];
	siginfo_t info;
	sigset_t set, pending;
	int status;

	begin(argc, argv);
	sigfillset(&set);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	for (size_t i = 0; i < COUNT(signals); i++) {
		struct timespec none = { 0, 0 };

		if (signals[i])
			NEED(signal(signals[i], on_signal) != SIG_ERR);
		alive[i] = beget(signals[i]);
		if (alive[i] == 0) {
			wait_until_told();
			while (access("looked", F_OK))
				sleep_ms(1);
			_exit((int)i);
		}
		for (int k = 0; k < EACH; k++) {
			dead[i][k] = beget(signals[i]);
			if (dead[i][k] == 0)
				_exit(10 + (int)i);
			NEED(waitid(P_PID, (id_t)dead[i][k], &info, WEXITED | WNOWAIT | __WALL) == 0);
		}
		/* Their ends have been heard of: nothing is pending. */
		if (signals[i]) {
			sigemptyset(&pending);
			sigaddset(&pending, signals[i]);
			while (sigtimedwait(&pending, &info, &none) == signals[i])
				;
		}
	}

	ready();
	wait_until_told();

	NEED(sigpending(&pending) == 0);
	for (int number = 1; number < 65; number++)
		CHECK("pending", 0, sigismember(&pending, number));
	for (size_t i = 0; i < COUNT(signals); i++) {
		CHECK("exit signal of one alive", signals[i], exit_signal_of(alive[i]));
		CHECK("exit signal of a zombie", signals[i], exit_signal_of(dead[i][0]));
		for (int k = 0; k < EACH; k++) {
			bool usual = signals[i] == SIGCHLD;

			CHECK("the other way to wait", -1, waitpid(dead[i][k], &status, usual ? __WCLONE : 0));
			CHECK("wait", dead[i][k], waitpid(dead[i][k], &status, usual ? 0 : __WCLONE));
			CHECK("status", (10 + (int)i) << 8, status);
		}
	}
	write_file("looked", "", 0);
	for (size_t i = 0; i < COUNT(signals); i++) {
		NEED(waitid(P_PID, (id_t)alive[i], &info, WEXITED | WNOWAIT | __WALL) == 0);
		CHECK("wait with __WALL", alive[i], waitpid(alive[i], &status, __WALL));
		CHECK("status of one that was alive", (int)i << 8, status);
	}
	NEED(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
	for (int number = 1; number < 65; number++)
		CHECK("signals of children's ends", number == SIGCHLD || number == SIGUSR1 || number == 40,
		      came[number]);
	return verdict();
}
