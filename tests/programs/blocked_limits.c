/*
 * semtimedop and io_getevents, which answer EINTR to any stop and take a time that the kernel does
 * not shorten: they go on for what is left of it.
 */
#include "blocked.h"
#include <linux/aio_abi.h>
#include <sys/ipc.h>
#include <sys/sem.h>

static int set;
static struct timespec limit = { SLEEP_NS / 1000000000, SLEEP_NS % 1000000000 };

static long semaphore_timed(struct blocked *b)
{
	struct sembuf take = { 0, -1, 0 };

	(void)b;
	return syscall(SYS_semtimedop, set, &take, 1L, &limit);
}

static long semaphore_forever(struct blocked *b)
{
	struct sembuf take = { 1, -2, 0 };

	(void)b;
	return syscall(SYS_semop, set, &take, 1L);
}

static void give(struct blocked *b)
{
	struct sembuf two = { 1, 2, 0 };

	(void)b;
	NEED(semop(set, &two, 1) == 0);
}

static long events_timed(struct blocked *b)
{
	aio_context_t context = 0;
	struct io_event event;

	(void)b;
	NEED(syscall(SYS_io_setup, 4, &context) == 0);
	return syscall(SYS_io_getevents, context, 1L, 1L, &event, &limit);
}

static struct blocked cases[] = {
	{ "semtimedop", SYS_semtimedop, semaphore_timed, -1, EAGAIN, .timed = true },
	{ "semop", SYS_semop, semaphore_forever, .release = give },
	{ "io_getevents", SYS_io_getevents, events_timed, .timed = true },
};

int main(int argc, char **argv)
{
	int status;

	begin(argc, argv);
	set = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);
	NEED(set >= 0 && semctl(set, 0, SETVAL, 0) == 0 && semctl(set, 1, SETVAL, 0) == 0);
	status = run_all_blocked(cases, COUNT(cases));
	NEED(semctl(set, 0, IPC_RMID) == 0);
	return status;
}
