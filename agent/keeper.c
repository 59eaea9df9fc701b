/*
 * The keeper of the tracking of changed memory (docs/decisions/0024): a program of one page, which
 * holds the descriptors that keep it going between two commands and ends when there is no process
 * left whose memory it is about. A static ELF without a libc; `keeper BASE TARGETS ALL`, where
 *
 *	BASE ... BASE + TARGETS - 1	are pidfds: it waits for the end of all of these
 *	... BASE + ALL - 1		are descriptors that it only holds
 *	BASE + ALL			is a socket: it says its pid there, and waits for a byte
 *
 * Whoever started it and dies before it has sent that byte has left no images that speak of the
 * keeper: so it ends then.
 */
#include <asm/unistd.h>
#include <linux/poll.h>
#include <linux/prctl.h>

#define SIGCHLD 17

asm(".globl _start\n"
    "_start:\n"
    "	mov %rsp, %rdi\n"
    "	and $-16, %rsp\n"
    "	call keep\n"
    "	ud2\n");

static long call(long nr, long a, long b, long c, long d, long e)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
		     : "rcx", "r11", "memory");
	return result;
}

static void leave(int status)
{
	for (;;)
		call(__NR_exit_group, status, 0, 0, 0, 0);
}

static int number(const char *text)
{
	int value = 0;

	for (; *text; text++)
		value = value * 10 + *text - '0';
	return value;
}

__attribute__((used)) void keep(long *stack)
{
	char **argv = (char **)(stack + 1);
	int base, targets, all, left, pid;
	struct pollfd *polled;
	char byte;

	if (stack[0] != 4)
		leave(2);
	base = number(argv[1]);
	targets = left = number(argv[2]);
	all = number(argv[3]);
	/* Nobody's: a child of whoever takes in orphans, in a session of its own, in no directory. */
	pid = (int)call(__NR_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid)
		leave(pid < 0);
	call(__NR_setsid, 0, 0, 0, 0, 0);
	call(__NR_chdir, (long)"/", 0, 0, 0, 0);
	call(__NR_prctl, PR_SET_NAME, (long)"crtools-keeper", 0, 0, 0);
	if (base > 0)
		call(__NR_close_range, 0, base - 1, 0, 0, 0);
	call(__NR_close_range, base + all + 1, ~0u, 0, 0, 0);
	pid = (int)call(__NR_getpid, 0, 0, 0, 0, 0);
	if (call(__NR_write, base + all, (long)&pid, sizeof(pid), 0, 0) != sizeof(pid))
		leave(1);
	if (call(__NR_read, base + all, (long)&byte, 1, 0, 0) != 1)
		leave(1);
	call(__NR_close, base + all, 0, 0, 0, 0);
	polled = __builtin_alloca(sizeof(*polled) * (unsigned long)targets);
	for (int i = 0; i < targets; i++)
		polled[i] = (struct pollfd){ .fd = base + i, .events = POLLIN };
	while (left) {
		if (call(__NR_ppoll, (long)polled, targets, 0, 0, 0) < 0)
			leave(1);
		for (int i = 0; i < targets; i++) {
			if (polled[i].fd >= 0 && polled[i].revents) {
				polled[i].fd = -1;
				left--;
			}
		}
	}
	leave(0);
}
