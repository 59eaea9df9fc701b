/* 840 descriptors of sockets and timers in turn, so many that a second thread looks at them; each
 * block has data, options and times of its own, and copies of an end and of the timer. */
#include "program.h"
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#define BLOCKS 120

struct block {
	int one, other, copy; /* of `one`, to be closed by exec */
	int timer, same_timer;
	int datagrams, file;
};

static struct block blocks[BLOCKS];

static long interval_of(int fd)
{
	struct itimerspec spec;

	NEED(timerfd_gettime(fd, &spec) == 0);
	return spec.it_interval.tv_sec;
}

static void set_interval(int fd, int seconds)
{
	struct itimerspec spec = { { seconds, 0 }, { 3600, 0 } };

	NEED(timerfd_settime(fd, 0, &spec, NULL) == 0);
}

static void build(int number, struct block *block)
{
	int ends[2], priority = number % 7;

	NEED(socketpair(AF_UNIX, SOCK_STREAM | (number % 3 ? 0 : SOCK_NONBLOCK), 0, ends) == 0);
	block->one = ends[0];
	block->other = ends[1];
	block->timer = timerfd_create(CLOCK_MONOTONIC, 0);
	NEED(block->timer >= 0);
	set_interval(block->timer, 1000 + number);
	block->copy = fcntl(block->one, F_DUPFD_CLOEXEC, 0);
	block->same_timer = dup(block->timer);
	block->datagrams = socket(AF_UNIX, SOCK_DGRAM, 0);
	block->file = open("data", O_RDONLY);
	NEED(block->copy >= 0 && block->same_timer >= 0 && block->datagrams >= 0 && block->file >= 0);
	NEED(setsockopt(block->datagrams, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(int)) == 0);
	/* Nothing in every fourth; in others what the answer to a question has no room for. */
	if (number % 4)
		NEED(write(block->one, &number, sizeof(number)) == sizeof(number));
	if (number % 50 == 1) {
		static char large[20000];

		NEED(write(block->one, large, sizeof(large)) == sizeof(large));
	}
	NEED(lseek(block->file, number % 10, SEEK_SET) == number % 10);
}

static void check(int number, const struct block *block)
{
	static char large[20000];
	socklen_t size = sizeof(int);
	int got = -1;

	if (number % 4) {
		CHECK("read", (long)sizeof(got), recv(block->other, &got, sizeof(got), MSG_DONTWAIT));
		CHECK("its data", number, got);
	}
	if (number % 50 == 1)
		CHECK("the rest", (long)sizeof(large),
		      recv(block->other, large, sizeof(large), MSG_DONTWAIT));
	CHECK("no more", -1, recv(block->other, &got, 1, MSG_DONTWAIT));
	CHECK("sent through the copy", 1, write(block->copy, "c", 1));
	CHECK("comes out", 1, recv(block->other, &got, 1, MSG_DONTWAIT));
	CHECK("sent back", 1, write(block->other, "b", 1));
	CHECK("comes back", 1, recv(block->one, &got, 1, MSG_DONTWAIT));
	CHECK("flags of an end", number % 3 ? O_RDWR : O_RDWR | O_NONBLOCK,
	      fcntl(block->one, F_GETFL));
	CHECK("close-on-exec", 0, fcntl(block->one, F_GETFD));
	CHECK("that of the copy", FD_CLOEXEC, fcntl(block->copy, F_GETFD));
	CHECK("interval", 1000 + number, interval_of(block->timer));
	set_interval(block->same_timer, 3);
	CHECK("set through the other number", 3, interval_of(block->timer));
	NEED(getsockopt(block->datagrams, SOL_SOCKET, SO_PRIORITY, &got, &size) == 0);
	CHECK("option", number % 7, got);
	CHECK("position", number % 10, lseek(block->file, 0, SEEK_CUR));
}

int main(int argc, char **argv)
{
	struct rlimit limit;

	begin(argc, argv);
	NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_cur < 7 * BLOCKS + 100)
		skip("the limit of open files is too low");
	write_file("data", "0123456789", 10);
	for (int i = 0; i < BLOCKS; i++)
		build(i, &blocks[i]);

	ready();
	wait_until_told();

	for (int i = 0; i < BLOCKS; i++)
		check(i, &blocks[i]);
	return verdict();
}
