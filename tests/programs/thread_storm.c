/*
 * Threads that are hard to stop all at once: few live at a time and none for long, each makes the
 * next one and ends ("chain"); or each makes others besides while fewer than CROWD live ("crowd").
 */
#include "program.h"

#define CROWD 150
#define CHAINS 6

static bool stop, crowd;
static long born, ended, live;

static uint64_t tag(long number)
{
	return pattern(7, (uint64_t)number);
}

struct life {
	long number;
	uint64_t tag;
	bool stem;	/* its line never ends */
};

static void *live_shortly(void *argument);

static void beget(bool stem)
{
	struct life *life = malloc(sizeof(*life));
	pthread_attr_t attributes;
	pthread_t thread;

	NEED(life);
	life->number = __atomic_add_fetch(&born, 1, __ATOMIC_SEQ_CST);
	life->tag = tag(life->number);
	life->stem = stem;
	__atomic_add_fetch(&live, 1, __ATOMIC_SEQ_CST);
	NEED(pthread_attr_init(&attributes) == 0);
	NEED(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
	NEED(pthread_attr_setstacksize(&attributes, 65536) == 0);
	NEED(pthread_create(&thread, &attributes, live_shortly, life) == 0);
	NEED(pthread_attr_destroy(&attributes) == 0);
}

static void *live_shortly(void *argument)
{
	struct life *life = argument;
	long number = life->number;
	bool stem = life->stem;

	if (life->tag != tag(number))
		fail("thread %ld: its tag (got %#llx)", number, (unsigned long long)life->tag);
	free(life);
	if (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		if (stem)
			beget(true);
		for (int i = 0; i < 2 && crowd && __atomic_load_n(&live, __ATOMIC_SEQ_CST) < CROWD; i++)
			beget(false);
	}
	if (crowd && number % 4 == 0)
		sleep_ms(number % 16);
	__atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
	__atomic_sub_fetch(&live, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void wait_until_ended(long count)
{
	for (int i = 0; __atomic_load_n(&ended, __ATOMIC_SEQ_CST) < count && i < 20000; i++)
		sleep_ms(1);
	check_between("threads that have ended", count, LONG_MAX, __atomic_load_n(&ended, __ATOMIC_SEQ_CST));
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	crowd = !strcmp(variant(argc, argv), "crowd");
	for (int i = 0; i < CHAINS; i++)
		beget(true);
	wait_until_ended(1000);

	ready();
	wait_until_told();

	wait_until_ended(__atomic_load_n(&ended, __ATOMIC_SEQ_CST) + 1000);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	for (int i = 0; __atomic_load_n(&live, __ATOMIC_SEQ_CST) && i < 20000; i++)
		sleep_ms(1);
	CHECK("threads left", 0, live);
	CHECK("threads that have ended", born, ended);
	return verdict();
}
