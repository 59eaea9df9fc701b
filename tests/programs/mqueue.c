/*
 * POSIX message queues: with a name, and one whose name was removed; open several times, messages of
 * several priorities, long and empty ones. "notify": a signal when the next message comes.
 */
#include "program.h"
#include <mqueue.h>

static char named[64], other[96];
static char long_text[8192];

static mqd_t make(const char *name, int flags, long count, long size)
{
	struct mq_attr attributes = { .mq_maxmsg = count, .mq_msgsize = size };
	mqd_t queue = mq_open(name, flags | O_CREAT | O_EXCL, 0640, &attributes);

	if (queue < 0 && (errno == ENOSYS || errno == EMFILE))
		skip("no message queues can be made here (RLIMIT_MSGQUEUE)");
	NEED(queue >= 0);
	return queue;
}

static void put(mqd_t queue, const char *text, size_t size, unsigned int priority)
{
	NEED(mq_send(queue, text, size, priority) == 0);
}

static void expect(const char *what, mqd_t queue, const char *text, size_t size, unsigned int priority)
{
	static char got[32768];
	unsigned int its = 0;
	ssize_t length = mq_receive(queue, got, sizeof(got), &its);

	CHECK(what, size, length);
	CHECK(what, priority, its);
	if (length == (ssize_t)size)
		check_bytes(what, text, got, size);
}

static void check_attributes(const char *what, mqd_t queue, long flags, long count, long size, long now)
{
	struct mq_attr is;

	NEED(mq_getattr(queue, &is) == 0);
	CHECK(what, flags, is.mq_flags);
	CHECK(what, count, is.mq_maxmsg);
	CHECK(what, size, is.mq_msgsize);
	CHECK(what, now, is.mq_curmsgs);
}

static void check_link(const char *what, int fd, const char *name, const char *rest)
{
	char path[64], link[256], wanted[256];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	size = readlink(path, link, sizeof(link) - 1);
	NEED(size > 0);
	link[size] = 0;
	snprintf(wanted, sizeof(wanted), "%s%s", name, rest);
	check_text(what, wanted, link);
}

static mqd_t shared;

static void child(void *unused)
{
	(void)unused;
	child_is_ready();
	wait_until_told();
	CHECK("the child's close-on-exec", FD_CLOEXEC, fcntl(shared, F_GETFD));
	put(shared, "of child", 8, 3);
}

static int plain(void)
{
	mqd_t queue, reader, writer, same, gone;
	struct stat facts;
	pid_t pid;

	shared = queue = make(named, O_RDWR | O_NONBLOCK, 8, 8192);
	same = dup(queue);
	reader = mq_open(named, O_RDONLY | O_CLOEXEC);
	writer = mq_open(named, O_WRONLY | O_NONBLOCK);
	gone = make(other, O_RDWR, 5, 100);
	NEED(same >= 0 && reader >= 0 && writer >= 0 && fchmod(gone, 0600) == 0);
	NEED(fcntl(same, F_SETFD, 0) == 0);
	fill_pattern(long_text, sizeof(long_text), 7);
	put(queue, "second", 6, 5);
	put(queue, long_text, sizeof(long_text), 0);
	put(writer, "first", 5, 31999);
	put(writer, "third", 5, 5);
	put(queue, "", 0, 1);
	put(queue, long_text, 4100, 0);
	put(gone, "ghost", 5, 2);
	put(gone, "of a ghost", 10, 2);
	NEED(mq_unlink(other) == 0);
	pid = spawn(child, NULL);

	ready();
	wait_until_told();

	expect_exit("the child", pid, 0);
	check_attributes("the queue", queue, O_NONBLOCK, 8, 8192, 7);
	check_attributes("its reader", reader, 0, 8, 8192, 7);
	check_attributes("the deleted one", gone, 0, 5, 100, 2);
	check_link("the queue", queue, named, "");
	check_link("the deleted one", gone, other, " (deleted)");
	NEED(fstat(queue, &facts) == 0);
	CHECK("mode", S_IFREG | 0640, facts.st_mode);
	CHECK("user", getuid(), facts.st_uid);
	NEED(fstat(gone, &facts) == 0);
	CHECK("mode of the deleted one", S_IFREG | 0600, facts.st_mode);
	CHECK("names of the deleted one", 0, facts.st_nlink);
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(reader, F_GETFD));
	CHECK("close-on-exec of the copy", 0, fcntl(same, F_GETFD));
	CHECK("access of the reader", O_RDONLY, fcntl(reader, F_GETFL) & O_ACCMODE);
	CHECK("access of the writer", O_WRONLY | O_NONBLOCK, fcntl(writer, F_GETFL) & (O_ACCMODE | O_NONBLOCK));

	expect("first", queue, "first", 5, 31999);
	expect("second", same, "second", 6, 5);
	expect("third", queue, "third", 5, 5);
	expect("of the child", reader, "of child", 8, 3);
	expect("empty", queue, "", 0, 1);
	expect("long", reader, long_text, sizeof(long_text), 0);
	expect("shorter", reader, long_text, 4100, 0);
	CHECK("nothing more", -1, mq_receive(queue, long_text, sizeof(long_text), NULL));
	CHECK("nothing more", EAGAIN, errno);
	expect("of the deleted one", gone, "ghost", 5, 2);
	put(gone, "new", 3, 9);
	expect("of the deleted one", gone, "new", 3, 9);
	expect("of the deleted one", gone, "of a ghost", 10, 2);
	CHECK("its name is free", -1, mq_open(other, O_RDONLY));
	CHECK("removing the queue", 0, mq_unlink(named));
	return verdict();
}

static volatile sig_atomic_t signalled, value;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	signalled++;
	value = info->si_value.sival_int;
}

static int notify(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3 };
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	mqd_t queue, silent;

	event.sigev_value.sival_int = 4711;
	NEED(sigaction(SIGRTMIN + 3, &action, NULL) == 0);
	queue = make(named, O_RDWR, 4, 64);
	silent = make(other, O_RDWR, 4, 64);
	NEED(mq_notify(queue, &event) == 0 && mq_notify(silent, &none) == 0);
	NEED(mq_unlink(other) == 0);

	ready();
	wait_until_told();

	CHECK("not yet", 0, signalled);
	CHECK("another", -1, mq_notify(silent, &none));
	CHECK("another", EBUSY, errno);
	put(queue, "here", 4, 0);
	CHECK("signalled", 1, signalled);
	CHECK("its value", 4711, value);
	put(queue, "once", 4, 0);
	CHECK("once", 1, signalled);
	CHECK("again", 0, mq_notify(queue, &event));
	CHECK("removing the queue", 0, mq_unlink(named));
	return verdict();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	snprintf(named, sizeof(named), "/crtools-test-%llx", (unsigned long long)now_ns(CLOCK_REALTIME));
	snprintf(other, sizeof(other), "%s-gone", named);
	if (!strcmp(variant(argc, argv), "notify"))
		return notify();
	return plain();
}
