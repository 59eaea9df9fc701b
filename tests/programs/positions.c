/* Regular files: positions, status flags, shared and independent descriptions, close-on-exec. */
#include "program.h"

static const struct {
	const char *name;
	int flags;
} how[] = {
	{ "read-only", O_RDONLY },
	{ "write-only", O_WRONLY },
	{ "read-write", O_RDWR },
	{ "append", O_RDWR | O_APPEND },
	{ "non-blocking", O_RDONLY | O_NONBLOCK },
	{ "no-atime", O_RDONLY | O_NOATIME },
	{ "sync", O_WRONLY | O_SYNC },
	{ "dsync", O_WRONLY | O_DSYNC },
	{ "close-on-exec", O_RDONLY | O_CLOEXEC },
	{ "direct", O_RDONLY | O_DIRECT },
};

static int dup_fd, far_fd;

static void relative(void *argument)
{
	int fd = *(int *)argument;

	child_is_ready();
	wait_until_told();
	/* The parent moves its position by 1000 and says so in "moved". */
	while (access("moved", F_OK))
		sleep_ms(1);
	CHECK("position moved by the parent", 1077, lseek(fd, 0, SEEK_CUR));
	NEED(lseek(fd, 5, SEEK_SET) == 5);
}

int main(int argc, char **argv)
{
	int fds[COUNT(how)], shared, alone;
	char data[5000], line[8];
	pid_t child;

	begin(argc, argv);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)('a' + i % 26);
	write_file("data", data, sizeof(data));
	for (size_t i = 0; i < COUNT(how); i++) {
		fds[i] = open("data", how[i].flags);
		NEED(fds[i] >= 0 && lseek(fds[i], 10 * (long)i, SEEK_SET) == 10 * (long)i);
	}
	shared = open("data", O_RDWR);
	alone = open("data", O_RDWR);
	NEED(shared >= 0 && alone >= 0);
	dup_fd = dup(shared);
	far_fd = fcntl(shared, F_DUPFD_CLOEXEC, 500);
	NEED(dup_fd >= 0 && far_fd == 500);
	NEED(lseek(shared, 77, SEEK_SET) == 77);
	child = spawn(relative, &shared);

	ready();
	wait_until_told();

	for (size_t i = 0; i < COUNT(how); i++) {
		int mask = O_ACCMODE | O_APPEND | O_NONBLOCK | O_NOATIME | O_SYNC | O_DSYNC | O_DIRECT;

		CHECK(how[i].name, how[i].flags & mask, fcntl(fds[i], F_GETFL) & mask);
		CHECK("position", 10 * (long)i, lseek(fds[i], 0, SEEK_CUR));
		CHECK("close-on-exec", how[i].flags & O_CLOEXEC ? FD_CLOEXEC : 0, fcntl(fds[i], F_GETFD));
	}
	CHECK("position of the shared description", 77, lseek(shared, 0, SEEK_CUR));
	CHECK("position of an independent one", 0, lseek(alone, 0, SEEK_CUR));
	NEED(lseek(dup_fd, 1000, SEEK_CUR) == 1077);
	CHECK("position through dup", 1077, lseek(shared, 0, SEEK_CUR));
	CHECK("position through F_DUPFD", 1077, lseek(far_fd, 0, SEEK_CUR));
	CHECK("close-on-exec of the dup", 0, fcntl(dup_fd, F_GETFD));
	CHECK("close-on-exec of F_DUPFD_CLOEXEC", FD_CLOEXEC, fcntl(far_fd, F_GETFD));
	NEED(fcntl(dup_fd, F_SETFL, O_APPEND) == 0);
	CHECK("a flag set through dup", O_APPEND, fcntl(shared, F_GETFL) & O_APPEND);
	write_file("moved", "", 0);
	expect_exit("child", child, 0);
	CHECK("position moved by the child", 5, lseek(shared, 0, SEEK_CUR));
	NEED(read(shared, line, 3) == 3);
	check_bytes("what is read there", data + 5, line, 3);
	CHECK("a read through the write-only one", -1, read(fds[1], line, 1));
	CHECK("errno", EBADF, errno);
	NEED(write(fds[3], "end", 3) == 3);
	CHECK("an append goes to the end", (long)sizeof(data) + 3, lseek(fds[3], 0, SEEK_CUR));
	return verdict();
}
