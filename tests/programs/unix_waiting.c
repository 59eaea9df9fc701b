/*
 * Connections that wait to be accepted, over which something has been sent already: data with its
 * boundaries, long data, descriptors, an urgent byte, credentials; some by clients that are shut
 * down, closed, or of a process that has ended. With `threads` a thread has made all of them.
 */
#include "program.h"
#include <linux/kcmp.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LONG 150000
#define MESSAGE 40000

static struct sockaddr_un to;
static socklen_t to_size;
static int streams, packets, strict, inherited, file, counter, clients[16];
static pid_t alive, dead;
static char longer[LONG + 8], text[LONG + 8];

static int bound(int type, const char *what)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	memset(&to, 0, sizeof(to));
	to.sun_family = AF_UNIX;
	strcpy(to.sun_path, what);
	to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(what) + 1);
	NEED(fd >= 0 && bind(fd, (void *)&to, to_size) == 0);
	return fd;
}

static int joined(int fd, const char *what)
{
	memset(&to, 0, sizeof(to));
	to.sun_family = AF_UNIX;
	strcpy(to.sun_path, what);
	to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(what) + 1);
	NEED(fd >= 0 && connect(fd, (void *)&to, to_size) == 0);
	return fd;
}

static int client(int type, const char *what)
{
	return joined(socket(AF_UNIX, type | SOCK_CLOEXEC, 0), what);
}

static void post(int fd, const char *data, size_t size, const int *fds, int count)
{
	struct iovec vector = { (void *)(uintptr_t)data, size };
	char control[CMSG_SPACE(sizeof(int) * 4)] = { 0 };
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };
	struct cmsghdr *part = (void *)control;

	if (count) {
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(part), fds, sizeof(int) * (size_t)count);
	}
	NEED(sendmsg(fd, &header, MSG_DONTWAIT) == (ssize_t)size);
}

static struct ucred creds;
static int got_fds[4], got_count;

/* One message; -1 if there is none. */
static int take(int fd, size_t most)
{
	struct iovec vector = { text, most };
	char control[512];
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1,
				 .msg_control = control, .msg_controllen = sizeof(control) };
	int got = (int)recvmsg(fd, &header, MSG_DONTWAIT);

	got_count = 0;
	memset(&creds, 0, sizeof(creds));
	if (got < 0)
		return -1;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
		if (part->cmsg_type == SCM_RIGHTS) {
			got_count = (int)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(got_fds, CMSG_DATA(part), sizeof(int) * (size_t)got_count);
		} else if (part->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&creds, CMSG_DATA(part), sizeof(creds));
		}
	}
	return got;
}

static void expect(const char *what, int fd, const char *data, int count)
{
	CHECK(what, strlen(data), take(fd, sizeof(text)));
	check_bytes(what, data, text, strlen(data));
	CHECK(what, count, got_count);
}

/* The next that waits, which was made by a process, with what it has sent. */
static int accepted(const char *what, int listener, pid_t pid, bool with_creds)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 0;
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (fd < 0) {
		fail("%s: nobody waits (errno %d)", what, errno);
		exit(1);
	}
	NEED(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
	CHECK(what, pid, peer.pid);
	CHECK(what, geteuid(), peer.uid);
	CHECK(what, getegid(), peer.gid);
	size = sizeof(on);
	NEED(getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, &size) == 0);
	CHECK("SO_PASSCRED", listener == strict ? inherited : 0, on);
	on = with_creds;
	NEED(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	return fd;
}

static void expect_end(const char *what, int fd, int result, int error)
{
	errno = 0;
	CHECK(what, result, recv(fd, text, sizeof(text), MSG_DONTWAIT));
	CHECK(what, error, errno);
}

static void expect_way(const char *what, int from, int fd)
{
	NEED(send(from, "~", 1, MSG_NOSIGNAL) == 1);
	expect(what, fd, "~", 0);
}

static void live(void *argument)
{
	int fd = client(SOCK_STREAM, argument);

	post(fd, "from a child", 12, NULL, 0);
	child_is_ready();
	wait_until_told();
	CHECK("an answer", 2, read(fd, text, 2));
}

