/*
 * Pipes in every shape: unread packets, alone and among bytes that are none; full to the last byte or
 * page; a mebibyte; pages of memory and of files moved in; ends opened anew; no reader, but data;
 * one page; signals about them; a fifo with packets.
 */
#include "program.h"
#include <sys/ioctl.h>
#include <sys/uio.h>

#define LARGE (1 << 20)
#define PAGE 4096

static char content[LARGE], got[LARGE + PAGE];

static void expect_bytes(const char *what, int fd, const void *expected, size_t size)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < size && (n = read(fd, got + done, size - done)) > 0)
		done += (size_t)n;
	CHECK(what, size, done);
	if (done == size)
		check_bytes(what, expected, got, size);
}

/* A packet, read with a buffer of its own size or of another. */
static void expect_packet(const char *what, int fd, const char *text, size_t size, size_t asked)
{
	ssize_t n = read(fd, got, asked);

	CHECK(what, size, n);
	if (n == (ssize_t)size)
		check_bytes(what, text, got, size);
}

static void expect_empty(const char *what, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	NEED(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
	CHECK(what, -1, read(fd, got, 1));
	CHECK(what, EAGAIN, errno);
	NEED(fcntl(fd, F_SETFL, flags) == 0);
}

static void expect_full(const char *what, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	NEED(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
	CHECK(what, -1, write(fd, "x", 1));
	CHECK(what, EAGAIN, errno);
	NEED(fcntl(fd, F_SETFL, flags) == 0);
}

static volatile int signals;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

static void make(int ends[2], int flags)
{
	NEED(pipe2(ends, flags) == 0);
}

static void put(int fd, const void *data, size_t size)
{
	NEED(write(fd, data, size) == (ssize_t)size);
}

static int open_again(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags);
	NEED(again >= 0);
	return again;
}

int main(int argc, char **argv)
{
	int packets[2], mixed[2], ones[2], large[2], gift[2], spliced[2], again[2], headless[2], page[2];
	int told_about[2], single[2], behind[2], other[2], fifo, file, reader, writer, both, unread;
	char *memory;
	struct iovec part;
	off_t at = 100;
	size_t size;

	begin(argc, argv);
	fill_pattern(content, sizeof(content), 5);

	make(packets, O_DIRECT);
	put(packets[1], "one", 3);
	put(packets[1], "2", 1);
	put(packets[1], content, PAGE);
	NEED(write(packets[1], "", 0) == 0);	/* nothing: there are no packets of no length */
	put(packets[1], content, 2 * PAGE + 10);	/* three */
	put(packets[1], "last", 4);

	/* What was taken from another pipe is not added to: a packet right behind it stays one. */
	make(mixed, 0);
	make(other, 0);
	put(other[1], "bytes", 5);
	NEED(tee(other[0], mixed[1], 5, 0) == 5 && close(other[0]) == 0 && close(other[1]) == 0);
	NEED(fcntl(mixed[1], F_SETFL, O_DIRECT) == 0);
	put(mixed[1], "packet", 6);
	put(mixed[1], "p", 1);
	NEED(fcntl(mixed[1], F_SETFL, 0) == 0);
	put(mixed[1], content, 3 * PAGE);
	NEED(fcntl(mixed[1], F_SETFL, O_DIRECT) == 0);
	put(mixed[1], "end", 3);
	NEED(fcntl(mixed[1], F_SETFL, 0) == 0);	/* nothing but its content tells */

	make(single, O_DIRECT);
	put(single[1], "the only packet", 15);
	NEED(fcntl(single[1], F_SETFL, 0) == 0);

	make(behind, 0);
	put(behind[1], content, PAGE);
	NEED(fcntl(behind[1], F_SETFL, O_DIRECT) == 0);
	put(behind[1], "a packet", 8);

	make(ones, O_DIRECT | O_NONBLOCK);
	for (size = 0; write(ones[1], "x", 1) == 1; size++)
		;
	NEED(errno == EAGAIN && size == (size_t)fcntl(ones[1], F_GETPIPE_SZ) / PAGE);

	make(large, 0);
	NEED(fcntl(large[1], F_SETPIPE_SZ, LARGE) == LARGE);
	put(large[1], content, LARGE);

	make(gift, 0);
	memory = map_anonymous(NULL, 3 * PAGE, MAP_PRIVATE);
	memcpy(memory, content + 7, 3 * PAGE);
	part = (struct iovec){ memory, 2 * PAGE };
	NEED(vmsplice(gift[1], &part, 1, SPLICE_F_GIFT) == 2 * PAGE);
	part = (struct iovec){ memory + 2 * PAGE + 10, 100 };
	NEED(vmsplice(gift[1], &part, 1, 0) == 100);
	put(gift[1], "after", 5);

	make(spliced, 0);
	write_file("source", content, 3 * PAGE);
	file = open("source", O_RDONLY);
	NEED(file >= 0 && splice(file, &at, spliced[1], NULL, 2 * PAGE, 0) == 2 * PAGE);
	NEED(tee(spliced[0], gift[1], 50, 0) == 50);

	make(again, O_NONBLOCK);
	reader = open_again(again[1], O_RDONLY);
	writer = open_again(again[0], O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	both = open_again(again[0], O_RDWR);
	put(both, "around", 6);

	make(headless, O_CLOEXEC);
	put(headless[1], "nobody reads it", 15);
	NEED(close(headless[0]) == 0);
	signal(SIGPIPE, SIG_IGN);

	make(page, 0);
	NEED(fcntl(page[0], F_SETPIPE_SZ, PAGE) == PAGE);
	put(page[1], content, PAGE);

	make(told_about, 0);
	signal(SIGIO, on_signal);
	NEED(fcntl(told_about[0], F_SETOWN, getpid()) == 0);
	NEED(fcntl(told_about[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);

	NEED(mkfifo("fifo", 0600) == 0);
	fifo = open("fifo", O_RDWR | O_NONBLOCK);
	NEED(fifo >= 0 && fcntl(fifo, F_SETFL, O_DIRECT | O_NONBLOCK) == 0);
	put(fifo, "first", 5);
	put(fifo, "second", 6);

	ready();
	wait_until_told();

	expect_packet("packet, read in part", packets[0], "on", 2, 2);
	expect_packet("packet of a byte", packets[0], "2", 1, 100);
	expect_packet("packet of a page", packets[0], content, PAGE, 3 * PAGE);
	expect_packet("first of three", packets[0], content, PAGE, 3 * PAGE);
	expect_packet("second of three", packets[0], content + PAGE, PAGE, 3 * PAGE);
	expect_packet("third of three", packets[0], content + 2 * PAGE, 10, 3 * PAGE);
	expect_packet("last packet", packets[0], "last", 4, 100);
	expect_empty("packets", packets[0]);
	CHECK("O_DIRECT", O_DIRECT, fcntl(packets[1], F_GETFL) & O_DIRECT);
	CHECK("O_DIRECT of the other end", 0, fcntl(packets[0], F_GETFL) & O_DIRECT);

	expect_packet("bytes before packets", mixed[0], "by", 2, 2);
	expect_packet("with the next packet", mixed[0], "tesp", 4, 4);	/* whose rest is lost */
	expect_packet("packet among bytes", mixed[0], "p", 1, 100);
	expect_bytes("bytes behind packets", mixed[0], content, 2 * PAGE + 1);
	expect_packet("bytes up to a packet", mixed[0], content + 2 * PAGE + 1, PAGE - 1, PAGE - 1);
	expect_packet("packet", mixed[0], "en", 2, 2);
	expect_empty("mixed", mixed[0]);

	expect_packet("the only packet, in part", single[0], "the ", 4, 4);
	expect_empty("the only packet", single[0]);
	expect_bytes("bytes before a packet", behind[0], content, PAGE - 1);
	expect_packet("the last byte, and of the packet", behind[0], "", 0, 0);
	CHECK("the last byte, and of the packet", 3, read(behind[0], got, 3));
	CHECK("byte", content[PAGE - 1], got[0]);
	check_bytes("packet", "a ", got + 1, 2);
	expect_empty("behind", behind[0]);

	expect_full("packets of a byte", ones[1]);
	for (size_t i = 0; i < size; i++)
		expect_packet("packet of a byte", ones[0], "x", 1, 100);
	expect_empty("packets of a byte", ones[0]);

	CHECK("large", LARGE, fcntl(large[0], F_GETPIPE_SZ));
	expect_full("large", large[1]);
	expect_bytes("large", large[0], content, LARGE);
	expect_empty("large", large[0]);

	expect_bytes("pages moved in", gift[0], content + 7, 2 * PAGE);
	expect_bytes("part of a page", gift[0], content + 7 + 2 * PAGE + 10, 100);
	expect_bytes("written behind them", gift[0], "after", 5);
	expect_bytes("taken from another pipe", gift[0], content + 100, 50);
	expect_empty("moved in", gift[0]);
	expect_bytes("pages of a file", spliced[0], content + 100, 2 * PAGE);
	expect_empty("pages of a file", spliced[0]);

	NEED(ioctl(again[0], FIONREAD, &unread) == 0);
	CHECK("bytes around", 6, unread);
	expect_bytes("by another reader", reader, "aro", 3);
	expect_bytes("by the one for both", both, "und", 3);
	CHECK("O_NONBLOCK", O_NONBLOCK, fcntl(again[0], F_GETFL) & O_NONBLOCK);
	CHECK("O_NONBLOCK of the other reader", 0, fcntl(reader, F_GETFL) & O_NONBLOCK);
	CHECK("O_NONBLOCK of the other writer", O_NONBLOCK, fcntl(writer, F_GETFL) & O_NONBLOCK);
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(writer, F_GETFD));
	CHECK("mode", O_RDWR, fcntl(both, F_GETFL) & O_ACCMODE);
	put(writer, "w", 1);
	expect_bytes("by the first reader", again[0], "w", 1);
	expect_empty("around", reader);

	CHECK("a write without readers", -1, write(headless[1], "x", 1));
	CHECK("errno", EPIPE, errno);
	expect_bytes("what nobody had read", open_again(headless[1], O_RDONLY), "nobody reads it", 15);

	CHECK("one page", PAGE, fcntl(page[0], F_GETPIPE_SZ));
	expect_full("one page", page[1]);
	expect_bytes("one page", page[0], content, PAGE);

	CHECK("signals", 0, signals);
	CHECK("O_ASYNC", O_ASYNC, fcntl(told_about[0], F_GETFL) & O_ASYNC);
	put(told_about[1], "x", 1);
	CHECK("signals", 1, signals);

	expect_packet("packet in the fifo, in part", fifo, "fi", 2, 2);
	expect_packet("second packet in the fifo", fifo, "second", 6, 100);
	expect_empty("fifo", fifo);
	return verdict();
}
