/*
 * What all test programs share. A program is run as
 *
 *     program DIR [VARIANT...]      stdin /dev/null, stdout and stderr appended to DIR/out
 *
 * It goes to DIR, builds one kind of state, prints READY, waits until DIR/go exists and then looks
 * at every bit of its state: PASS and status 0, or one line "FAIL: what (expected, got)" for each
 * difference and status 1. "SKIP: reason" and status 77 say that the machine lacks something, and
 * "BROKEN: ..." and status 2 that the state could not be built. Relatives print their own FAIL
 * lines and tell their parent by their exit status.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char test_dir[PATH_MAX] UNUSED;
static char go_path[PATH_MAX] UNUSED;	/* where "go" is, as this process sees it */
static volatile int failures UNUSED;
static int ready_fd UNUSED = -1;

/* One write for the whole line: relatives share the file. */
UNUSED static void say_list(const char *start, const char *format, va_list list)
{
	char line[1024];
	size_t used = (size_t)snprintf(line, sizeof(line), "%s", start);
	int more = vsnprintf(line + used, sizeof(line) - used - 1, format, list);

	used += (size_t)more < sizeof(line) - used - 1 ? (size_t)more : sizeof(line) - used - 2;
	line[used++] = '\n';
	if (write(STDOUT_FILENO, line, used) != (ssize_t)used)
		_exit(2);
}

UNUSED __attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_list("", format, list);
	va_end(list);
}

