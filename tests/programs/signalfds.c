/* Signalfds: masks, what is pending for the process and for a thread, one shared with a child. */
#include "program.h"
#include <sys/signalfd.h>

static int all, usr1, turn[2];

static void expect(const char *what, int fd, int signal, int value)
{
	struct signalfd_siginfo info = { 0 };

	CHECK(what, sizeof(info), read(fd, &info, sizeof(info)));
	CHECK(what, signal, info.ssi_signo);
	if (value)
		CHECK(what, value, info.ssi_int);
}

/* The same open file gives each the signals of his own. */
static void child(void *argument)
{
	char byte;

	(void)argument;
	child_is_ready();
	NEED(read(turn[0], &byte, 1) == 1);
	raise(SIGRTMIN + 3);
	expect("the child's own", all, SIGRTMIN + 3, 0);
}

static void *thread_body(void *argument)
{
	union sigval value = { .sival_int = 77 };

	NEED(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, value) == 0);
	NEED(write(*(int *)argument, "", 1) == 1);
	wait_until_told();
	expect("the thread's own", all, SIGRTMIN + 1, 77);
	return NULL;
}

int main(int argc, char **argv)
{
	struct signalfd_siginfo info;
	union sigval value = { .sival_int = 5 };
	pthread_t thread;
	sigset_t set;
	int ends[2];
	char byte;
	pid_t pid;

	begin(argc, argv);
	sigfillset(&set);
	NEED(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	all = signalfd(-1, &set, SFD_NONBLOCK);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, 64);
	usr1 = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	NEED(all >= 0 && usr1 >= 0 && pipe(ends) == 0 && pipe(turn) == 0);
	pid = spawn(child, NULL);
	NEED(pthread_create(&thread, NULL, thread_body, &ends[1]) == 0 && read(ends[0], &byte, 1) == 1);
	NEED(raise(SIGUSR1) == 0 && sigqueue(getpid(), SIGRTMIN + 2, value) == 0);
	value.sival_int = 6;
	NEED(sigqueue(getpid(), 64, value) == 0);

	ready();
	wait_until_told();

	CHECK("flags", O_RDWR | O_NONBLOCK, fcntl(usr1, F_GETFL));
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(usr1, F_GETFD));
	expect("the lowest", usr1, SIGUSR1, 0);
	expect("the highest", usr1, 64, 6);
	CHECK("what is not in the mask", -1, read(usr1, &info, sizeof(info)));
	CHECK("errno", EAGAIN, errno);
	expect("real-time signal", all, SIGRTMIN + 2, 5);
	CHECK("thread", 0, pthread_join(thread, NULL));
	NEED(write(turn[1], "", 1) == 1);
	expect_exit("child", pid, 0);
	expect("the child's end", all, SIGCHLD, 0);
	CHECK("no more", -1, read(all, &info, sizeof(info)));
	return verdict();
}
