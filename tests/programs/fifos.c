/* Fifos: with data, opened for both, by two relatives, with a size, with a deleted name. */
#include "program.h"

static void reader(void *argument)
{
	char text[16] = "";
	int fd = open("between", O_RDONLY);

	(void)argument;
	NEED(fd >= 0);
	child_is_ready();
	wait_until_told();
	CHECK("data", 10, read(fd, text, 10));
	check_text("data between relatives", "in between", text);
	CHECK("more", 5, read(fd, text, 16));
	check_bytes("more", "later", text, 5);
	CHECK("EOF", 0, read(fd, text, 16));
}

static void *open_writer(void *argument)
{
	*(int *)argument = open("between", O_WRONLY);
	return NULL;
}

int main(int argc, char **argv)
{
	int both, nonblocking, between = -1, deleted, idle;
	char text[32] = "";
	pthread_t thread;
	struct stat before, now;
	pid_t pid;

	begin(argc, argv);
	NEED(!mkfifo("both", 0600) && !mkfifo("between", 0600) && !mkfifo("deleted", 0600) && !mkfifo("idle", 0600));
	both = open("both", O_RDWR);
	nonblocking = open("both", O_RDONLY | O_NONBLOCK);
	NEED(both >= 0 && nonblocking >= 0 && write(both, "fifo", 4) == 4);
	NEED(fcntl(both, F_SETPIPE_SZ, 131072) == 131072);
	idle = open("idle", O_RDONLY | O_NONBLOCK);	/* without a writer */
	NEED(idle >= 0);
	/* Opening waits for the other side. */
	NEED(pthread_create(&thread, NULL, open_writer, &between) == 0);
	pid = spawn(reader, NULL);
	NEED(pthread_join(thread, NULL) == 0 && between >= 0 && write(between, "in between", 10) == 10);
	deleted = open("deleted", O_RDWR);
	NEED(deleted >= 0 && write(deleted, "nameless", 8) == 8 && unlink("deleted") == 0);
	NEED(fstat(both, &before) == 0);

	ready();
	wait_until_told();

	CHECK("size", 131072, fcntl(nonblocking, F_GETPIPE_SZ));
	CHECK("O_NONBLOCK", O_NONBLOCK, fcntl(nonblocking, F_GETFL) & O_NONBLOCK);
	CHECK("data, by another description", 4, read(nonblocking, text, sizeof(text)));
	check_text("data", "fifo", text);
	CHECK("no more data", -1, read(nonblocking, text, 1));
	CHECK("errno", EAGAIN, errno);
	NEED(fstat(both, &now) == 0);
	CHECK("inode", before.st_ino, now.st_ino);
	CHECK("a reader without a writer", 0, read(idle, text, 1));
	NEED(write(between, "later", 5) == 5 && close(between) == 0);
	expect_exit("reader", pid, 0);
	memset(text, 0, sizeof(text));
	CHECK("data of the nameless one", 8, read(deleted, text, sizeof(text)));
	check_text("data of the nameless one", "nameless", text);
	NEED(write(deleted, "again", 5) == 5);
	CHECK("it works on", 5, read(deleted, text, sizeof(text)));
	return verdict();
}
