/* Eventfds: counters above 32 bits, of nought and as large as can be, semaphores, flags, one open
 * file at two numbers and in a child, a thread that waits in a read. */
#include "program.h"
#include <sys/eventfd.h>

static int shared, semaphore, asked;

static void child(void *argument)
{
	uint64_t got = 0;

	(void)argument;
	child_is_ready();
	CHECK("read of what the parent wrote", 8, read(shared, &got, 8));
	CHECK("the child's", 7, got);
	got = 9;
	NEED(write(semaphore, &got, 8) == 8);
}

static void *reader(void *argument)
{
	uint64_t got = 0;

	CHECK("read that waited", 8, read(asked, &got, 8));
	CHECK("what it waited for", 3, got);
	return argument;
}

int main(int argc, char **argv)
{
	uint64_t large = 1ull << 40, got = 0, one = 1, full = UINT64_MAX - 1;
	int fd, same, most, empty, appended;
	pthread_t thread;
	pid_t pid;

	begin(argc, argv);
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	NEED(fd >= 0 && write(fd, &large, 8) == 8);
	same = dup(fd);
	most = eventfd(0, EFD_NONBLOCK);
	NEED(most >= 0 && write(most, &full, 8) == 8);
	semaphore = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK);
	empty = eventfd(0, EFD_NONBLOCK);
	shared = eventfd(0, 0);
	asked = eventfd(0, 0);
	appended = eventfd(0x89abcdef, 0);
	NEED(semaphore >= 0 && empty >= 0 && shared >= 0 && asked >= 0 && appended >= 0);
	NEED(fcntl(appended, F_SETFL, O_APPEND) == 0);
	pid = spawn(child, NULL);
	if (!*variant(argc, argv)) {
		close(asked);
	} else {
		NEED(pthread_create(&thread, NULL, reader, NULL) == 0);
	}

	ready();
	wait_until_told();

	CHECK("close-on-exec", FD_CLOEXEC, fcntl(fd, F_GETFD));
	CHECK("the copy's", 0, fcntl(same, F_GETFD));
	CHECK("flags", O_RDWR | O_NONBLOCK, fcntl(fd, F_GETFL));
	CHECK("read", 8, read(same, &got, 8));
	CHECK("counter", large, got);
	CHECK("read of zero", -1, read(fd, &got, 8));
	CHECK("errno", EAGAIN, errno);
	CHECK("one more than there may be", -1, write(most, &one, 8));
	CHECK("errno", EAGAIN, errno);
	CHECK("read of the most", 8, read(most, &got, 8));
	CHECK("the most", full, got);
	for (int i = 0; i < 3; i++) {
		CHECK("read of a semaphore", 8, read(semaphore, &got, 8));
		CHECK("one of it", 1, got);
	}
	CHECK("read of an empty semaphore", -1, read(semaphore, &got, 8));
	CHECK("errno", EAGAIN, errno);
	CHECK("read of one that was empty", -1, read(empty, &got, 8));
	CHECK("flags that were set later", O_RDWR | O_APPEND, fcntl(appended, F_GETFL));
	CHECK("read of 32 bits", 8, read(appended, &got, 8));
	CHECK("32 bits", 0x89abcdef, got);
	got = 7;
	NEED(write(shared, &got, 8) == 8);
	expect_exit("child", pid, 0);
	for (int i = 0; i < 9; i++)
		CHECK("what the child gave", 8, read(semaphore, &got, 8));
	CHECK("read of all that the child gave", -1, read(semaphore, &got, 8));
	if (*variant(argc, argv)) {
		got = 3;
		NEED(write(asked, &got, 8) == 8 && pthread_join(thread, NULL) == 0);
	}
	return verdict();
}
