/*
 * Files for which a restore is given others: "log" (by its path), "memfd", "file" (--external
 * file[...], open, mapped and as an O_PATH), "device" (--external dev[...]); 3 is one end of a pipe,
 * whose other end the test has: "writer", "reader", "packets", "opened" anew; "fifo".
 */
#include "program.h"

static void hold_log(void)
{
	int out = open("old", O_WRONLY | O_CREAT | O_APPEND, 0644), same = dup(out);

	NEED(out >= 0 && same >= 0 && write(out, "before\n", 7) == 7);
	NEED(fcntl(same, F_SETFD, FD_CLOEXEC) == 0);
	ready();
	wait_until_told();
	CHECK("a line", 6, write(out, "after\n", 6));
	CHECK("a line by the other number", 5, write(same, "last\n", 5));
	CHECK("close-on-exec", 0, fcntl(out, F_GETFD));
	CHECK("close-on-exec of the other", FD_CLOEXEC, fcntl(same, F_GETFD));
}

static void hold_memfd(void)
{
	int memory = memfd_create("plate", 0);
	char text[16] = "";

	NEED(memory >= 0 && write(memory, "own", 3) == 3);
	ready();
	wait_until_told();
	CHECK("content", 6, pread(memory, text, sizeof(text), 0));
	check_text("content", "theirs", text);
	CHECK("position", 2, lseek(memory, 0, SEEK_CUR));
}

static void hold_file(void)
{
	int file, reader, path;
	struct stat about, of_path;
	char text[16] = "", *shared;

	write_file("data", "0123456789", 10);
	file = open("data", O_RDWR | O_APPEND | O_CLOEXEC);
	reader = open("data", O_RDONLY);
	path = open("data", O_PATH);
	NEED(file >= 0 && reader >= 0 && path >= 0 && lseek(reader, 3, SEEK_SET) == 3);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	NEED(shared != MAP_FAILED && write(file, "abc", 3) == 3);
	ready();
	wait_until_told();
	CHECK("flags", O_RDWR | O_APPEND, fcntl(file, F_GETFL) & (O_ACCMODE | O_APPEND));
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(file, F_GETFD));
	CHECK("flags of the reader", O_RDONLY, fcntl(reader, F_GETFL) & O_ACCMODE);
	CHECK("a read on from its position", 5, read(reader, text, 5));
	check_text("content", "34567", text);
	shared[4] = '!';
	CHECK("what was written to memory", 1, pread(reader, text, 1, 4));
	CHECK("byte", '!', text[0]);
	CHECK("appended", 1, write(file, "d", 1));
	NEED(fstat(file, &about) == 0 && fstat(path, &of_path) == 0);
	CHECK("size", 14, about.st_size);
	CHECK("one inode", about.st_ino, of_path.st_ino);
	CHECK("O_PATH", O_PATH, fcntl(path, F_GETFL) & O_PATH);
}

static void hold_device(void)
{
	int device = open("/dev/fuse", O_RDWR | O_NONBLOCK);
	struct stat before, now;

	if (device < 0)
		skip("/dev/fuse");
	NEED(fstat(device, &before) == 0);
	ready();
	wait_until_told();
	NEED(fstat(device, &now) == 0);
	CHECK("device", before.st_rdev, now.st_rdev);
	CHECK("flags", O_RDWR | O_NONBLOCK, fcntl(device, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
}

static void expect_text(int fd, const char *expected)
{
	char text[64] = "";
	size_t size = strlen(expected), done = 0;
	ssize_t got = 1;

	while (done < size && (got = read(fd, text + done, size - done)) > 0)
		done += (size_t)got;
	check_text("what was to be read", expected, text);
}

static void hold_writer(void)
{
	int same = dup(3);

	NEED(same >= 0 && write(3, "before", 6) == 6 && fcntl(same, F_SETFD, FD_CLOEXEC) == 0);
	ready();
	wait_until_told();
	CHECK("a write", 5, write(3, "after", 5));
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(same, F_GETFD));
	CHECK("a write by the other number", 5, write(same, " all.", 5));
}

static void hold_reader(void)
{
	NEED(fcntl(3, F_SETFL, O_NONBLOCK) == 0);
	ready();
	wait_until_told();
	CHECK("O_NONBLOCK", O_NONBLOCK, fcntl(3, F_GETFL) & O_NONBLOCK);
	NEED(fcntl(3, F_SETFL, 0) == 0);
	expect_text(3, "unread, later");
	CHECK("EOF", 0, read(3, &(char){ 0 }, 1));
}

static void hold_packets(void)
{
	char text[64];

	ready();
	wait_until_told();
	CHECK("first packet, in part", 2, read(3, text, 2));
	CHECK("second packet", 6, read(3, text, sizeof(text)));
	check_bytes("second packet", "second", text, 6);
}

static void hold_opened(void)
{
	int again = open("/proc/self/fd/3", O_WRONLY | O_NONBLOCK), both = open("/proc/self/fd/3", O_RDWR);

	NEED(again >= 0 && both >= 0 && close(3) == 0);
	ready();
	wait_until_told();
	CHECK("mode", O_WRONLY | O_NONBLOCK, fcntl(again, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CHECK("mode of the other", O_RDWR, fcntl(both, F_GETFL) & O_ACCMODE);
	CHECK("a write", 3, write(again, "one", 3));
	CHECK("a write by the other", 3, write(both, "two", 3));
}

static void hold_fifo(void)
{
	int fd = open("fifo", O_RDONLY);

	NEED(fd >= 0);
	ready();
	wait_until_told();
	expect_text(fd, "unread, later");
}

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);

	begin(argc, argv);
	if (!strcmp(what, "log"))
		hold_log();
	else if (!strcmp(what, "memfd"))
		hold_memfd();
	else if (!strcmp(what, "file"))
		hold_file();
	else if (!strcmp(what, "writer"))
		hold_writer();
	else if (!strcmp(what, "reader"))
		hold_reader();
	else if (!strcmp(what, "packets"))
		hold_packets();
	else if (!strcmp(what, "opened"))
		hold_opened();
	else if (!strcmp(what, "fifo"))
		hold_fifo();
	else
		hold_device();
	return verdict();
}