UNUSED __attribute__((format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say_list("FAIL: ", format, list);
	va_end(list);
	__atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
}

/* A step of the set-up that has to succeed before anything can be tested. */
#define NEED(condition) \
	do { \
		if (!(condition)) { \
			say("BROKEN: %s:%d: %s (errno %d)", __FILE__, __LINE__, #condition, errno); \
			_exit(2); \
		} \
	} while (0)

UNUSED static void skip(const char *reason)
{
	say("SKIP: %s", reason);
	_exit(77);
}

#define CHECK(what, expected, got) check_number(what, (long long)(expected), (long long)(got))
UNUSED static void check_number(const char *what, long long expected, long long got)
{
	if (expected != got)
		fail("%s (expected %lld = %#llx, got %lld = %#llx)", what, expected, expected, got, got);
}

UNUSED static void check_between(const char *what, long long low, long long high, long long got)
{
	if (got < low || got > high)
		fail("%s (expected %lld to %lld, got %lld)", what, low, high, got);
}

UNUSED static void check_text(const char *what, const char *expected, const char *got)
{
	if (strcmp(expected, got))
		fail("%s (expected \"%s\", got \"%s\")", what, expected, got);
}

UNUSED static void check_bytes(const char *what, const void *expected, const void *got, size_t size)
{
	const unsigned char *e = expected, *g = got;

	for (size_t i = 0; i < size; i++) {
		if (e[i] != g[i]) {
			fail("%s: byte %zu of %zu (expected %#x, got %#x)", what, i, size, e[i], g[i]);
			return;
		}
	}
}

UNUSED static void check_filled(const char *what, const void *got, int byte, size_t size)
{
	const unsigned char *g = got;

	for (size_t i = 0; i < size; i++) {
		if (g[i] != (unsigned char)byte) {
			fail("%s: byte %zu of %zu (expected %#x, got %#x)", what, i, size,
			     (unsigned char)byte, g[i]);
			return;
		}
	}
}

/* Words that differ everywhere, for memory whose every bit is to be checked (splitmix64). */
UNUSED static uint64_t pattern(uint64_t seed, uint64_t index)
{
	uint64_t z = seed * 0x9e3779b97f4a7c15 + index * 0xbf58476d1ce4e5b9 + 0x94d049bb133111eb;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

UNUSED static void fill_pattern(void *memory, size_t size, uint64_t seed)
{
	uint64_t *word = memory;

	for (size_t i = 0; i < size / 8; i++)
		word[i] = pattern(seed, i);
}

UNUSED static void check_pattern(const char *what, const void *memory, size_t size, uint64_t seed)
{
	const uint64_t *word = memory;

	for (size_t i = 0; i < size / 8; i++) {
		if (word[i] != pattern(seed, i)) {
			fail("%s: word at %#zx of %#zx (expected %#llx, got %#llx)", what, i * 8, size,
			     (unsigned long long)pattern(seed, i), (unsigned long long)word[i]);
			return;
		}
	}
}

UNUSED static void *map_anonymous(void *where, size_t size, int flags)
{
	void *p = mmap(where, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	NEED(p != MAP_FAILED);
	return p;
}

UNUSED static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	NEED(clock_gettime(clock, &t) == 0);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

UNUSED static void sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

UNUSED static pid_t tid_of_caller(void)
{
	return (pid_t)syscall(SYS_gettid);
}

/* The whole of a small file as text; the size read. */
UNUSED static size_t read_file(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got;

	NEED(fd >= 0);
	while (used < size - 1 && (got = read(fd, buffer + used, size - 1 - used)) > 0)
		used += (size_t)got;
	buffer[used] = 0;
	close(fd);
	return used;
}

UNUSED static void write_file(const char *path, const void *content, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	NEED(fd >= 0 && write(fd, content, size) == (ssize_t)size && close(fd) == 0);
}

/* The number after "Name:" of a /proc status file, read in `base`. */
UNUSED static unsigned long long status_number(const char *path, const char *name, int base)
{
	char text[16384], key[64];
	char *line;

	read_file(path, text, sizeof(text));
	snprintf(key, sizeof(key), "\n%s:", name);
	line = strstr(text, key);
	NEED(line);
	return strtoull(line + strlen(key), NULL, base);
}

/* R, S, D, T, t, Z of a task: the letter after the name in /proc/PID/stat; 0 if it is gone. */
UNUSED static char task_state(pid_t pid, pid_t tid)
{
	char path[64], text[1024];
	char *end;
	int fd;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return 0;
	text[got] = 0;
	end = strrchr(text, ')');
	return end ? end[2] : 0;
}

UNUSED static void wait_until_state(pid_t pid, char state)
{
	for (int i = 0; task_state(pid, pid) != state; i++) {
		NEED(i < 20000);
		sleep_ms(1);
	}
}

/*
 * Whether the task sleeps inside system call `number` (/proc/PID/task/TID/syscall), which after an
 * interruption may be called restart_syscall.
 */
UNUSED static bool is_blocked(pid_t pid, pid_t tid, long number)
{
	char path[64], text[256];
	ssize_t got;
	long is;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0 || text[0] < '0' || text[0] > '9')
		return false;
	text[got] = 0;
	is = strtol(text, NULL, 10);
	return (is == number || is == SYS_restart_syscall) && task_state(pid, tid) == 'S';
}

UNUSED static void wait_until_blocked(pid_t pid, pid_t tid, long number)
{
	for (int i = 0; !is_blocked(pid, tid, number); i++) {
		NEED(i < 20000);
		sleep_ms(1);
	}
}

UNUSED static void begin(int argc, char **argv)
{
	NEED(argc >= 2 && realpath(argv[1], test_dir));
	NEED(chdir(test_dir) == 0);
	NEED(snprintf(go_path, sizeof(go_path), "%s/go", test_dir) < (int)sizeof(go_path));
}

UNUSED static const char *variant(int argc, char **argv)
{
	return argc > 2 ? argv[2] : "";
}

UNUSED static void ready(void)
{
	say("READY");
}

UNUSED static bool told(void)
{
	return access(go_path, F_OK) == 0;
}

UNUSED static void wait_until_told(void)
{
	struct timespec pause_time = { 0, 2000000 };

	while (!told())
		nanosleep(&pause_time, NULL);
}

UNUSED static int verdict(void)
{
	if (failures)
		return 1;
	say("PASS");
	return 0;
}

/* What a child calls once its own state is built: spawn() returns in its parent. */
UNUSED static void child_is_ready(void)
{
	NEED(write(ready_fd, "", 1) == 1);
	close(ready_fd);
	ready_fd = -1;
}

/* Forks a child that runs body(argument) and exits 0, or 1 after a FAIL. Leaves no pipe behind. */
UNUSED static pid_t spawn(void (*body)(void *), void *argument)
{
	int ends[2];
	char byte;
	pid_t pid;

	NEED(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	NEED(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		if (ready_fd >= 0)
			close(ready_fd);
		ready_fd = ends[1];
		failures = 0;
		body(argument);
		_exit(failures ? 1 : 0);
	}
	close(ends[1]);
	NEED(read(ends[0], &byte, 1) == 1);
	/* Its end is closed a moment later; others that it has begotten may keep theirs. */
	poll(&(struct pollfd){ .fd = ends[0] }, 1, 100);
	close(ends[0]);
	return pid;
}

/* Waits for a child that has to exit with `status`; one that failed has printed why. */
UNUSED static void expect_exit(const char *what, pid_t pid, int status)
{
	int got = 0;
	pid_t who;

	do
		who = waitpid(pid, &got, 0);
	while (who < 0 && errno == EINTR);
	CHECK(what, pid, who);
	if (!WIFEXITED(got) || WEXITSTATUS(got) != status)
		fail("%s: wait status (expected exit %d, got %#x)", what, status, got);
}

#endif
