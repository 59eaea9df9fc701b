/* 200 threads, or as many as the variant says, with floating point and TLS of their own; half of them compute, half wait. */
#include "program.h"
#include <math.h>

#define MOST 4000

static __thread struct {
	unsigned long id;
	double root;
	char padding[300];
} mine;

static pthread_barrier_t built;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static bool go;
static pid_t tids[MOST];

static void *run(void *argument)
{
	unsigned long id = (unsigned long)argument;
	volatile double x = (double)id + 2;

	mine.id = id;
	mine.root = sqrt(x);
	memset(mine.padding, (int)id, sizeof(mine.padding));
	tids[id] = tid_of_caller();
	pthread_barrier_wait(&built);
	if (id % 2) {
		pthread_mutex_lock(&lock);
		while (!go)
			pthread_cond_wait(&released, &lock);
		pthread_mutex_unlock(&lock);
	} else {
		while (!__atomic_load_n(&go, __ATOMIC_SEQ_CST)) {
			double sum = 0;

			for (int i = 1; i < 100; i++)
				sum += x / i;
			if (fabs(sum - x * 5.177377517639621) > 1e-9 * x)
				fail("thread %lu: a sum (got %a)", id, sum);
			sleep_ms(20);
		}
	}
	CHECK("id in TLS", id, mine.id);
	if (mine.root != sqrt(x))
		fail("thread %lu: a root in TLS (expected %a, got %a)", id, sqrt(x), mine.root);
	check_filled("padding in TLS", mine.padding, (int)id, sizeof(mine.padding));
	CHECK("tid", tids[id], tid_of_caller());
	return argument;
}

int main(int argc, char **argv)
{
	static pthread_t threads[MOST];
	unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 200;
	pthread_attr_t attributes;
	void *result;

	begin(argc, argv);
	NEED(count <= MOST);
	NEED(pthread_barrier_init(&built, NULL, count + 1) == 0);
	NEED(pthread_attr_init(&attributes) == 0);
	NEED(pthread_attr_setstacksize(&attributes, 131072) == 0);
	for (unsigned long i = 0; i < count; i++)
		NEED(pthread_create(&threads[i], &attributes, run, (void *)i) == 0);
	pthread_barrier_wait(&built);

	ready();
	wait_until_told();

	pthread_mutex_lock(&lock);
	__atomic_store_n(&go, true, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&lock);
	for (unsigned long i = 0; i < count; i++) {
		NEED(pthread_join(threads[i], &result) == 0);
		CHECK("result", i, result);
	}
	return verdict();
}
