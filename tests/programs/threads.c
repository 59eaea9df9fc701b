/* Threads: each with its own TLS, floating point state, signal mask, name and alternate stack. */
#include "program.h"
#include <fenv.h>

#define THREADS 4

struct worker {
	pthread_t thread;
	pid_t tid;
	long id;
	void *stack;
	volatile bool built;
};

static __thread unsigned long mine[64];
static struct worker workers[THREADS + 1];	/* the last is the leader */

static const int rounding[] = { FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO };

static double series(long id, long steps)
{
	double x = (double)id + 1;

	for (long i = 0; i < steps; i++)
		x = x * 1.0000001 + (double)id;
	return x;
}

static void live(struct worker *me)
{
	stack_t stack = { .ss_sp = me->stack, .ss_size = 16384 + 4096 * (size_t)me->id }, got;
	sigset_t mask, now;
	char name[16], is[16];
	volatile double third = 1.0, three = 3.0;
	double expected, quotient;

	me->tid = tid_of_caller();
	for (size_t i = 0; i < COUNT(mine); i++)
		mine[i] = (unsigned long)me->id * 1000 + i;
	snprintf(name, sizeof(name), "worker-%ld", me->id);
	NEED(prctl(PR_SET_NAME, name) == 0);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGRTMIN + (int)me->id);
	NEED(pthread_sigmask(SIG_SETMASK, &mask, NULL) == 0);
	NEED(sigaltstack(&stack, NULL) == 0);
	NEED(fesetround(rounding[me->id % 4]) == 0);
	expected = series(me->id, 1000);
	quotient = third / three;
	me->built = true;
	if (me->id == THREADS) {
		for (int i = 0; i < THREADS; i++)
			while (!workers[i].built)
				sleep_ms(1);
		ready();
	}
	while (!told()) {
		double x = series(me->id, 1000);

		if (x != expected)
			fail("thread %ld: the series (expected %a, got %a)", me->id, expected, x);
		sleep_ms(1);
	}
	if (third / three != quotient)
		fail("thread %ld: 1/3 (expected %a, got %a)", me->id, quotient, third / three);
	CHECK("rounding", rounding[me->id % 4], fegetround());
	for (size_t i = 0; i < COUNT(mine); i++)
		CHECK("TLS", (unsigned long)me->id * 1000 + i, mine[i]);
	NEED(prctl(PR_GET_NAME, is) == 0);
	check_text("name", name, is);
	CHECK("tid", me->tid, tid_of_caller());
	NEED(pthread_sigmask(SIG_SETMASK, NULL, &now) == 0);
	for (int i = 1; i < 65; i++)
		CHECK("blocked signal", sigismember(&mask, i), sigismember(&now, i));
	NEED(sigaltstack(NULL, &got) == 0);
	CHECK("alternate stack", stack.ss_sp, got.ss_sp);
	CHECK("size of the alternate stack", stack.ss_size, got.ss_size);
	CHECK("flags of the alternate stack", 0, got.ss_flags);
}

static void *run(void *argument)
{
	live(argument);
	return argument;
}

int main(int argc, char **argv)
{
	void *result;

	begin(argc, argv);
	for (long i = 0; i <= THREADS; i++) {
		workers[i].id = i;
		workers[i].stack = malloc(65536);
	}
	for (int i = 0; i < THREADS; i++)
		NEED(pthread_create(&workers[i].thread, NULL, run, &workers[i]) == 0);
	live(&workers[THREADS]);
	for (int i = 0; i < THREADS; i++) {
		CHECK("join", 0, pthread_join(workers[i].thread, &result));
		CHECK("result", &workers[i], result);
	}
	return verdict();
}
