/* Processes that come and go all the time, also while the dump looks for them: three deep. */
#include "program.h"

#define MAKERS 2

static struct {
	unsigned long ended[MAKERS];
	bool stop;
} *shared;

static void make(void *argument)
{
	long i = (long)argument;

	child_is_ready();
	while (!__atomic_load_n(&shared->stop, __ATOMIC_SEQ_CST)) {
		pid_t pid = fork();

		NEED(pid >= 0);
		if (pid == 0) {
			pid_t inner = fork();

			NEED(inner >= 0);
			if (inner == 0)
				_exit(5);
			expect_exit("inner child", inner, 5);
			_exit(failures ? 1 : 6);
		}
		expect_exit("child", pid, 6);
		__atomic_add_fetch(&shared->ended[i], 1, __ATOMIC_SEQ_CST);
	}
}

int main(int argc, char **argv)
{
	unsigned long before[MAKERS];
	pid_t makers[MAKERS];

	begin(argc, argv);
	shared = map_anonymous(NULL, 4096, MAP_SHARED);
	for (long i = 0; i < MAKERS; i++)
		makers[i] = spawn(make, (void *)i);
	for (int i = 0; i < MAKERS; i++)
		while (__atomic_load_n(&shared->ended[i], __ATOMIC_SEQ_CST) < 20)
			sleep_ms(1);

	ready();
	wait_until_told();

	for (int i = 0; i < MAKERS; i++)
		before[i] = __atomic_load_n(&shared->ended[i], __ATOMIC_SEQ_CST);
	for (int n = 0; n < 10000; n++) {
		bool all = true;

		for (int i = 0; i < MAKERS; i++)
			all = all && __atomic_load_n(&shared->ended[i], __ATOMIC_SEQ_CST) > before[i] + 10;
		if (all)
			break;
		sleep_ms(1);
	}
	for (int i = 0; i < MAKERS; i++)
		check_between("children since", (long long)before[i] + 11, LLONG_MAX, (long long)shared->ended[i]);
	__atomic_store_n(&shared->stop, true, __ATOMIC_SEQ_CST);
	for (int i = 0; i < MAKERS; i++)
		expect_exit("maker", makers[i], 0);
	return verdict();
}
