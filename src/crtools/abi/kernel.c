/* The thin layer under crtools.abi.kernel: what Python cannot say without ctypes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

long crt_syscall(long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
		 unsigned long e, unsigned long f)
{
	long ret = syscall(nr, a, b, c, d, e, f);

	return ret == -1 ? -errno : ret;
}

/* Makes `count` system calls, whose first argument is `fd`, one after the other, failed or not. A row
 * has the number, the arguments after the first, and room for the result (-errno if it fails). */
void crt_calls(unsigned long fd, unsigned long rows, unsigned long count)
{
	for (long *row = (long *)rows; count--; row += 7)
		row[6] = crt_syscall(row[0], fd, row[1], row[2], row[3], row[4], row[5]);
}

/* Sets the bits, which are clear, of those of the pages at `start` that are all zero; how many. */
long crt_find_zeros(unsigned long start, unsigned long pages, unsigned long bits)
{
	long found = 0;

	for (unsigned long page = 0; page < pages; page++) {
		const unsigned long *words = (const unsigned long *)(start + page * 4096);

		if (!*words && !memcmp(words, words + 1, 4096 - sizeof(*words))) {
			((unsigned char *)bits)[page / 8] |= 1u << page % 8;
			found++;
		}
	}
	return found;
}

/* Waits while *word is `value`, at most `milliseconds`. 0, or -errno. */
long crt_futex_wait(unsigned long word, unsigned int value, unsigned int milliseconds)
{
	struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000L};

	if (syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, 0, 0))
		return -errno;
	return 0;
}

/* Takes FUTEX_WAITERS off the word and wakes who waits for that, in one system call: between two
 * of them the orchestrator could be killed, and the agent would sleep for ever. */
long crt_futex_post(unsigned long word)
{
	int op = FUTEX_OP((FUTEX_OP_ANDN | FUTEX_OP_OPARG_SHIFT), 31, FUTEX_OP_CMP_EQ, 0);

	if (syscall(SYS_futex, word, FUTEX_WAKE_OP, 1, 0UL, word, op) < 0)
		return -errno;
	return 0;
}

/* Starts the program behind `fd` as clone3 says (linux/sched.h struct clone_args). The child shares
 * our memory until it has called execveat, and we wait until then (CLONE_VM | CLONE_VFORK in the
 * arguments), so it costs no copy of the address space. It may use nothing of libc: raw system
 * calls only, whose return addresses are not on the stack that it shares with us. */
static inline long raw(long nr, long a, long b, long c, long d, long e)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}

long crt_spawn(unsigned long args, unsigned long size, int fd, int death_signal)
{
	static char *const nothing[] = {0};
	long pid = raw(SYS_clone3, args, size, 0, 0, 0);

	if (pid)
		return pid;
	if (death_signal)
		raw(SYS_prctl, 1 /* PR_SET_PDEATHSIG */, death_signal, 0, 0, 0);
	raw(SYS_execveat, fd, (long)"", (long)nothing, (long)nothing, 0x1000 /* AT_EMPTY_PATH */);
	raw(SYS_exit_group, 127, 0, 0, 0, 0);
	__builtin_unreachable();
}

/* The same by way of a process that ends at once, so that the new one is nobody's child here: the
 * end of a parent is what PR_SET_PDEATHSIG signals. */
long crt_spawn_orphan(unsigned long args, unsigned long size, int fd)
{
	static char *const nothing[] = {0};
	unsigned long between[11] = {0x4100 /* CLONE_VM | CLONE_VFORK */};
	volatile long pid = 0;
	long first = raw(SYS_clone3, (long)between, sizeof between, 0, 0, 0);

	if (first < 0)
		return first;
	if (first) {
		raw(SYS_wait4, first, 0, 0x40000000 /* __WALL */, 0, 0);
		return pid;
	}
	first = raw(SYS_clone3, args, size, 0, 0, 0);
	if (first == 0) {
		raw(SYS_execveat, fd, (long)"", (long)nothing, (long)nothing, 0x1000);
		raw(SYS_exit_group, 127, 0, 0, 0, 0);
	}
	pid = first;
	raw(SYS_exit_group, 0, 0, 0, 0, 0);
	__builtin_unreachable();
}

/* Makes `number` groups of `count` system calls, failed or not, so that a SIGKILL of ours cannot come
 * between the first and the last of a group: a process that shares our memory and descriptors makes
 * them, and ends once it has done with the group that it is at when it has lost us. A row has the
 * number, five arguments, and room for the result (-errno if it fails). Returns how many groups have
 * been done, or -errno. */
long crt_calls_apart(unsigned long rows, unsigned long count, unsigned long number)
{
	unsigned long args[11] = {0x4500 /* CLONE_VM | CLONE_VFORK | CLONE_FILES */};
	unsigned long all = ~0UL, mask = 0;
	volatile unsigned long done = 0;
	long us = raw(SYS_getpid, 0, 0, 0, 0, 0), first;

	/* Its handlers would be ours. */
	raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&mask, 8, 0);
	first = raw(SYS_clone3, (long)args, sizeof args, 0, 0, 0);
	if (first == 0) {
		/* What is sent to our group is not for it. */
		raw(SYS_setsid, 0, 0, 0, 0, 0);
		for (long *row = (long *)rows; done < number; done++) {
			if (raw(SYS_getppid, 0, 0, 0, 0, 0) != us)
				break;
			for (unsigned long call = 0; call < count; call++, row += 7)
				row[6] = raw(row[0], row[1], row[2], row[3], row[4], row[5]);
		}
		raw(SYS_exit_group, 0, 0, 0, 0, 0);
		__builtin_unreachable();
	}
	if (first > 0)
		raw(SYS_wait4, first, 0, 0x40000000 /* __WALL */, 0, 0);
	raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8, 0);
	return first < 0 ? first : (long)done;
}

