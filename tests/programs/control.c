/*
 * What threads deny themselves, each thread something else: the first the time stamp counter, the
 * second nothing, the third early machine checks, the fourth late ones, the fifth speculation and
 * cpuid, as far as this machine lets it. A child inherits from a thread what it has.
 */
#include "program.h"
#include <asm/prctl.h>
#include <linux/prctl.h>
#include <poll.h>
#include <setjmp.h>

#define THREADS 5

struct control {
	int tsc;
	long mce, cpuid, speculation[3];
};

static __thread sigjmp_buf out;
static pthread_barrier_t barrier;
static int started;

static void read_control(struct control *c)
{
	memset(c, 0, sizeof(*c));
	NEED(prctl(PR_GET_TSC, &c->tsc) == 0);
	c->mce = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
	c->cpuid = syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0);
	for (int which = 0; which < 3; which++)
		c->speculation[which] = prctl(PR_GET_SPECULATION_CTRL, which, 0, 0, 0);
}

static void on_fault(int signal)
{
	(void)signal;
	siglongjmp(out, 1);
}

static bool can_read_tsc(void)
{
	if (sigsetjmp(out, 1))
		return false;
	(void)__builtin_ia32_rdtsc();
	return true;
}

static void check_control(const char *who, const struct control *expected)
{
	struct control got;
	char what[64];

	read_control(&got);
	snprintf(what, sizeof(what), "%s: time stamp counter", who);
	CHECK(what, expected->tsc, got.tsc);
	CHECK(what, expected->tsc == PR_TSC_ENABLE, can_read_tsc());
	snprintf(what, sizeof(what), "%s: machine checks", who);
	CHECK(what, expected->mce, got.mce);
	snprintf(what, sizeof(what), "%s: cpuid", who);
	CHECK(what, expected->cpuid, got.cpuid);
	snprintf(what, sizeof(what), "%s: speculation", who);
	for (int which = 0; which < 3; which++)
		CHECK(what, expected->speculation[which], got.speculation[which]);
}

static void change(long number)
{
	struct control before;

	read_control(&before);
	switch (number) {
	case 0:
		NEED(prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == 0);
		break;
	case 2:
		NEED(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0) == 0);
		break;
	case 3:
		NEED(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0) == 0);
		break;
	case 4:
		/* Few machines have any of these. */
		syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
		for (int which = 0; which < 2; which++)
			if (before.speculation[which] == (PR_SPEC_PRCTL | PR_SPEC_ENABLE))
				NEED(prctl(PR_SET_SPECULATION_CTRL, which, PR_SPEC_DISABLE, 0, 0) == 0);
		if (before.speculation[2] == (PR_SPEC_PRCTL | PR_SPEC_DISABLE))
			prctl(PR_SET_SPECULATION_CTRL, 2, PR_SPEC_ENABLE, 0, 0);
		break;
	}
}

static void *thread(void *argument)
{
	long number = (long)argument;
	struct control before;
	char who[32];

	/* Whoever begins a thread hands on what it has: nobody changes before all are there. */
	pthread_barrier_wait(&barrier);
	change(number);
	read_control(&before);
	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	wait_until_told();
	snprintf(who, sizeof(who), "thread %ld", number);
	check_control(who, &before);
	return NULL;
}

static void child(void *argument)
{
	child_is_ready();
	wait_until_told();
	check_control("child", argument);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	struct control before;
	pid_t pid;

	begin(argc, argv);
	/* Bound now: the loader's way to a function may read the counter. */
	signal(SIGSEGV, on_fault);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 1; i < THREADS; i++)
		NEED(pthread_create(&threads[i], NULL, thread, (void *)i) == 0);
	pthread_barrier_wait(&barrier);
	change(0);
	read_control(&before);
	while (__atomic_load_n(&started, __ATOMIC_SEQ_CST) < THREADS - 1)
		sched_yield();
	pid = spawn(child, &before);

	ready();
	while (!told())
		poll(NULL, 0, 2);

	check_control("first thread", &before);
	for (int i = 1; i < THREADS; i++)
		NEED(pthread_join(threads[i], NULL) == 0);
	expect_exit("child", pid, 0);
	return verdict();
}
