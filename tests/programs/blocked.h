/*
 * For programs whose threads are inside system calls while they are dumped. Each case says which
 * call it sleeps in, what it has to return, and after how long: READY comes at half that time, so
 * that a call which starts anew with its full time is found out.
 */
#ifndef BLOCKED_H
#define BLOCKED_H

#include "program.h"
#include "seccomp.h"

#define SLEEP_NS 4000000000LL
#define LATE_NS 1800000000LL		/* what a busy machine may add: less than a half */

struct blocked {
	const char *name;
	long number;			/* of the system call */
	long (*call)(struct blocked *);	/* as syscall(2) returns */
	long result;
	int error;			/* errno, if the result is -1 */
	bool timed;			/* ends by itself after SLEEP_NS; else release() ends it */
	bool absolute;			/* at a time, whether it lives to see it or not */
	bool anew;			/* the kernel tells nobody how much was left: may start anew */
	void (*release)(struct blocked *);

	pthread_t thread;
	pid_t tid;
	int64_t lived, took, lived_until;
	volatile int64_t ended;
	int fds[2];
	int word;
};

/* Time in which this process was running: no more than 40 ms between two ticks count. */
static int64_t lived_ns;
/* When the last of the calls that sleep until a time has to end, and how long the process had
 * lived then: a busy machine may be late by more than a call that begins anew. */
static int64_t absolute_end, lived_at_end;
static volatile bool stop_ticking;

static int64_t lived_now(void)
{
	return __atomic_load_n(&lived_ns, __ATOMIC_SEQ_CST);
}

static void *tick(void *argument)
{
	int64_t last = now_ns(CLOCK_MONOTONIC);

	while (!stop_ticking) {
		int64_t now;

		sleep_ms(5);
		now = now_ns(CLOCK_MONOTONIC);
		__atomic_add_fetch(&lived_ns, now - last < 40000000 ? now - last : 40000000, __ATOMIC_SEQ_CST);
		last = now;
		if (now < __atomic_load_n(&absolute_end, __ATOMIC_SEQ_CST))
			__atomic_store_n(&lived_at_end, lived_ns, __ATOMIC_SEQ_CST);
	}
	return argument;
}

static void *run_blocked(void *argument)
{
	struct blocked *b = argument;
	int64_t lived = lived_now();
	int64_t start = now_ns(CLOCK_MONOTONIC);
	long result;
	int error;

	if (b->absolute && start + SLEEP_NS > __atomic_load_n(&absolute_end, __ATOMIC_SEQ_CST))
		__atomic_store_n(&absolute_end, start + SLEEP_NS, __ATOMIC_SEQ_CST);
	__atomic_store_n(&b->tid, tid_of_caller(), __ATOMIC_SEQ_CST);
	result = b->call(b);
	error = result == -1 ? errno : 0;
	b->ended = now_ns(CLOCK_MONOTONIC);
	if (result != b->result || error != b->error)
		fail("%s: result (expected %ld errno %d, got %ld errno %d)", b->name, b->result,
		     b->error, result, error);
	b->took = b->ended - start;
	b->lived_until = lived_now();
	b->lived = b->lived_until - lived;
	return NULL;
}

/* The variant "confined": a filter that kills for restart_syscall, which continues a sleep. */
UNUSED static void confine(int argc, char **argv)
{
	static const struct rule rules[] = { { SYS_restart_syscall, -1, SECCOMP_RET_KILL_PROCESS } };

	if (strcmp(variant(argc, argv), "confined"))
		return;
	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	NEED(install(rules, COUNT(rules), SECCOMP_RET_ALLOW, 0) == 0);
}

static int run_all_blocked(struct blocked *cases, size_t count)
{
	int64_t start = now_ns(CLOCK_MONOTONIC);
	bool any_timed = false;
	pthread_t ticker;
	char what[96];

	NEED(pthread_create(&ticker, NULL, tick, NULL) == 0);
	for (size_t i = 0; i < count; i++) {
		any_timed = any_timed || cases[i].timed;
		NEED(pthread_create(&cases[i].thread, NULL, run_blocked, &cases[i]) == 0);
	}
	for (size_t i = 0; i < count; i++) {
		while (!__atomic_load_n(&cases[i].tid, __ATOMIC_SEQ_CST))
			sleep_ms(1);
		wait_until_blocked(getpid(), cases[i].tid, cases[i].number);
	}
	while (!lived_now())
		sleep_ms(1);
	while (any_timed && now_ns(CLOCK_MONOTONIC) < start + SLEEP_NS / 2)
		sleep_ms(1);

	ready();
	wait_until_told();

	for (size_t i = 0; i < count; i++) {
		struct blocked *b = &cases[i];

		if (!b->timed) {
			for (int n = 0; n < 20000 && !b->ended && !is_blocked(getpid(), b->tid, b->number); n++)
				sleep_ms(1);
			if (b->ended) {
				fail("%s: it ended before its time", b->name);
				continue;
			}
			b->release(b);
		}
		NEED(pthread_join(b->thread, NULL) == 0);
		if (!b->timed)
			continue;
		snprintf(what, sizeof(what), "%s: ns from its start to its end", b->name);
		check_between(what, SLEEP_NS - 5000000, LLONG_MAX, b->took);
		if (b->absolute) {
			snprintf(what, sizeof(what), "%s: ns that it ended late", b->name);
			check_between(what, LLONG_MIN, LATE_NS, b->lived_until - lived_at_end);
		} else {
			snprintf(what, sizeof(what), "%s: ns that it lived inside the call", b->name);
			check_between(what, 0, (b->anew ? 2 : 1) * SLEEP_NS + LATE_NS, b->lived);
		}
	}
	stop_ticking = true;
	NEED(pthread_join(ticker, NULL) == 0);
	return verdict();
}

#endif
