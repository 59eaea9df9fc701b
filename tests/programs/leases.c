/*
 * Leases (fcntl(2), F_SETLEASE): for reading, for writing, by a thread, with a signal and a number of
 * their own, without anybody to tell. "breaking": while somebody waits for them, or has asked once.
 * "mapped", "nameless": such that nobody could take them again. "watch": F_NOTIFY.
 */
#include "program.h"
#include <sys/file.h>

static volatile int signals, last_fd;

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	signals++;
	last_fd = info->si_fd;
}

static int open_file(const char *name, int flags)
{
	int fd;

	write_file(name, "leased", 6);
	fd = open(name, flags);
	NEED(fd >= 0);
	return fd;
}

static void catch(int number)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };

	NEED(sigaction(number, &action, NULL) == 0);
}

struct opening {
	const char *name;
	int flags;
};

static void open_it(void *argument)
{
	struct opening *opening = argument;
	int fd;

	child_is_ready();
	fd = open(opening->name, opening->flags);
	if (fd < 0)
		fail("open %s: errno %d", opening->name, errno);
}

static pid_t opener(const char *name, int flags)
{
	struct opening opening = { name, flags };
	pid_t pid = spawn(open_it, &opening);

	wait_until_blocked(pid, pid, SYS_openat);
	return pid;
}

static void *lease_in_thread(void *argument)
{
	NEED(fcntl(*(int *)argument, F_SETLEASE, F_RDLCK) == 0);
	return NULL;
}

/* Somebody opens it: the holder is told once, with the number of the descriptor. */
static void expect_break(const char *what, int fd, const char *name, int flags)
{
	int before = signals;
	pid_t pid = opener(name, flags);

	CHECK(what, before + 1, signals);
	CHECK(what, fd, last_fd);
	NEED(fcntl(fd, F_SETLEASE, F_UNLCK) == 0);
	expect_exit(what, pid, 0);
}

/* A program, which has a build id to be read. */
static void copy_self(const char *name)
{
	static char content[4 << 20];
	int fd = open("/proc/self/exe", O_RDONLY);
	ssize_t size = read(fd, content, sizeof(content));

	NEED(size > 0 && size < (ssize_t)sizeof(content) && close(fd) == 0);
	write_file(name, content, (size_t)size);
}

static int plain(void)
{
	int reading, writing, silent, program, by_thread, same;
	pthread_t thread;

	catch(SIGIO);
	catch(SIGRTMIN + 3);
	reading = open_file("reading", O_RDONLY);
	writing = open_file("writing", O_RDWR | O_CLOEXEC);
	silent = open_file("silent", O_RDONLY);
	by_thread = open_file("by-thread", O_RDONLY);
	copy_self("program");
	program = open("program", O_RDONLY);
	NEED(fcntl(reading, F_SETSIG, SIGRTMIN + 3) == 0 && fcntl(reading, F_SETLEASE, F_RDLCK) == 0);
	NEED(fcntl(writing, F_SETLEASE, F_WRLCK) == 0 && fcntl(writing, F_SETSIG, SIGRTMIN + 3) == 0);
	NEED(fcntl(silent, F_SETLEASE, F_WRLCK) == 0 && fcntl(silent, F_SETOWN, 0) == 0);
	NEED(program >= 0 && fcntl(program, F_SETLEASE, F_WRLCK) == 0);
	NEED(fcntl(program, F_SETSIG, SIGRTMIN + 3) == 0);
	NEED(pthread_create(&thread, NULL, lease_in_thread, &by_thread) == 0);
	NEED(pthread_join(thread, NULL) == 0);
	same = dup(reading);
	NEED(same >= 0 && flock(writing, LOCK_EX) == 0);

	ready();
	wait_until_told();

	CHECK("signals", 0, signals);
	CHECK("read lease", F_RDLCK, fcntl(same, F_GETLEASE));
	CHECK("write lease", F_WRLCK, fcntl(writing, F_GETLEASE));
	CHECK("silent lease", F_WRLCK, fcntl(silent, F_GETLEASE));
	CHECK("lease on a program", F_WRLCK, fcntl(program, F_GETLEASE));
	CHECK("thread's lease", F_RDLCK, fcntl(by_thread, F_GETLEASE));
	CHECK("who is told", getpid(), fcntl(reading, F_GETOWN));
	CHECK("who is told of the silent one", 0, fcntl(silent, F_GETOWN));
	expect_break("read lease", reading, "reading", O_WRONLY);
	expect_break("write lease", writing, "writing", O_RDONLY);
	expect_break("lease on a program", program, "program", O_RDONLY);
	/* The kernel names the thread as if it were a process: nobody is told (fs/locks.c). */
	CHECK("an open of the thread's", -1, open("by-thread", O_RDWR | O_NONBLOCK));
	CHECK("an open that does not wait", -1, open("silent", O_RDONLY | O_NONBLOCK));
	CHECK("errno", EWOULDBLOCK, errno);
	CHECK("signals", 3, signals);
	return verdict();
}