static void die(void *argument)
{
	int fd = client(SOCK_STREAM, argument);

	post(fd, "from the dead", 13, NULL, 0);
	child_is_ready();
}

static void *make_clients(void *unused)
{
	int room = 1 << 19, fds[2] = { file, counter }, fd;

	(void)unused;
	alive = spawn(live, "streams");
	clients[0] = client(SOCK_STREAM, "streams");
	clients[1] = client(SOCK_STREAM, "streams");
	post(clients[1], "one", 3, NULL, 0);
	post(clients[1], "two", 3, NULL, 0);
	clients[2] = client(SOCK_STREAM, "streams");
	NEED(setsockopt(clients[2], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
	post(clients[2], longer, LONG, NULL, 0);
	clients[3] = client(SOCK_STREAM, "streams");
	post(clients[3], "before", 6, NULL, 0);
	post(clients[3], "with", 4, fds, 2);
	post(clients[3], "after", 5, NULL, 0);
	fd = joined(bound(SOCK_STREAM, "gone"), "streams");
	post(fd, "last words", 10, &file, 1);
	close(fd);
	close(client(SOCK_STREAM, "streams"));
	clients[4] = client(SOCK_STREAM, "streams");
	post(clients[4], "half", 4, NULL, 0);
	NEED(shutdown(clients[4], SHUT_WR) == 0);
	clients[5] = client(SOCK_STREAM, "streams");
	post(clients[5], "calm", 4, NULL, 0);
	NEED(send(clients[5], "!", 1, MSG_OOB) == 1 && send(clients[5], "again", 5, 0) == 5);
	dead = spawn(die, "streams");
	expect_exit("who has sent", dead, 0);

	clients[6] = client(SOCK_SEQPACKET, "packets");
	post(clients[6], "a", 1, NULL, 0);
	post(clients[6], "", 0, NULL, 0);
	post(clients[6], "bcd", 3, &counter, 1);
	post(clients[6], longer, MESSAGE, NULL, 0);
	/* Its own listener, which nobody can have told of it yet. */
	fd = client(SOCK_SEQPACKET, "packets");
	post(fd, "itself", 6, &packets, 1);
	close(fd);

	clients[7] = client(SOCK_STREAM, "strict");
	post(clients[7], "mine", 4, NULL, 0);
	return NULL;
}

static void *live_on(void *lives)
{
	__atomic_store_n((bool *)lives, true, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_un name;
	socklen_t size;
	pthread_t thread;
	bool lives = false;
	uint64_t count;
	int fd, on = 1, mark;

	begin(argc, argv);
	fill_pattern(longer, LONG, 7);
	write_file("file", "0123456789", 10);
	file = open("file", O_RDWR);
	counter = eventfd(77, 0);
	NEED(lseek(file, 4, SEEK_SET) == 4 && counter >= 0);
	streams = bound(SOCK_STREAM, "streams");
	packets = bound(SOCK_SEQPACKET, "packets");
	strict = bound(SOCK_STREAM, "strict");
	NEED(!listen(streams, 16) && !listen(packets, 3) && !listen(strict, 3));
	/* Some kernels have a connection inherit this when it is made, some do not. */
	NEED(setsockopt(strict, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	close(client(SOCK_STREAM, "strict"));
	fd = accept(strict, NULL, NULL);
	size = sizeof(inherited);
	NEED(fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &inherited, &size) == 0);
	close(fd);
	if (!strcmp(variant(argc, argv), "threads")) {
		NEED(pthread_create(&thread, NULL, make_clients, NULL) == 0);
		NEED(pthread_join(thread, NULL) == 0);
		/* One that lives on; it is born with all signals blocked. */
		NEED(pthread_create(&thread, NULL, live_on, &lives) == 0);
		while (!__atomic_load_n(&lives, __ATOMIC_SEQ_CST))
			sleep_ms(1);
	} else {
		make_clients(NULL);
	}

	ready();
	wait_until_told();

	fd = accepted("a child's", streams, alive, true);
	expect("a child's", fd, "from a child", 0);
	CHECK("a child's", alive, creds.pid);
	NEED(write(fd, "ok", 2) == 2);
	expect_exit("child", alive, 0);
	fd = accepted("silent", streams, getpid(), false);
	expect_end("silent", fd, -1, EAGAIN);
	expect_way("silent", clients[0], fd);
	fd = accepted("twice", streams, getpid(), true);
	expect("twice", fd, "onetwo", 0);
	CHECK("twice", getpid(), creds.pid);
	expect_way("twice", clients[1], fd);
	expect_way("twice, and back", fd, clients[1]);
	fd = accepted("long", streams, getpid(), false);
	for (int at = 0; at < LONG;) {
		int got = (int)recv(fd, text + at, sizeof(text) - (size_t)at, MSG_DONTWAIT);

		NEED(got > 0);
		at += got;
	}
	check_bytes("long", longer, text, LONG);
	expect_end("long", fd, -1, EAGAIN);
	fd = accepted("descriptors", streams, getpid(), false);
	CHECK("before", 3, take(fd, 3));
	CHECK("before", 0, got_count);
	CHECK("before", 3, take(fd, 3));
	CHECK("before", 0, got_count);
	CHECK("with", 4, take(fd, 4));
	CHECK("with", 2, got_count);
	CHECK("file", 0, syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, got_fds[0], file));
	CHECK("counter", 0, syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, got_fds[1], counter));
	expect("after", fd, "after", 0);
	fd = accepted("closed", streams, getpid(), true);
	size = sizeof(name);
	NEED(getpeername(fd, (void *)&name, &size) == 0);
	CHECK("its name", offsetof(struct sockaddr_un, sun_path) + 5, size);
	check_text("its name", "gone", name.sun_path);
	expect("closed", fd, "last words", 1);
	CHECK("closed", getpid(), creds.pid);
	CHECK("file", 0, syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, got_fds[0], file));
	expect_end("closed", fd, 0, 0);
	fd = accepted("closed at once", streams, getpid(), false);
	size = sizeof(name);
	NEED(getpeername(fd, (void *)&name, &size) == 0);
	CHECK("no name", sizeof(sa_family_t), size);
	expect_end("closed at once", fd, 0, 0);
	CHECK("closed at once", -1, send(fd, "~", 1, MSG_NOSIGNAL));
	fd = accepted("half-shut", streams, getpid(), false);
	expect("half-shut", fd, "half", 0);
	expect_end("half-shut", fd, 0, 0);
	expect_way("half-shut", fd, clients[4]);
	fd = accepted("urgent", streams, getpid(), false);
	expect("calm", fd, "calm", 0);
	NEED(ioctl(fd, SIOCATMARK, &mark) == 0);
	CHECK("at the mark", 1, mark);
	CHECK("urgent", 1, recv(fd, text, 1, MSG_OOB));
	CHECK("urgent", '!', text[0]);
	expect("again", fd, "again", 0);
	fd = accepted("the dead's", streams, dead, true);
	expect("the dead's", fd, "from the dead", 0);
	CHECK("the dead's", dead, creds.pid);
	expect_end("the dead's", fd, 0, 0);
	CHECK("no more", -1, accept4(streams, NULL, NULL, (fcntl(streams, F_SETFL, O_NONBLOCK), 0)));

	fd = accepted("packets", packets, getpid(), false);
	expect("packets", fd, "a", 0);
	expect("packets", fd, "", 0);
	expect("packets", fd, "bcd", 1);
	CHECK("its counter", 8, read(got_fds[0], &count, 8));
	CHECK("its counter", 77, count);
	CHECK("a long one", MESSAGE, take(fd, sizeof(text)));
	check_bytes("a long one", longer, text, MESSAGE);
	expect_end("packets", fd, -1, EAGAIN);
	expect_way("packets", clients[6], fd);
	fd = accepted("itself", packets, getpid(), false);
	expect("itself", fd, "itself", 1);
	CHECK("itself", 0, syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, got_fds[0], packets));
	expect_end("itself", fd, 0, 0);

	fd = accepted("strict", strict, getpid(), true);
	expect("strict", fd, "mine", 0);
	CHECK("strict", getpid(), creds.pid);
	return verdict();
}
