/*
 * seccomp: a chain of filters, shared and apart among threads and children, in what a program
 * notices of it: what calls answer, how many filters there are, and whose filters can be
 * synchronized. The variants "strict" and "narrow" may do next to nothing; "forbids" may do nothing
 * that only a dump or restore wants; "plain" has filters of a task that can gain privileges, which
 * takes CAP_SYS_ADMIN; "supervised" and "no-return" are to be refused.
 */
#include "seccomp.h"
#include <sys/time.h>

static const struct rule first[] = {
	{ SYS_getpriority, -1, ANSWER(EBADE) },
	{ SYS_getpgid, 4711, ANSWER(EBADR) },
	{ SYS_getsid, -1, ANSWER(EXFULL) },
};
/* Of filters that answer alike the one installed last has its way. */
static const struct rule second[] = { { SYS_getpriority, -1, ANSWER(ENOANO) } };
static const struct rule third[] = { { SYS_sysinfo, -1, ANSWER(EBADRQC) } };
static const struct rule others[] = { { SYS_getsid, -1, ANSWER(EBADSLT) } };

static void check_first(int priority)
{
	check_answer("getpriority", priority, SYS_getpriority, 0);
	check_answer("getpgid(4711)", EBADR, SYS_getpgid, 4711);
	check_answer("getpgid(0)", 0, SYS_getpgid, 0);
	check_answer("getppid", 0, SYS_getppid, 0);
}

static void check_counts(int mode, int filters)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid_of_caller());
	CHECK("Seccomp", mode, status_number(path, "Seccomp", 10));
	CHECK("Seccomp_filters", filters, status_number(path, "Seccomp_filters", 10));
}

static bool privileged;	/* no no_new_privs: this takes CAP_SYS_ADMIN */

