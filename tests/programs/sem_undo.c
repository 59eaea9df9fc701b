/*
 * System V semaphores with SEM_UNDO: values of both signs and their limits, held by a process and by
 * another one's thread; what each has comes to effect at its end, and only then.
 */
#include "program.h"
#include <sys/ipc.h>
#include <sys/sem.h>

enum { TAKEN, GIVEN, MUCH, LEAST, NOTHING, PLAIN, FULL, SEMAPHORES };

static int set, other;
static volatile int *seen;	/* shared: what they hold has been looked at */

static void operate(int id, int num, int op, int flags)
{
	struct sembuf one = { (unsigned short)num, (short)op, (short)flags };

	NEED(semop(id, &one, 1) == 0);
}

static void check_values(const char *when, const int *expected)
{
	char what[64];

	for (int i = 0; i < SEMAPHORES; i++) {
		snprintf(what, sizeof(what), "semaphore %d %s", i, when);
		CHECK(what, expected[i], semctl(set, i, GETVAL));
	}
}

static void *thread(void *argument)
{
	(void)argument;
	operate(set, TAKEN, -2, SEM_UNDO);
	return NULL;
}

/* In all this leaves 7 - 2, 3, 1, 1, 5, 6, 32767. */
static void child(void *argument)
{
	pthread_t other_thread;

	(void)argument;
	NEED(pthread_create(&other_thread, NULL, thread, NULL) == 0);
	operate(set, GIVEN, 3, SEM_UNDO);
	operate(set, MUCH, -20000, SEM_UNDO);
	/* An undo value of -32768. */
	operate(set, LEAST, 32767, SEM_UNDO);
	operate(set, LEAST, -32767, 0);
	operate(set, LEAST, 1, SEM_UNDO);
	operate(set, NOTHING, -4, SEM_UNDO);
	operate(set, NOTHING, 4, SEM_UNDO);
	operate(set, PLAIN, 6, 0);
	operate(set, FULL, 32767, SEM_UNDO);
	operate(other, 0, -1, SEM_UNDO);
	NEED(pthread_join(other_thread, NULL) == 0);
	child_is_ready();
	while (!*seen)
		sleep_ms(2);
}

static void locked(void *argument)
{
	(void)argument;
	operate(set, TAKEN, -1, SEM_UNDO);
	child_is_ready();
	while (!*seen)
		sleep_ms(2);
	/* Giving back what it had taken leaves nothing to undo. */
	operate(set, TAKEN, 1, SEM_UNDO);
}

int main(int argc, char **argv)
{
	static const int start[SEMAPHORES] = { 7, 0, 20001, 0, 5, 0, 0 };
	static const int held[SEMAPHORES] = { 4, 3, 1, 1, 5, 6, 32767 };
	static const int freed[SEMAPHORES] = { 7, 0, 20001, 0, 5, 6, 0 };
	pid_t one, two;

	begin(argc, argv);
	seen = map_anonymous(NULL, 4096, MAP_SHARED);
	set = semget(IPC_PRIVATE, SEMAPHORES, IPC_CREAT | 0600);
	other = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
	NEED(set >= 0 && other >= 0);
	for (int i = 0; i < SEMAPHORES; i++)
		NEED(semctl(set, i, SETVAL, start[i]) == 0);
	NEED(semctl(other, 0, SETVAL, 1) == 0);
	one = spawn(child, NULL);
	two = spawn(locked, NULL);
	check_values("at first", held);

	ready();
	wait_until_told();

	check_values("when told", held);
	*seen = 1;
	expect_exit("a child that held one", two, 0);
	expect_exit("a child with a thread", one, 0);
	check_values("at their end", freed);
	CHECK("the other set", 1, semctl(other, 0, GETVAL));
	NEED(semctl(set, 0, IPC_RMID) == 0 && semctl(other, 0, IPC_RMID) == 0);
	return verdict();
}
