/* Threads that come and go all the time, also while the dump looks for them. */
#include "program.h"

#define MAKERS 3

static volatile bool stop;
static unsigned long made[MAKERS], ended;

static void *short_life(void *argument)
{
	__atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
	return argument;
}

static void *make(void *argument)
{
	unsigned long i = (unsigned long)argument;
	pthread_t threads[4];
	void *result;

	while (!stop) {
		for (unsigned long n = 0; n < COUNT(threads); n++)
			NEED(pthread_create(&threads[n], NULL, short_life, (void *)(made[i] + n)) == 0);
		for (unsigned long n = 0; n < COUNT(threads); n++) {
			NEED(pthread_join(threads[n], &result) == 0);
			CHECK("result", made[i] + n, result);
		}
		made[i] += COUNT(threads);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t makers[MAKERS];
	unsigned long before, total = 0;

	begin(argc, argv);
	for (unsigned long i = 0; i < MAKERS; i++)
		NEED(pthread_create(&makers[i], NULL, make, (void *)i) == 0);
	while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) < 100)
		sleep_ms(1);

	ready();
	wait_until_told();

	before = __atomic_load_n(&ended, __ATOMIC_SEQ_CST);
	for (int i = 0; __atomic_load_n(&ended, __ATOMIC_SEQ_CST) < before + 100 && i < 10000; i++)
		sleep_ms(1);
	/* Ended threads are gone, where a tracer that forgot them would leave zombies. */
	check_between("threads of the process", 1 + MAKERS, 1 + MAKERS + MAKERS * 4,
		      (long long)status_number("/proc/self/status", "Threads", 10));
	check_between("threads since", (long long)before + 100, LLONG_MAX, (long long)ended);
	stop = true;
	for (int i = 0; i < MAKERS; i++) {
		NEED(pthread_join(makers[i], NULL) == 0);
		total += made[i];
	}
	CHECK("threads that have ended", total, ended);
	return verdict();
}
