/*
 * One kind of object at a time (the variant), as most programs have it and nothing else of it: what
 * any tool that restores processes knows. The odd states of each kind are other programs'.
 */
#include "program.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

static int a, b, c;
static const char word[] = "words";

static int open_both(const char *name, int flags)
{
	int fd = open(name, O_RDWR | O_CREAT | flags, 0640);

	NEED(fd >= 0);
	return fd;
}

static void check_word(const char *what, int fd)
{
	char got[sizeof(word)] = "";

	CHECK(what, sizeof(word), read(fd, got, sizeof(got)));
	check_text(what, word, got);
}

static void put_word(int fd)
{
	NEED(write(fd, word, sizeof(word)) == sizeof(word));
}

static void build_file(void)
{
	a = open_both("file", O_APPEND);
	b = dup(a);
	c = open_both("file", O_CLOEXEC);
	put_word(a);
	NEED(lseek(a, 2, SEEK_SET) == 2);
}

static void check_file(void)
{
	CHECK("position", 2, lseek(b, 0, SEEK_CUR));
	CHECK("another's position", 0, lseek(c, 0, SEEK_CUR));
	CHECK("flags", O_RDWR | O_APPEND | 0100000, fcntl(a, F_GETFL) | 0100000);
	CHECK("close on exec", FD_CLOEXEC, fcntl(c, F_GETFD));
	CHECK("not closed on exec", 0, fcntl(b, F_GETFD));
	check_word("content", c);
	CHECK("moved", 3, lseek(a, 3, SEEK_SET));
	CHECK("shared position", 3, lseek(b, 0, SEEK_CUR));
}

static void build_deleted(void)
{
	a = open_both("deleted", 0);
	put_word(a);
	NEED(unlink("deleted") == 0 && lseek(a, 0, SEEK_SET) == 0);
}

static void check_deleted(void)
{
	struct stat now;

	check_word("content", a);
	CHECK("fstat", 0, fstat(a, &now));
	CHECK("names", 0, now.st_nlink);
	CHECK("mode", 0100640, now.st_mode);
}

static void build_pipe(void)
{
	int ends[2];

	NEED(pipe2(ends, O_NONBLOCK) == 0);
	a = ends[0];
	b = ends[1];
	put_word(b);
}

static void check_pipe(void)
{
	char byte;

	check_word("unread", a);
	CHECK("empty", -1, read(a, &byte, 1));
	CHECK("why", EAGAIN, errno);
	put_word(b);
	check_word("new", a);
	CHECK("close", 0, close(b));
	CHECK("the end", 0, read(a, &byte, 1));
}

static void build_fifo(void)
{
	NEED(mkfifo("fifo", 0600) == 0);
	a = open("fifo", O_RDONLY | O_NONBLOCK);
	b = open("fifo", O_WRONLY);
	NEED(a >= 0 && b >= 0);
	put_word(b);
}

static void build_pair(void)
{
	int ends[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	a = ends[0];
	b = ends[1];
	put_word(b);
	put_word(a);
}

static void check_pair(void)
{
	char byte;

	check_word("one way", a);
	check_word("the other", b);
	CHECK("close", 0, close(b));
	CHECK("the end", 0, read(a, &byte, 1));
}

static struct sockaddr_un place = { .sun_family = AF_UNIX, .sun_path = "socket" };

static void build_unix(void)
{
	a = socket(AF_UNIX, SOCK_STREAM, 0);
	b = socket(AF_UNIX, SOCK_DGRAM, 0);
	c = socket(AF_UNIX, SOCK_DGRAM, 0);
	NEED(bind(a, (void *)&place, sizeof(place)) == 0 && listen(a, 5) == 0);
	NEED(bind(b, (void *)&(struct sockaddr_un){ AF_UNIX, "datagrams" }, sizeof(place)) == 0);
	NEED(connect(c, (void *)&(struct sockaddr_un){ AF_UNIX, "datagrams" }, sizeof(place)) == 0);
	put_word(c);
}

static void check_unix(void)
{
	int to = socket(AF_UNIX, SOCK_STREAM, 0), got;

	CHECK("connect", 0, connect(to, (void *)&place, sizeof(place)));
	got = accept(a, NULL, NULL);
	CHECK("accept", 1, got >= 0);
	put_word(to);
	check_word("through it", got);
	check_word("a datagram", b);
	put_word(c);
	check_word("another", b);
}

static struct sockaddr_in bound(int fd)
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	socklen_t length = sizeof(name);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	NEED(bind(fd, (void *)&name, sizeof(name)) == 0);
	NEED(getsockname(fd, (void *)&name, &length) == 0);
	return name;
}

static struct sockaddr_in there;

static void build_tcp(void)
{
	a = socket(AF_INET, SOCK_STREAM, 0);
	NEED(setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0);
	there = bound(a);
	NEED(listen(a, 7) == 0);
}

static void check_tcp(void)
{
	int to = socket(AF_INET, SOCK_STREAM, 0), on = 0, got;
	socklen_t length = sizeof(on);

	CHECK("option", 0, getsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, &length));
	CHECK("SO_REUSEADDR", 1, on);
	CHECK("connect", 0, connect(to, (void *)&there, sizeof(there)));
	got = accept(a, NULL, NULL);
	CHECK("accept", 1, got >= 0);
	put_word(to);
	check_word("through it", got);
}

static void build_udp(void)
{
	a = socket(AF_INET, SOCK_DGRAM, 0);
	b = socket(AF_INET, SOCK_DGRAM, 0);
	there = bound(a);
	NEED(connect(b, (void *)&there, sizeof(there)) == 0);
}

