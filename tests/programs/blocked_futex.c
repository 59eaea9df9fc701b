/* futex: for a time, until a time, without end; mutexes, conditions, semaphores; between processes. */
#include "blocked.h"
#include <linux/futex.h>
#include <semaphore.h>

static const struct timespec duration = { SLEEP_NS / 1000000000, SLEEP_NS % 1000000000 };

static struct timespec end_time(clockid_t clock)
{
	int64_t end = now_ns(clock) + SLEEP_NS;

	return (struct timespec){ end / 1000000000, end % 1000000000 };
}

static long wait_relative(struct blocked *b)
{
	return syscall(SYS_futex, &b->word, FUTEX_WAIT_PRIVATE, 0, &duration, NULL, 0);
}

static long wait_until_monotonic(struct blocked *b)
{
	struct timespec end = end_time(CLOCK_MONOTONIC);

	return syscall(SYS_futex, &b->word, FUTEX_WAIT_BITSET_PRIVATE, 0, &end, NULL, FUTEX_BITSET_MATCH_ANY);
}

static long wait_until_realtime(struct blocked *b)
{
	struct timespec end = end_time(CLOCK_REALTIME);

	return syscall(SYS_futex, &b->word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &end, NULL, 1);
}

static long wait_forever(struct blocked *b)
{
	return syscall(SYS_futex, &b->word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void wake(struct blocked *b)
{
	NEED(syscall(SYS_futex, &b->word, FUTEX_WAKE, 1, NULL, NULL, 0) == 1);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, heir, condition_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore, timed_semaphore;

static long lock_mutex(struct blocked *b) { (void)b; return pthread_mutex_lock(&mutex); }
static void unlock_mutex(struct blocked *b) { (void)b; NEED(pthread_mutex_unlock(&mutex) == 0); }
static long lock_heir(struct blocked *b) { (void)b; return pthread_mutex_lock(&heir); }
static void unlock_heir(struct blocked *b) { (void)b; NEED(pthread_mutex_unlock(&heir) == 0); }
static long wait_semaphore(struct blocked *b) { (void)b; return sem_wait(&semaphore); }
static void post_semaphore(struct blocked *b) { (void)b; NEED(sem_post(&semaphore) == 0); }

static long wait_timed_semaphore(struct blocked *b)
{
	struct timespec end = end_time(CLOCK_REALTIME);

	(void)b;
	return sem_timedwait(&timed_semaphore, &end);
}

static long wait_condition(struct blocked *b)
{
	(void)b;
	NEED(pthread_mutex_lock(&condition_lock) == 0);
	return pthread_cond_wait(&condition, &condition_lock);
}

static void signal_condition(struct blocked *b)
{
	(void)b;
	NEED(pthread_mutex_lock(&condition_lock) == 0);
	NEED(pthread_cond_signal(&condition) == 0 && pthread_mutex_unlock(&condition_lock) == 0);
}

static struct blocked cases[] = {
	{ "FUTEX_WAIT for a time", SYS_futex, wait_relative, -1, ETIMEDOUT, .timed = true, .anew = true },
	{ "FUTEX_WAIT_BITSET, monotonic", SYS_futex, wait_until_monotonic, -1, ETIMEDOUT, .timed = true, .absolute = true },
	{ "FUTEX_WAIT_BITSET, realtime", SYS_futex, wait_until_realtime, -1, ETIMEDOUT, .timed = true, .absolute = true },
	{ "FUTEX_WAIT without a limit", SYS_futex, wait_forever, .release = wake },
	{ "mutex", SYS_futex, lock_mutex, .release = unlock_mutex },
	{ "mutex with priority inheritance", SYS_futex, lock_heir, .release = unlock_heir },
	{ "condition", SYS_futex, wait_condition, .release = signal_condition },
	{ "semaphore", SYS_futex, wait_semaphore, .release = post_semaphore },
	{ "semaphore with a limit", SYS_futex, wait_timed_semaphore, -1, ETIMEDOUT, .timed = true, .absolute = true },
};

static void wait_in_child(void *argument)
{
	child_is_ready();
	if (syscall(SYS_futex, argument, FUTEX_WAIT, 0, NULL, NULL, 0))
		fail("FUTEX_WAIT in a child (expected 0, got errno %d)", errno);
}

int main(int argc, char **argv)
{
	pthread_mutexattr_t inherit;
	int *shared, status;
	pid_t child;

	begin(argc, argv);
	confine(argc, argv);
	NEED(!pthread_mutexattr_init(&inherit) && !pthread_mutexattr_setprotocol(&inherit, PTHREAD_PRIO_INHERIT));
	NEED(!pthread_mutex_init(&heir, &inherit) && !pthread_mutex_lock(&heir) && !pthread_mutex_lock(&mutex));
	NEED(!sem_init(&semaphore, 0, 0) && !sem_init(&timed_semaphore, 0, 0));
	shared = map_anonymous(NULL, 4096, MAP_SHARED);
	child = spawn(wait_in_child, shared);
	wait_until_blocked(child, child, SYS_futex);
	status = run_all_blocked(cases, COUNT(cases));
	for (int i = 0; i < 5000 && syscall(SYS_futex, shared, FUTEX_WAKE, 1, NULL, NULL, 0) != 1; i++)
		sleep_ms(1);
	expect_exit("child", child, 0);
	return failures ? 1 : status;
}
