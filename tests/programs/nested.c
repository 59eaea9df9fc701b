/*
 * A thread deep in signal handlers, one interrupting the other, on an alternate stack, each with a
 * mask of its own and a value in registers and on its stack: it is dumped in the innermost, from
 * which all return one after the other. Variant "thread": it is a second one, and the first is in
 * handlers on its usual stack.
 */
#include "program.h"

#define DEPTH 5
#define STACK (256 * 1024)

static const int numbers[DEPTH] = { SIGUSR1, 40, SIGUSR2, SIGALRM, 41 };
static __thread int depth, returned;
static __thread uintptr_t low, high;
static volatile int deep;
static int wanted = 1;
static bool is_ready_said;

static uint64_t mask_now(void)
{
	uint64_t mask;

	NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, 8) == 0);
	return mask;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	ucontext_t *before = context;
	uint64_t mask = mask_now(), place[32];
	volatile double half = number / 2.0;
	int level = depth++;
	stack_t stack;

	fill_pattern(place, sizeof(place), (uint64_t)number);
	CHECK("on the stack that is meant", 1, (uintptr_t)place >= low && (uintptr_t)place < high);
	if (depth < DEPTH) {
		union sigval value = { .sival_int = depth };
		siginfo_t next = { .si_code = SI_QUEUE, .si_pid = getpid() };

		next.si_value = value;
		NEED(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid_of_caller(), numbers[depth], &next) == 0);
	} else {
		__atomic_add_fetch(&deep, 1, __ATOMIC_SEQ_CST);
		if (tid_of_caller() == getpid()) {
			while (deep < wanted)
				sleep_ms(1);
			is_ready_said = true;
			ready();
		}
		wait_until_told();
	}
	NEED(sigaltstack(NULL, &stack) == 0);
	CHECK("on the alternate stack", stack.ss_sp ? SS_ONSTACK : SS_DISABLE, stack.ss_flags);
	CHECK("number", numbers[level], number);
	CHECK("value", level, info->si_value.sival_int);
	CHECK("mask in a handler", mask, mask_now());
	CHECK("handlers that have returned", DEPTH - 1 - level, returned);
	CHECK("floating point", 1, half == number / 2.0);
	check_pattern("frame", place, sizeof(place), (uint64_t)number);
	/* What it interrupted had not blocked it. */
	CHECK("mask to return to", 0, sigismember(&before->uc_sigmask, number));
	returned++;
}

static void descend(bool alternate)
{
	uint64_t first = 1ull << (SIGTERM - 1), place[32];
	siginfo_t next = { .si_code = SI_QUEUE, .si_pid = getpid() };
	stack_t stack = { 0 };
	double sum = 0.5;

	if (alternate) {
		stack.ss_sp = map_anonymous(NULL, STACK, MAP_PRIVATE);
		stack.ss_size = STACK;
		NEED(sigaltstack(&stack, NULL) == 0);
		low = (uintptr_t)stack.ss_sp;
		high = low + STACK;
	} else {
		high = (uintptr_t)place;
		low = high - STACK;
	}
	NEED(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &first, NULL, 8) == 0);
	fill_pattern(place, sizeof(place), 99);
	NEED(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid_of_caller(), numbers[0], &next) == 0);
	CHECK("handlers that returned", DEPTH, returned);
	CHECK("mask after all", first, mask_now());
	check_pattern("frame below all", place, sizeof(place), 99);
	CHECK("sum", 1, sum == 0.5);
	NEED(sigaltstack(NULL, &stack) == 0);
	CHECK("alternate stack, left", alternate ? 0 : SS_DISABLE, stack.ss_flags);
	/* And once more: the stack is free again. */
	if (alternate)
		CHECK("its place", low, stack.ss_sp);
}

static void *thread(void *argument)
{
	(void)argument;
	descend(true);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_signal };
	bool threaded = !strcmp(variant(argc, argv), "thread");
	pthread_t other;

	begin(argc, argv);
	for (int i = 0; i < DEPTH; i++) {
		action.sa_flags = SA_SIGINFO | SA_ONSTACK | (i % 2 ? SA_RESTART : 0);
		sigemptyset(&action.sa_mask);
		sigaddset(&action.sa_mask, SIGRTMIN + 10 + i);
		NEED(sigaction(numbers[i], &action, NULL) == 0);
	}
	if (threaded) {
		wanted = 2;
		NEED(pthread_create(&other, NULL, thread, NULL) == 0);
	}
	descend(!threaded);
	if (threaded)
		NEED(pthread_join(other, NULL) == 0);
	NEED(is_ready_said);
	return verdict();
}