static void check_udp(void)
{
	put_word(b);
	check_word("a datagram", a);
}

static void build_eventfd(void)
{
	a = eventfd(0, EFD_NONBLOCK);
	NEED(a >= 0 && write(a, &(uint64_t){ 42 }, 8) == 8);
}

static void check_eventfd(void)
{
	uint64_t counter = 0;

	CHECK("read", 8, read(a, &counter, 8));
	CHECK("counter", 42, counter);
	CHECK("empty", -1, read(a, &counter, 8));
}

static void build_timerfd(void)
{
	struct itimerspec in = { .it_value.tv_sec = 3600, .it_interval.tv_nsec = 500000000 };

	a = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	NEED(a >= 0 && timerfd_settime(a, 0, &in, NULL) == 0);
}

static void check_timerfd(void)
{
	struct itimerspec in;
	uint64_t times;

	CHECK("timerfd_gettime", 0, timerfd_gettime(a, &in));
	check_between("seconds left", 3000, 3600, in.it_value.tv_sec);
	CHECK("interval", 500000000, in.it_interval.tv_nsec);
	CHECK("not yet", -1, read(a, &times, 8));
}

static void build_epoll(void)
{
	struct epoll_event wanted = { .events = EPOLLIN, .data.u64 = 0x123456789abcdef };

	build_pipe();
	c = epoll_create1(EPOLL_CLOEXEC);
	NEED(c >= 0 && epoll_ctl(c, EPOLL_CTL_ADD, a, &wanted) == 0);
}

static void check_epoll(void)
{
	struct epoll_event got = { 0 };

	CHECK("ready", 1, epoll_wait(c, &got, 1, 0));
	CHECK("events", EPOLLIN, got.events);
	CHECK("data", 0x123456789abcdef, got.data.u64);
	check_word("unread", a);
	CHECK("nothing ready", 0, epoll_wait(c, &got, 1, 0));
}

static void build_inotify(void)
{
	NEED(mkdir("watched", 0700) == 0);
	a = inotify_init1(IN_NONBLOCK);
	b = inotify_add_watch(a, "watched", IN_CREATE);
	NEED(a >= 0 && b >= 0);
}

static void check_inotify(void)
{
	char got[4096] __attribute__((aligned(8)));
	struct inotify_event *event = (void *)got;

	CHECK("nothing yet", -1, read(a, got, sizeof(got)));
	close(open_both("watched/new", 0));
	CHECK("an event", 1, read(a, got, sizeof(got)) > 0);
	CHECK("watch", b, event->wd);
	CHECK("what", IN_CREATE, event->mask);
	check_text("name", "new", event->name);
}

static void build_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	a = signalfd(-1, &set, SFD_NONBLOCK);
	NEED(a >= 0 && raise(SIGUSR1) == 0);
}

static void check_signalfd(void)
{
	struct signalfd_siginfo got = { 0 };

	CHECK("read", sizeof(got), read(a, &got, sizeof(got)));
	CHECK("signal", SIGUSR1, got.ssi_signo);
	CHECK("no other", -1, read(a, &got, sizeof(got)));
}

static char *shared;

static void build_memfd(void)
{
	a = memfd_create("memory", MFD_CLOEXEC);
	NEED(a >= 0 && ftruncate(a, 8192) == 0);
	shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, a, 0);
	NEED(shared != MAP_FAILED);
	strcpy(shared + 4096, word);
	NEED(lseek(a, 4096, SEEK_SET) == 4096);
}

static void check_memfd(void)
{
	check_text("mapped", word, shared + 4096);
	check_word("at its position", a);
	CHECK("close on exec", FD_CLOEXEC, fcntl(a, F_GETFD));
}

static pid_t child;

static void echo(void *unused)
{
	char byte;

	(void)unused;
	child_is_ready();
	while (read(a, &byte, 1) == 1)
		NEED(write(a, &byte, 1) == 1);
}

static void build_child(void)
{
	int ends[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	a = ends[0];
	b = ends[1];
	NEED(fcntl(b, F_SETFD, FD_CLOEXEC) == 0);
	child = spawn(echo, NULL);
}

static void check_child(void)
{
	put_word(b);
	for (size_t got = 0; got < sizeof(word); got++) {
		char byte = 0;

		CHECK("echo", 1, read(b, &byte, 1));
		CHECK("byte", word[got], byte);
	}
	CHECK("kill", 0, kill(child, SIGTERM));
	CHECK("wait", child, waitpid(child, NULL, 0));
}

static const struct {
	const char *name;
	void (*build)(void), (*check)(void);
} kinds[] = {
	{ "file", build_file, check_file },
	{ "deleted", build_deleted, check_deleted },
	{ "pipe", build_pipe, check_pipe },
	{ "fifo", build_fifo, check_pipe },
	{ "pair", build_pair, check_pair },
	{ "unix", build_unix, check_unix },
	{ "tcp", build_tcp, check_tcp },
	{ "udp", build_udp, check_udp },
	{ "eventfd", build_eventfd, check_eventfd },
	{ "timerfd", build_timerfd, check_timerfd },
	{ "epoll", build_epoll, check_epoll },
	{ "inotify", build_inotify, check_inotify },
	{ "signalfd", build_signalfd, check_signalfd },
	{ "memfd", build_memfd, check_memfd },
	{ "child", build_child, check_child },
};

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);

	begin(argc, argv);
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (!strcmp(what, kinds[i].name)) {
			kinds[i].build();
			ready();
			wait_until_told();
			kinds[i].check();
			return verdict();
		}
	NEED(!"a kind that there is");
	return 2;
}