/* The robust list of the calling thread (set_robust_list(2)): entries lie in the agents' slots,
 * each `offset` bytes from the futex word that the kernel marks when this thread dies. */
struct robust {
	struct robust *next;
};

static struct {
	struct robust list;
	long offset;
	struct robust *pending;
} head;

static struct {
	void *list;
	size_t bytes;
} previous;

long crt_robust_begin(long offset)
{
	if (syscall(SYS_get_robust_list, 0, &previous.list, &previous.bytes))
		return -errno;
	head.list.next = &head.list;
	head.offset = offset;
	head.pending = 0;
	return syscall(SYS_set_robust_list, &head, sizeof head) ? -errno : 0;
}

long crt_robust_end(void)
{
	return syscall(SYS_set_robust_list, previous.list, previous.bytes) ? -errno : 0;
}

void crt_robust_add(unsigned long entry)
{
	struct robust *new = (struct robust *)entry;

	new->next = head.list.next;
	__atomic_store_n(&head.list.next, new, __ATOMIC_RELEASE);
}

/* The list is walked, not trusted: what lies in a slot the target could have overwritten. */
void crt_robust_remove(unsigned long entry)
{
	struct robust **at = &head.list.next;
	unsigned int limit = 4096;

	while (*at != &head.list && *at && limit--) {
		if (*at == (struct robust *)entry) {
			*at = (*at)->next;
			return;
		}
		at = &(*at)->next;
	}
}

void crt_copy(unsigned long to, unsigned long from, unsigned long bytes)
{
	memcpy((void *)to, (void *)from, bytes);
}

/* XCR0, the components of XSAVE that the kernel has enabled. Where CPUID says OSXSAVE only. */
unsigned long crt_xcr0(void)
{
	unsigned int low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low | (unsigned long)high << 32;
}

/* CPUID: eax, ebx, ecx and edx to out[4]. */
void crt_cpuid(unsigned int leaf, unsigned int subleaf, unsigned long out)
{
	unsigned int *r = (unsigned int *)out;

	__cpuid_count(leaf, subleaf, r[0], r[1], r[2], r[3]);
}

/* PTRACE_SEIZE waits while a thread of the same process is in execve (kernel/ptrace.c, ptrace_attach:
 * cred_guard_mutex), and that thread may wait for another one's zombie, which is ours to reap. No
 * signal ends such a wait, since the kernel begins the call again after any handler; so the handler
 * of this timer steps over the call when it is about to be begun again. */
static struct {
	int signal;
	timer_t timer;
	struct sigaction before;
	sigset_t mask;
} patience;

extern const char crt_seize_call[] __attribute__((visibility("hidden")));

__attribute__((noinline, noclone)) long crt_seize(long tid, unsigned long options)
{
	long ret = SYS_ptrace;
	register unsigned long r10 __asm__("r10") = options;

	__asm__ volatile("crt_seize_call: syscall"
			 : "+a"(ret)
			 : "D"(0x4206L /* PTRACE_SEIZE */), "S"(tid), "d"(0L), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

static void step_over(int number, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)number;
	(void)info;
	if (registers[REG_RIP] == (greg_t)crt_seize_call) {
		registers[REG_RIP] += 2;
		registers[REG_RAX] = -EINTR;
	}
}

/* From now on crt_seize answers -EINTR where it waits for longer than a few milliseconds. */
long crt_seize_patience(long milliseconds)
{
	struct sigaction action = {.sa_sigaction = step_over, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID};
	struct itimerspec every = {{0, milliseconds * 1000000}, {0, milliseconds * 1000000}};
	sigset_t ours;

	/* One that the program which has imported us does not use. */
	for (patience.signal = SIGRTMAX;; patience.signal--) {
		if (patience.signal < SIGRTMIN)
			return -EBUSY;
		if (sigaction(patience.signal, 0, &patience.before) == 0 &&
		    patience.before.sa_handler == SIG_DFL)
			break;
	}
	event.sigev_signo = patience.signal;
	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &patience.timer))
		return -errno;
	sigaction(patience.signal, &action, 0);
	sigemptyset(&ours);
	sigaddset(&ours, patience.signal);
	pthread_sigmask(SIG_UNBLOCK, &ours, &patience.mask);
	timer_settime(patience.timer, 0, &every, 0);
	return 0;
}

void crt_seize_patience_end(void)
{
	/* A signal that is still queued goes with its timer, or comes at the end of this call. */
	timer_delete(patience.timer);
	pthread_sigmask(SIG_SETMASK, &patience.mask, 0);
	sigaction(patience.signal, &patience.before, 0);
}
