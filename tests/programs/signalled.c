/*
 * Counts the signals that others send, where they can read it: in the file "counts", a 32-bit number
 * for each signal, and at 0 the sum of the values of real-time ones. Variant "default": no handlers.
 */
#include "program.h"

static volatile int *counts;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	__atomic_add_fetch(&counts[sig], 1, __ATOMIC_SEQ_CST);
	if (info->si_code == SI_QUEUE)
		__atomic_add_fetch(&counts[0], info->si_value.sival_int, __ATOMIC_SEQ_CST);
}

static void *idle(void *argument)
{
	while (!told())
		sleep_ms(2);
	return argument;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	static const int signals[] = { SIGUSR1, SIGCONT, 40 };
	char zero[4096] = "";
	pthread_t threads[2];
	int fd;

	begin(argc, argv);
	write_file("counts", zero, sizeof(zero));
	fd = open("counts", O_RDWR);
	NEED(fd >= 0);
	counts = mmap(NULL, sizeof(zero), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(counts != MAP_FAILED);
	if (strcmp(variant(argc, argv), "default"))
		for (size_t i = 0; i < COUNT(signals); i++)
			NEED(sigaction(signals[i], &action, NULL) == 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		NEED(pthread_create(&threads[i], NULL, idle, NULL) == 0);

	ready();
	wait_until_told();

	for (size_t i = 0; i < COUNT(threads); i++)
		NEED(pthread_join(threads[i], NULL) == 0);
	return verdict();
}
