/* What the machine can do at best. Prints nanoseconds.
 *   limits write FILE MIB   a process's own memory to a new file
 *   limits write2 FILE MIB  the same by two processes, half each, to FILE and FILE.2
 *   limits read FILE MIB    that file into a new mapping
 *   limits read2 FILE MIB   the same by two processes that share their memory, half each
 *   limits fork PAGES MIB   a fork of a process with so much memory, on small or huge pages
 */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "bench.h"

#define PIECE (8u << 20)

struct part {
	int fd;
	char *memory;
	uint64_t from, to;
};

static int read_part(void *given)
{
	struct part *part = given;

	while (part->from < part->to) {
		uint64_t left = part->to - part->from;
		struct iovec vector = {part->memory + part->from, left < PIECE ? left : PIECE};
		ssize_t got = preadv(part->fd, &vector, 1, (off_t)part->from);

		NEED(got > 0);
		part->from += (uint64_t)got;
	}
	return 0;
}

static void write_part(const char *path, const char *memory, uint64_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	NEED(fd >= 0);
	for (uint64_t at = 0; at < bytes;) {
		uint64_t left = bytes - at;
		ssize_t put = write(fd, memory + at, left < PIECE ? left : PIECE);

		NEED(put > 0);
		at += (uint64_t)put;
	}
	close(fd);
}

static int write_two(const char *path, uint64_t half)
{
	char second[4096], *memory, byte = 'x';
	int filled[2], begin[2];
	uint64_t started;
	pid_t pid;

	NEED(snprintf(second, sizeof(second), "%s.2", path) < (int)sizeof(second));
	NEED(pipe(filled) == 0 && pipe(begin) == 0);
	pid = fork();
	NEED(pid >= 0);
	memory = map(half);
	fill((uint64_t *)memory, half);
	if (pid == 0) {
		NEED(write(filled[1], &byte, 1) == 1 && read(begin[0], &byte, 1) == 1);
		write_part(second, memory, half);
		NEED(write(filled[1], &byte, 1) == 1);
		pause();
	}
	NEED(read(filled[0], &byte, 1) == 1);
	started = now_ns();
	NEED(write(begin[1], &byte, 1) == 1);
	write_part(path, memory, half);
	NEED(read(filled[0], &byte, 1) == 1);
	printf("%llu\n", (unsigned long long)(now_ns() - started));
	NEED(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	return 0;
}

static int measure_fork(const char *pages, uint64_t bytes)
{
	uint64_t *memory = map(bytes), took;
	int advice = strcmp(pages, "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE;
	pid_t pid;

	NEED(madvise(memory, bytes, advice) == 0);
	fill(memory, bytes);
	took = now_ns();
	pid = fork();
	if (pid == 0)
		_exit(0);
	took = now_ns() - took;
	NEED(pid > 0 && waitpid(pid, NULL, 0) == pid);
	printf("%llu\n", (unsigned long long)took);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t bytes, half, started;
	struct part whole, other;
	char *memory;
	pid_t pid;
	int fd;

	NEED(argc == 4);
	bytes = strtoull(argv[3], NULL, 10) << 20;
	if (strcmp(argv[1], "write") == 0) {
		memory = map(bytes);
		fill((uint64_t *)memory, bytes);
		started = now_ns();
		write_part(argv[2], memory, bytes);
		printf("%llu\n", (unsigned long long)(now_ns() - started));
		return 0;
	}
	if (strcmp(argv[1], "write2") == 0)
		return write_two(argv[2], bytes / 2);
	if (strcmp(argv[1], "fork") == 0)
		return measure_fork(argv[2], bytes);
	started = now_ns();
	fd = open(argv[2], O_RDONLY);
	NEED(fd >= 0);
	memory = map(bytes);
	whole = (struct part){fd, memory, 0, bytes};
	if (strcmp(argv[1], "read2") == 0) {
		half = (bytes / 2) & ~(uint64_t)(PIECE - 1);
		other = (struct part){fd, memory, half, bytes};
		whole.to = half;
		pid = clone(read_part, (char *)map(65536) + 65536, CLONE_VM | SIGCHLD, &other);
		NEED(pid > 0);
		read_part(&whole);
		NEED(waitpid(pid, NULL, 0) == pid);
	} else {
		read_part(&whole);
	}
	printf("%llu\n", (unsigned long long)(now_ns() - started));
	return 0;
}
