/* Interval timers: what is left of all three, and (variant "fires") one that goes on firing. */
#include "program.h"
#include <sys/time.h>

static volatile int fired;

static void on_alarm(int sig)
{
	(void)sig;
	fired++;
}

static int64_t us(struct timeval t)
{
	return t.tv_sec * 1000000LL + t.tv_usec;
}

static int fires(void)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval every = { { 0, 20000 }, { 0, 30000 } };
	int before;

	NEED(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &every, NULL) == 0);
	while (fired < 3)
		sleep_ms(1);
	ready();
	wait_until_told();
	before = fired;
	for (int i = 0; i < 1000 && fired < before + 5; i++)
		sleep_ms(5);
	check_between("alarms since", before + 5, INT_MAX, fired);
	return verdict();
}

int main(int argc, char **argv)
{
	static const int which[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };
	struct itimerval set[] = {
		{ { 5, 500000 }, { 1000, 0 } }, { { 0, 0 }, { 100, 250000 } }, { { 7, 1 }, { 200, 0 } },
	};
	struct itimerval now[3];
	int64_t start;

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "fires"))
		return fires();
	start = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < 3; i++)
		NEED(setitimer(which[i], &set[i], NULL) == 0);
	/* Enough time, and work, for every timer to have lost something. */
	while (now_ns(CLOCK_MONOTONIC) < start + 300000000 || now_ns(CLOCK_PROCESS_CPUTIME_ID) < 80000000)
		;

	ready();
	wait_until_told();

	for (int i = 0; i < 3; i++) {
		int64_t passed = (now_ns(CLOCK_MONOTONIC) - start) / 1000;

		NEED(getitimer(which[i], &now[i]) == 0);
		CHECK("interval", us(set[i].it_interval), us(now[i].it_interval));
		/* No more than passed on the clock is gone; CPU time is counted in ticks of 4 or 10 ms. */
		check_between("us left", us(set[i].it_value) - passed - 20000,
			      us(set[i].it_value) - (i ? 40000 : 300000), us(now[i].it_value));
	}
	return verdict();
}
