/*
 * PR_SET_SYSCALL_USER_DISPATCH: system calls from anywhere but the C library come back as SIGSYS,
 * as emulators have it. Variant "thread": for a second thread alone.
 */
#include "program.h"
#include <linux/prctl.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif

static char selector = 1;	/* SYSCALL_DISPATCH_FILTER_BLOCK */
static __thread volatile int caught;
static volatile int started;

static void on_call(int signal)
{
	(void)signal;
	caught++;
}

static void call_by_ourselves(void)
{
	long result = SYS_getpid;

	__asm__ volatile ("syscall" : "+a" (result) : : "rcx", "r11", "memory");
}

/* The mapping of the C library's code. */
static void find_library(unsigned long *start, unsigned long *length)
{
	static char text[65536];
	unsigned long low, high;
	char *line;

	read_file("/proc/self/maps", text, sizeof(text));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (sscanf(line, "%lx-%lx", &low, &high) == 2 && low <= (unsigned long)&prctl &&
		    (unsigned long)&prctl < high) {
			*start = low;
			*length = high - low;
			return;
		}
	}
	NEED(!"library");
}

static void dispatch(void)
{
	unsigned long start, length;

	find_library(&start, &length);
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, start, length, &selector)) {
		NEED(errno == EINVAL);
		skip("this kernel has no PR_SET_SYSCALL_USER_DISPATCH");
	}
	call_by_ourselves();
	NEED(caught == 1);
}

static void *thread(void *argument)
{
	(void)argument;
	dispatch();
	started = 1;
	wait_until_told();
	call_by_ourselves();
	CHECK("calls caught in the thread", 2, caught);
	return NULL;
}

int main(int argc, char **argv)
{
	bool threaded = !strcmp(variant(argc, argv), "thread");
	pthread_t other;

	begin(argc, argv);
	signal(SIGSYS, on_call);
	if (threaded) {
		NEED(pthread_create(&other, NULL, thread, NULL) == 0);
		while (!started)
			sleep_ms(1);
	} else {
		dispatch();
	}

	ready();
	wait_until_told();

	call_by_ourselves();
	CHECK("calls caught", threaded ? 0 : 2, caught);
	if (threaded)
		NEED(pthread_join(other, NULL) == 0);
	return verdict();
}
