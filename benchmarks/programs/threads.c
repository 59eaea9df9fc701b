/* COUNT threads, each asleep on a futex. */
#include <pthread.h>

#include "bench.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *sleep_here(void *unused)
{
	pthread_mutex_lock(&lock);
	return unused;
}

int main(int argc, char **argv)
{
	int count = atoi(argc > 1 ? argv[1] : "1");
	pthread_attr_t attributes;

	pthread_mutex_lock(&lock);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	for (int i = 1; i < count; i++) {
		pthread_t thread;

		NEED(pthread_create(&thread, &attributes, sleep_here, NULL) == 0);
	}
	ready();
	for (;;)
		pause();
}
