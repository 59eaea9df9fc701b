/* Pipes: with data and sizes, between relatives, both ends in one task, non-blocking, packets, EOF. */
#include "program.h"

static int up[2], down[2];

static void echo(void *argument)
{
	char byte;

	(void)argument;
	close(up[0]);
	close(down[1]);
	child_is_ready();
	while (read(down[0], &byte, 1) == 1) {
		byte++;
		NEED(write(up[1], &byte, 1) == 1);
	}
	CHECK("EOF from the parent", 0, read(down[0], &byte, 1));
}

int main(int argc, char **argv)
{
	int own[2], full[2], nonblocking[2], packets[2], ended[2], headless[2], sized[2];
	char data[65536], got[65536];
	pid_t child;
	int size;

	begin(argc, argv);
	fill_pattern(data, sizeof(data), 9);
	NEED(!pipe(up) && !pipe(down) && !pipe(own) && !pipe(full) && !pipe2(nonblocking, O_NONBLOCK));
	NEED(!pipe2(packets, O_DIRECT) && !pipe2(ended, O_CLOEXEC) && !pipe(headless) && !pipe(sized));
	NEED(write(own[1], "in the pipe", 11) == 11);
	NEED(write(full[1], data, 65536) == 65536);
	NEED(write(ended[1], "last words", 10) == 10 && close(ended[1]) == 0);
	NEED(close(headless[0]) == 0);
	size = fcntl(sized[1], F_SETPIPE_SZ, 262144);
	NEED(size == 262144);
	NEED(write(sized[1], data, 65536) == 65536 && write(sized[1], data, 40000) == 40000);
	child = spawn(echo, NULL);
	close(up[1]);
	close(down[0]);
	signal(SIGPIPE, SIG_IGN);

	ready();
	wait_until_told();

	CHECK("data in a task's own pipe", 11, read(own[0], got, sizeof(got)));
	check_bytes("own pipe", "in the pipe", got, 11);
	for (char c = 'a'; c < 'k'; c++) {
		NEED(write(down[1], &c, 1) == 1 && read(up[0], got, 1) == 1);
		CHECK("echo", c + 1, got[0]);
	}
	close(down[1]);
	expect_exit("child", child, 0);
	CHECK("EOF after the child", 0, read(up[0], got, 1));
	NEED(fcntl(full[1], F_SETFL, O_NONBLOCK) == 0);
	CHECK("a write into the full pipe", -1, write(full[1], "x", 1));
	CHECK("errno", EAGAIN, errno);
	for (size_t done = 0; done < 65536;) {
		ssize_t n = read(full[0], got + done, 65536 - done);

		NEED(n > 0);
		done += (size_t)n;
	}
	check_bytes("full pipe", data, got, 65536);
	CHECK("a read from the empty non-blocking pipe", -1, read(nonblocking[0], got, 1));
	CHECK("errno", EAGAIN, errno);
	CHECK("O_NONBLOCK, write end", O_NONBLOCK, fcntl(nonblocking[1], F_GETFL) & O_NONBLOCK);
	CHECK("O_DIRECT", O_DIRECT, fcntl(packets[1], F_GETFL) & O_DIRECT);
	NEED(write(packets[1], "one", 3) == 3 && write(packets[1], "two, longer", 11) == 11);
	CHECK("first packet", 3, read(packets[0], got, sizeof(got)));
	check_bytes("first packet", "one", got, 3);
	CHECK("second packet", 11, read(packets[0], got, sizeof(got)));
	check_bytes("second packet", "two, longer", got, 11);
	CHECK("pipe without writers", 10, read(ended[0], got, sizeof(got)));
	check_bytes("pipe without writers", "last words", got, 10);
	CHECK("EOF", 0, read(ended[0], got, sizeof(got)));
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(ended[0], F_GETFD));
	CHECK("a write without readers", -1, write(headless[1], "x", 1));
	CHECK("errno", EPIPE, errno);
	CHECK("size", 262144, fcntl(sized[0], F_GETPIPE_SZ));
	for (size_t want, left = 65536 + 40000; left; left -= want) {
		want = left > 40000 ? 65536 : 40000;
		for (size_t done = 0; done < want;) {
			ssize_t n = read(sized[0], got + done, want - done);

			NEED(n > 0);
			done += (size_t)n;
		}
		check_bytes("resized pipe", data, got, want);
	}
	return verdict();
}