static int breaking(void)
{
	int downgrade, release, narrow, asked, thrice;
	pid_t reader, writer;

	catch(SIGIO);
	catch(SIGRTMIN + 3);
	downgrade = open_file("downgrade", O_RDWR);
	release = open_file("release", O_RDONLY);
	narrow = open_file("narrow", O_RDONLY);
	asked = open_file("asked", O_RDONLY);
	thrice = open_file("thrice", O_RDWR);
	NEED(fcntl(downgrade, F_SETLEASE, F_WRLCK) == 0 && fcntl(downgrade, F_SETSIG, SIGRTMIN + 3) == 0);
	NEED(fcntl(release, F_SETLEASE, F_RDLCK) == 0 && fcntl(narrow, F_SETLEASE, F_WRLCK) == 0);
	NEED(fcntl(asked, F_SETLEASE, F_RDLCK) == 0 && fcntl(thrice, F_SETLEASE, F_WRLCK) == 0);
	reader = opener("downgrade", O_RDONLY);
	writer = opener("release", O_WRONLY);
	NEED(open("narrow", O_WRONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	NEED(open("asked", O_WRONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	NEED(open("thrice", O_RDONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	NEED(open("thrice", O_RDWR | O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	NEED(signals == 6);

	ready();
	wait_until_told();

	CHECK("signals", 6, signals);
	CHECK("to be for reading", F_RDLCK, fcntl(downgrade, F_GETLEASE));
	CHECK("to be given up", F_UNLCK, fcntl(release, F_GETLEASE));
	CHECK("to be given up, of one who has gone on", F_UNLCK, fcntl(asked, F_GETLEASE));
	CHECK("to be given up, for writing", F_UNLCK, fcntl(narrow, F_GETLEASE));
	CHECK("twice broken", F_UNLCK, fcntl(thrice, F_GETLEASE));
	/* That was a write lease, which is in the way of readers; and that a read lease. */
	CHECK("a reader's open", -1, open("narrow", O_RDONLY | O_NONBLOCK));
	if (open("asked", O_RDONLY | O_NONBLOCK) < 0)
		fail("a reader's open of what is leased for reading: errno %d", errno);
	wait_until_blocked(reader, reader, SYS_openat);
	wait_until_blocked(writer, writer, SYS_openat);
	CHECK("signals", 6, signals);
	CHECK("who is told", getpid(), fcntl(downgrade, F_GETOWN));
	CHECK("with what", SIGRTMIN + 3, fcntl(downgrade, F_GETSIG));
	NEED(fcntl(downgrade, F_SETLEASE, F_UNLCK) == 0 && fcntl(release, F_SETLEASE, F_UNLCK) == 0);
	expect_exit("reader", reader, 0);
	expect_exit("writer", writer, 0);
	NEED(fcntl(asked, F_SETLEASE, F_UNLCK) == 0);
	return verdict();
}

static int impossible(const char *what)
{
	int fd;

	copy_self("leased");
	fd = open("leased", O_RDWR);
	NEED(fd >= 0);
	if (!strcmp(what, "mapped"))
		NEED(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	NEED(fcntl(fd, F_SETLEASE, F_WRLCK) == 0);
	if (!strcmp(what, "nameless"))
		NEED(unlink("leased") == 0);
	catch(SIGIO);
	ready();
	wait_until_told();
	CHECK("signals", 0, signals);
	CHECK("lease", F_WRLCK, fcntl(fd, F_GETLEASE));
	return verdict();
}

static int watch(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	catch(SIGIO);
	NEED(fd >= 0 && fcntl(fd, F_NOTIFY, DN_CREATE) == 0);
	ready();
	wait_until_told();
	/* "go" has been made. */
	CHECK("signals", 1, signals);
	return verdict();
}

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);

	begin(argc, argv);
	if (!strcmp(what, "breaking"))
		return breaking();
	if (!strcmp(what, "watch"))
		return watch();
	return *what ? impossible(what) : plain();
}
