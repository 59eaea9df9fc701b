/* Alternate signal stacks: dumped while a handler runs on one, also with SS_AUTODISARM. */
#include "program.h"

#define SIZE 65536
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)	/* linux/signal.h */
#endif

static char *stacks[2];
static volatile int inside, disarm;

static bool on_stack(void *local)
{
	return (char *)local > stacks[disarm] && (char *)local < stacks[disarm] + SIZE;
}

static void on_signal(int sig)
{
	volatile uint64_t local[64];
	stack_t now;

	fill_pattern((void *)local, sizeof(local), (uint64_t)sig);
	CHECK("a local of the handler lies on the alternate stack", true, on_stack((void *)local));
	inside++;
	if (inside == 1)
		ready();
	wait_until_told();
	check_pattern("locals of the handler", (void *)local, sizeof(local), (uint64_t)sig);
	NEED(sigaltstack(NULL, &now) == 0);
	CHECK("flags inside the handler", disarm ? SS_DISABLE : SS_ONSTACK, now.ss_flags);
	inside++;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	stack_t stack, now;

	begin(argc, argv);
	disarm = !strcmp(variant(argc, argv), "autodisarm");
	stacks[0] = map_anonymous(NULL, SIZE, MAP_PRIVATE);
	stacks[1] = map_anonymous(NULL, SIZE, MAP_PRIVATE);
	stack = (stack_t){ .ss_sp = stacks[disarm], .ss_size = SIZE, .ss_flags = disarm ? (int)SS_AUTODISARM : 0 };
	NEED(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
	NEED(raise(SIGUSR1) == 0);
	/* Ready and told inside the handler; back on the usual stack. */
	NEED(sigaltstack(NULL, &now) == 0);
	CHECK("stack", stack.ss_sp, now.ss_sp);
	CHECK("size", stack.ss_size, now.ss_size);
	CHECK("flags", stack.ss_flags, now.ss_flags);
	CHECK("the handler went to its end", 2, inside);
	NEED(raise(SIGUSR1) == 0);
	CHECK("it works again", 4, inside);
	return verdict();
}
