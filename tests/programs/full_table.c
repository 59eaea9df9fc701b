/* A table of 18,000 descriptors, up to the last number there is: files, pipes with data, eventfds
 * and copies. A child has the same open files in a table of its own, which lacks an eighth of them. */
#include "program.h"
#include <sys/eventfd.h>
#include <sys/resource.h>

#define BLOCKS 2250

enum in_block { FILE_FD, OTHER_FD, READ_FD, WRITE_FD, EVENT_FD, COPY_FD, COPIES_EVENT_FD, PARENTS_FD, BLOCK };

static uint64_t counter_of(int block)
{
	return ((uint64_t)block << 30) + 1;
}

static void place(int made, int number, int flags)
{
	NEED(made >= 0 && dup3(made, number, flags) == number);
	close(made);
}

static void fill(int block, int first)
{
	uint64_t counter = counter_of(block);
	int ends[2];

	place(open("data", O_RDWR), first + FILE_FD, 0);
	NEED(lseek(first + FILE_FD, block, SEEK_SET) == block);
	place(open("data", O_RDONLY), first + OTHER_FD, O_CLOEXEC);
	NEED(pipe(ends) == 0 && write(ends[1], &block, sizeof(block)) == sizeof(block));
	place(ends[0], first + READ_FD, 0);
	place(ends[1], first + WRITE_FD, O_CLOEXEC);
	place(eventfd(0, EFD_NONBLOCK), first + EVENT_FD, 0);
	NEED(write(first + EVENT_FD, &counter, 8) == 8);
	NEED(dup3(first + FILE_FD, first + COPY_FD, O_CLOEXEC) == first + COPY_FD);
	NEED(dup2(first + EVENT_FD, first + COPIES_EVENT_FD) == first + COPIES_EVENT_FD);
	place(open("data", O_WRONLY | O_APPEND), first + PARENTS_FD, 0);
}

/* What is read is put back, by another number of the same open file: for the other process. */
static void check(int block, int first)
{
	uint64_t counter = 0;
	int data = -1;

	CHECK("position", block, lseek(first + FILE_FD, 0, SEEK_CUR));
	CHECK("position of the copy", block, lseek(first + COPY_FD, 0, SEEK_CUR));
	CHECK("position of the other", 0, lseek(first + OTHER_FD, 0, SEEK_CUR));
	CHECK("a descriptor's flags", 0, fcntl(first + READ_FD, F_GETFD));
	CHECK("those of its other end", FD_CLOEXEC, fcntl(first + WRITE_FD, F_GETFD));
	CHECK("those of the copy", FD_CLOEXEC, fcntl(first + COPY_FD, F_GETFD));
	CHECK("read of the pipe", (long)sizeof(data), read(first + READ_FD, &data, sizeof(data)));
	CHECK("its data", block, data);
	CHECK("put back", (long)sizeof(data), write(first + WRITE_FD, &data, sizeof(data)));
	CHECK("read of the counter", 8, read(first + EVENT_FD, &counter, 8));
	CHECK("counter", counter_of(block), counter);
	CHECK("written back", 8, write(first + COPIES_EVENT_FD, &counter, 8));
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	int begin_at, status, told[2];
	pid_t child;
	char byte;

	begin(argc, argv);
	NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_max < BLOCK * BLOCKS + 200)
		skip("the hard limit of open files is too low");
	limit.rlim_cur = limit.rlim_max > 60000 ? 60000 : limit.rlim_max;
	NEED(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	begin_at = (int)limit.rlim_cur - BLOCK * BLOCKS;
	write_file("data", "0123456789", 10);
	for (int i = 0; i < BLOCKS; i++)
		fill(i, begin_at + BLOCK * i);
	NEED(pipe(told) == 0);
	child = fork();
	NEED(child >= 0);
	if (child == 0) {
		close(told[1]);
		for (int i = 0; i < BLOCKS; i++)
			close(begin_at + BLOCK * i + PARENTS_FD);
		NEED(read(told[0], &byte, 1) == 1);
		for (int i = 0; i < BLOCKS; i++) {
			check(i, begin_at + BLOCK * i);
			CHECK("the parent's", -1, fcntl(begin_at + BLOCK * i + PARENTS_FD, F_GETFD));
		}
		_exit(failures != 0);
	}

	ready();
	wait_until_told();
	NEED(write(told[1], "x", 1) == 1);
	NEED(waitpid(child, &status, 0) == child);
	CHECK("the child's verdict", 0, status);
	for (int i = 0; i < BLOCKS; i++) {
		check(i, begin_at + BLOCK * i);
		CHECK("its own", O_WRONLY | O_APPEND,
		      fcntl(begin_at + BLOCK * i + PARENTS_FD, F_GETFL) & ~0100000);
	}
	return verdict();
}
