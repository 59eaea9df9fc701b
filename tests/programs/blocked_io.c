/* Reading and writing pipes, opening a fifo, waiting for children. */
#include "blocked.h"

static void open_pipe(struct blocked *b)
{
	NEED(pipe(b->fds) == 0);
}

static long read_pipe(struct blocked *b)
{
	char got[8] = "";
	long result;

	open_pipe(b);
	result = syscall(SYS_read, b->fds[0], got, sizeof(got));
	check_text("what was read", "late", got);
	return result;
}

static void write_late(struct blocked *b)
{
	NEED(write(b->fds[1], "late", 4) == 4);
}

static long write_pipe(struct blocked *b)
{
	char page[4096];

	open_pipe(b);
	memset(page, 1, sizeof(page));
	NEED(fcntl(b->fds[1], F_SETPIPE_SZ, 8192) == 8192);
	NEED(write(b->fds[1], page, 4096) == 4096 && write(b->fds[1], page, 4096) == 4096);
	memset(page, 2, sizeof(page));
	return syscall(SYS_write, b->fds[1], page, 4096);
}

static void empty_pipe(struct blocked *b)
{
	char page[4096];

	for (int i = 0; i < 3; i++) {
		NEED(read(b->fds[0], page, 4096) == 4096);
		check_filled("what was written", page, i < 2 ? 1 : 2, 4096);
	}
}

static long open_fifo(struct blocked *b)
{
	long fd = syscall(SYS_open, "late.fifo", O_RDONLY);

	if (fd < 0)
		return fd;
	b->fds[0] = (int)fd;
	return 0;
}

static void open_other_end(struct blocked *b)
{
	b->fds[1] = open("late.fifo", O_WRONLY);
	NEED(b->fds[1] >= 0);
}

static pid_t children[2];

static void live(void *argument)
{
	child_is_ready();
	while (access(argument, F_OK))
		sleep_ms(2);
	_exit(((char *)argument)[0]);
}

static long wait_child(struct blocked *b)
{
	int status = 0;
	long result = syscall(SYS_wait4, children[0], &status, 0, NULL);

	(void)b;
	CHECK("status from wait4", 'a' << 8, status);
	return result == children[0] ? 0 : result;
}

static long waitid_child(struct blocked *b)
{
	siginfo_t info = { 0 };
	long result = syscall(SYS_waitid, P_PID, children[1], &info, WEXITED, NULL);

	(void)b;
	CHECK("status from waitid", 'b', info.si_status);
	return result;
}

static void end_first(struct blocked *b) { (void)b; write_file("a", "", 0); }
static void end_second(struct blocked *b) { (void)b; write_file("b", "", 0); }

static struct blocked cases[] = {
	{ "read", SYS_read, read_pipe, .result = 4, .release = write_late },
	{ "write", SYS_write, write_pipe, .result = 4096, .release = empty_pipe },
	{ "open of a fifo", SYS_open, open_fifo, .release = open_other_end },
	{ "wait4", SYS_wait4, wait_child, .release = end_first },
	{ "waitid", SYS_waitid, waitid_child, .release = end_second },
};

int main(int argc, char **argv)
{
	begin(argc, argv);
	NEED(mkfifo("late.fifo", 0600) == 0);
	children[0] = spawn(live, "a");
	children[1] = spawn(live, "b");
	return run_all_blocked(cases, COUNT(cases));
}