static void allow_filters(void)
{
	if (!privileged)
		NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

static void check_privileges(void)
{
	CHECK("no_new_privs", !privileged, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

/* --- One thread, and a child that has one more --- */

static void child(void *argument)
{
	(void)argument;
	NEED(install(third, COUNT(third), SECCOMP_RET_ALLOW, 0) == 0);
	child_is_ready();
	wait_until_told();
	check_first(ENOANO);
	check_answer("the child's sysinfo", EBADRQC, SYS_sysinfo, 0);
	check_counts(2, 3);
	check_privileges();
}

static int chain(void)
{
	pid_t pid;

	allow_filters();
	NEED(install(first, COUNT(first), SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_LOG) == 0);
	NEED(install(second, COUNT(second), SECCOMP_RET_ALLOW, 0) == 0);
	pid = spawn(child, NULL);

	ready();
	wait_until_told();

	check_first(ENOANO);
	check_answer("sysinfo", EFAULT, SYS_sysinfo, 0);
	check_counts(2, 2);
	check_privileges();
	expect_exit("the child", pid, 0);
	return verdict();
}

/* --- Threads: none alone, some with more, one synchronizes all in the end --- */

static pthread_barrier_t built, looked, synchronized;

static void *more(void *argument)
{
	long which = (long)argument;

	if (which == 1)
		NEED(install(second, COUNT(second), SECCOMP_RET_ALLOW, 0) == 0);
	if (which == 2) {
		NEED(install(others, COUNT(others), SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_LOG) == 0);
		NEED(install(third, COUNT(third), SECCOMP_RET_ALLOW, 0) == 0);
	}
	pthread_barrier_wait(&built);
	pthread_barrier_wait(&looked);
	check_first(which == 1 ? ENOANO : EBADE);
	check_answer("getsid", which == 2 ? EBADSLT : EXFULL, SYS_getsid, 0);
	check_answer("sysinfo", which == 2 ? EBADRQC : EFAULT, SYS_sysinfo, 0);
	check_counts(2, which == 2 ? 3 : which == 1 ? 2 : 1);
	check_privileges();
	return NULL;
}

static int threads(void)
{
	pthread_t thread[3];

	NEED(pthread_barrier_init(&built, NULL, 4) == 0);
	NEED(pthread_barrier_init(&looked, NULL, 4) == 0);
	allow_filters();
	NEED(install(first, COUNT(first), SECCOMP_RET_ALLOW, 0) == 0);
	for (long i = 0; i < 3; i++)
		NEED(pthread_create(&thread[i], NULL, more, (void *)i) == 0);
	pthread_barrier_wait(&built);

	ready();
	wait_until_told();

	pthread_barrier_wait(&looked);
	for (long i = 0; i < 3; i++)
		NEED(pthread_join(thread[i], NULL) == 0);
	check_first(EBADE);
	check_counts(2, 1);
	return verdict();
}

static void *follow(void *argument)
{
	pthread_barrier_wait(&built);
	pthread_barrier_wait(&synchronized);
	check_first(ENOANO);
	check_answer("the other thread's sysinfo", EBADRQC, SYS_sysinfo, 0);
	check_counts(2, 3);
	return argument;
}

/* TSYNC works only if all others have an older filter of the caller's own, not one just like it. */
static int tsync(void)
{
	pthread_t thread;

	NEED(pthread_barrier_init(&built, NULL, 2) == 0);
	NEED(pthread_barrier_init(&synchronized, NULL, 2) == 0);
	NEED(pthread_create(&thread, NULL, follow, NULL) == 0);
	pthread_barrier_wait(&built);
	allow_filters();
	NEED(install(first, COUNT(first), SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_TSYNC) == 0);
	NEED(install(second, COUNT(second), SECCOMP_RET_ALLOW, 0) == 0);

	ready();
	wait_until_told();

	check_first(ENOANO);
	CHECK("to synchronize", 0,
	      install(third, COUNT(third), SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_TSYNC));
	pthread_barrier_wait(&synchronized);
	NEED(pthread_join(thread, NULL) == 0);
	check_counts(2, 3);
	return verdict();
}

/* --- Strict mode: read, write, exit and rt_sigreturn; a filter as narrow, while a timer ticks --- */

static int to_strict[2], from_strict[2];
static enum { STRICT, NARROW, TICKING } confinement;
static volatile long ticks;

static void count_tick(int signal)
{
	(void)signal;
	ticks++;
}

static void confine(bool in_thread)
{
	static const struct rule narrow[] = {
		{ SYS_read, -1, SECCOMP_RET_ALLOW },	  { SYS_write, -1, SECCOMP_RET_ALLOW },
		{ SYS_exit, -1, SECCOMP_RET_ALLOW },	  { SYS_rt_sigreturn, -1, SECCOMP_RET_ALLOW },
	};
	struct itimerval tick = { { 0, 3000 }, { 0, 3000 } };
	struct sigaction action = { .sa_handler = count_tick, .sa_flags = SA_RESTART };

	if (confinement == STRICT) {
		NEED(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
		return;
	}
	allow_filters();
	if (confinement == TICKING) {
		NEED(sigaction(SIGALRM, &action, NULL) == 0);
		NEED(setitimer(ITIMER_REAL, &tick, NULL) == 0);
	}
	NEED(install(narrow, COUNT(narrow),
		     in_thread ? SECCOMP_RET_KILL_THREAD : SECCOMP_RET_KILL_PROCESS, 0) == 0);
}

/* read(2) with all vector registers full: they are the same afterwards. */
static long read_and_compare(int fd, char *byte)
{
	static unsigned char before[16 * 32] __attribute__((aligned(32)));
	static unsigned char after[16 * 32] __attribute__((aligned(32)));
	long result = SYS_read;

#define EACH(op) \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) \
	op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define LOAD(n) "vmovdqa " #n "*32(%[before]), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqa %%ymm" #n ", " #n "*32(%[after])\n\t"
	if (!__builtin_cpu_supports("avx"))
		return syscall(SYS_read, fd, byte, 1);
	fill_pattern(before, sizeof(before), 7);
	__asm__ volatile(EACH(LOAD) "syscall\n\t" EACH(STORE) "vzeroupper"
			 : "+a"(result)
			 : "D"((long)fd), "S"(byte), "d"(1L), [before] "r"(before), [after] "r"(after)
			 : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			   "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
			   "xmm14", "xmm15");
#undef EACH
#undef LOAD
#undef STORE
	return memcmp(before, after, sizeof(after)) ? -1 : result;
}

static void answer_in_strict_mode(bool in_thread)
{
	char byte;

	confine(in_thread);
	syscall(SYS_write, from_strict[1], "r", 1);
	for (;;) {
		if (read_and_compare(to_strict[0], &byte) != 1) {
			byte = '!';
			syscall(SYS_write, from_strict[1], &byte, 1);
			syscall(SYS_exit, 1);
		}
		byte++;
		if (confinement == TICKING) {
			/* That it still ticks. */
			for (long last = ticks; ticks < last + 3;)
				__builtin_ia32_pause();
		}
		syscall(SYS_write, from_strict[1], &byte, 1);
		if (byte == 'z')	/* which is one call too many */
			syscall(SYS_getpid);
	}
}

static void strict_child(void *argument)
{
	(void)argument;
	close(to_strict[1]);
	child_is_ready();
	answer_in_strict_mode(false);
}

static void *strict_thread(void *argument)
{
	answer_in_strict_mode(true);
	return argument;
}

static char ask(char byte)
{
	NEED(write(to_strict[1], &byte, 1) == 1);
	NEED(read(from_strict[0], &byte, 1) == 1);
	return byte;
}

static int strict(bool in_thread)
{
	pthread_t thread;
	pid_t pid = 0;
	int status;
	char byte;

	NEED(pipe(to_strict) == 0 && pipe(from_strict) == 0);
	if (in_thread)
		NEED(pthread_create(&thread, NULL, strict_thread, NULL) == 0);
	else
		pid = spawn(strict_child, NULL);
	NEED(read(from_strict[0], &byte, 1) == 1 && byte == 'r');

	ready();
	wait_until_told();

	CHECK("an answer", 'b', ask('a'));
	CHECK("another", 'r', ask('q'));
	CHECK("the last", 'z', ask('y'));
	if (in_thread) {
		/* The kernel ends the thread alone. */
		for (int i = 0; status_number("/proc/self/status", "Threads", 10) != 1; i++) {
			if (i == 2000) {
				fail("the thread made a call that strict mode forbids");
				break;
			}
			sleep_ms(1);
		}
	} else {
		NEED(waitpid(pid, &status, 0) == pid);
		CHECK("its end", confinement == STRICT ? SIGKILL : SIGSYS, status & 0x7f);
	}
	return verdict();
}

/* --- Not in the way of anything but a dump's questions and a restore's steps --- */

static int forbids(void)
{
	static const struct rule kills[] = {
		{ SYS_ptrace, -1, SECCOMP_RET_KILL_PROCESS },
		{ SYS_seccomp, -1, SECCOMP_RET_KILL_PROCESS },
		{ SYS_prctl, -1, SECCOMP_RET_KILL_PROCESS },
		{ SYS_getitimer, -1, SECCOMP_RET_KILL_PROCESS },
		{ SYS_setitimer, -1, SECCOMP_RET_KILL_PROCESS },
		{ SYS_sigaltstack, -1, SECCOMP_RET_KILL_PROCESS },
		{ SYS_rt_sigaction, -1, SECCOMP_RET_KILL_PROCESS },
		{ SYS_prlimit64, -1, SECCOMP_RET_KILL_PROCESS },
		{ SYS_socketpair, -1, SECCOMP_RET_TRAP },
		{ SYS_recvmsg, -1, SECCOMP_RET_TRAP },
		{ SYS_pwritev, -1, SECCOMP_RET_TRAP },
		{ SYS_capset, -1, SECCOMP_RET_TRAP },
		{ SYS_setresuid, -1, SECCOMP_RET_TRAP },
	};

	allow_filters();
	NEED(install(kills, COUNT(kills), SECCOMP_RET_ALLOW, 0) == 0);

	ready();
	wait_until_told();

	check_counts(2, 1);
	return verdict();
}

/* --- A filter that asks a supervisor, and nobody there --- */

static int supervised(void)
{
	static const struct rule asks[] = { { SYS_getpriority, -1, SECCOMP_RET_USER_NOTIF } };

	allow_filters();
	NEED(install(asks, COUNT(asks), SECCOMP_RET_ALLOW, 0) == 0);

	ready();
	wait_until_told();

	check_answer("getpriority", ENOSYS, SYS_getpriority, 0);
	return verdict();
}

/* --- A filter that kills for all that a dump needs on its way out --- */

static int no_return(void)
{
	static const struct rule kills[] = {
		{ SYS_munmap, -1, SECCOMP_RET_KILL_PROCESS },
		{ SYS_rt_sigreturn, -1, SECCOMP_RET_KILL_PROCESS },
	};

	allow_filters();
	NEED(install(kills, COUNT(kills), SECCOMP_RET_ALLOW, 0) == 0);

	ready();
	wait_until_told();

	check_counts(2, 1);
	return verdict();
}

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);

	begin(argc, argv);
	privileged = strcmp(what, "plain") == 0;
	if (strcmp(what, "threads") == 0)
		return threads();
	if (strcmp(what, "tsync") == 0)
		return tsync();
	if (strcmp(what, "strict") == 0)
		return strict(false);
	if (strcmp(what, "strict-thread") == 0)
		return strict(true);
	confinement = strcmp(what, "ticking") ? NARROW : TICKING;
	if (strcmp(what, "narrow") == 0 || confinement == TICKING)
		return strict(false);
	if (strcmp(what, "narrow-thread") == 0)
		return strict(true);
	if (strcmp(what, "forbids") == 0)
		return forbids();
	if (strcmp(what, "no-return") == 0)
		return no_return();
	if (strcmp(what, "supervised") == 0)
		return supervised();
	return chain();
}
