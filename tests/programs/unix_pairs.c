/* Pairs of unix sockets: stream, datagram, seqpacket, with queues, shut down, closed, with options. */
#include "program.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SO_PEEK_OFF
#define SO_PEEK_OFF 42
#endif

static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };

static void check_peer(const char *what, int fd)
{
	struct ucred creds = { 0 };
	socklen_t size = sizeof(creds);
	gid_t groups[64], own[64];
	int count;

	NEED(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &creds, &size) == 0);
	if (creds.pid != getpid() || creds.uid != geteuid() || creds.gid != getegid())
		fail("%s: SO_PEERCRED is %d %u %u", what, creds.pid, creds.uid, creds.gid);
	size = sizeof(groups);
	NEED(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0);
	count = getgroups(64, own);
	CHECK("number of SO_PEERGROUPS", count, size / sizeof(gid_t));
	check_bytes("SO_PEERGROUPS", own, groups, size);
}

static int option(int fd, int name)
{
	int value = -77;
	socklen_t size = sizeof(value);

	NEED(getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0);
	return value;
}

static void set_option(int fd, int name, int value)
{
	NEED(setsockopt(fd, SOL_SOCKET, name, &value, sizeof(value)) == 0);
}

static void expect(const char *what, int fd, const void *data, ssize_t size)
{
	static char got[400000];

	CHECK(what, size, recv(fd, got, sizeof(got), MSG_DONTWAIT));
	if (size > 0)
		check_bytes(what, data, got, (size_t)size);
}

int main(int argc, char **argv)
{
	int plain[3][2], queued[3][2], half[2], gone[3], reset[2], duplex[2], large[3][2], peeked[2];
	static char data[300000];
	struct stat stat_before[2], stat_after;
	struct linger linger;
	socklen_t size;
	char got[100];
	struct pollfd poller;
	int both[2], copy, error, pair[2];

	begin(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	fill_pattern(data, sizeof(data), 4);
	for (int i = 0; i < 3; i++) {
		NEED(!socketpair(AF_UNIX, types[i], 0, plain[i]));
		NEED(!socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, queued[i]));
		NEED(send(queued[i][0], "one", 3, 0) == 3);
		NEED(send(queued[i][0], "two, longer", 11, 0) == 11);
		if (types[i] != SOCK_STREAM)
			NEED(send(queued[i][0], "", 0, 0) == 0 && send(queued[i][0], "x", 1, 0) == 1);
		NEED(send(queued[i][1], "back", 4, 0) == 4);
		NEED(!socketpair(AF_UNIX, types[i], 0, pair));
		NEED(send(pair[1], "left", 4, 0) == 4 && close(pair[1]) == 0);
		gone[i] = pair[0];
		NEED(!socketpair(AF_UNIX, types[i], 0, large[i]));
		set_option(large[i][0], SO_SNDBUF, 1000000);
		NEED(send(large[i][0], data, sizeof(data), MSG_DONTWAIT) == sizeof(data));
	}
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, half) && !shutdown(half[0], SHUT_WR));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, duplex) && !shutdown(duplex[0], SHUT_RD));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, both) && !shutdown(both[0], SHUT_RDWR));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, reset));
	NEED(write(reset[0], "unread", 6) == 6 && close(reset[1]) == 0);
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, peeked) && write(peeked[0], "peeked", 6) == 6);
	set_option(peeked[1], SO_PEEK_OFF, 2);
	set_option(plain[0][0], SO_SNDBUF, 30000);
	set_option(plain[0][0], SO_RCVBUF, 50000);
	set_option(plain[0][0], SO_RCVLOWAT, 7);
	set_option(plain[0][1], SO_PASSCRED, 1);
	set_option(plain[2][1], SO_PRIORITY, 4);
	linger.l_onoff = 1;
	linger.l_linger = 9;
	NEED(!setsockopt(plain[2][1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	copy = dup(plain[1][0]);
	NEED(!fchmod(plain[1][0], 0640) && !fstat(plain[1][0], &stat_before[0]));
	NEED(!fstat(plain[1][1], &stat_before[1]));

	ready();
	wait_until_told();

	for (int i = 0; i < 3; i++) {
		check_peer("plain", plain[i][0]);
		check_peer("plain, the other", plain[i][1]);
		CHECK("close-on-exec", FD_CLOEXEC, fcntl(queued[i][0], F_GETFD));
		CHECK("O_NONBLOCK", O_NONBLOCK, fcntl(queued[i][1], F_GETFL) & O_NONBLOCK);
		CHECK("none", 0, fcntl(plain[i][1], F_GETFD) | (fcntl(plain[i][1], F_GETFL) & O_NONBLOCK));
		if (types[i] == SOCK_STREAM) {
			expect("queue", queued[i][1], "onetwo, longer", 14);
		} else {
			expect("first", queued[i][1], "one", 3);
			expect("second", queued[i][1], "two, longer", 11);
			expect("empty", queued[i][1], "", 0);
			expect("last", queued[i][1], "x", 1);
		}
		expect("end of the queue", queued[i][1], "", -1);
		CHECK("errno", EAGAIN, errno);
		expect("queue, the other way", queued[i][0], "back", 4);
		for (int end = 0; end < 2; end++) {
			NEED(send(plain[i][end], "hello", 5, MSG_DONTWAIT) == 5);
			expect("hello", plain[i][!end], "hello", 5);
		}
		expect("what a closed one left", gone[i], "left", 4);
		expect("after that", gone[i], "", types[i] == SOCK_DGRAM ? -1 : 0);
		CHECK("to a closed one", -1, send(gone[i], "x", 1, MSG_DONTWAIT));
		CHECK("errno", types[i] == SOCK_DGRAM ? ECONNREFUSED : EPIPE, errno);
		expect("large", large[i][1], data, sizeof(data));
		expect("end of the large", large[i][1], "", -1);
	}
	expect("half shut", half[1], "", 0);
	NEED(send(half[1], "y", 1, 0) == 1);
	expect("half shut, the other way", half[0], "y", 1);
	CHECK("write after SHUT_WR", -1, send(half[0], "x", 1, 0));
	CHECK("errno", EPIPE, errno);
	CHECK("write to SHUT_RD", -1, send(duplex[1], "x", 1, 0));
	CHECK("errno", EPIPE, errno);
	expect("read after SHUT_RD", duplex[0], "", 0);
	NEED(send(duplex[0], "z", 1, 0) == 1);
	expect("from who has SHUT_RD", duplex[1], "z", 1);
	CHECK("write to who is shut down", -1, send(both[1], "x", 1, 0));
	expect("read from who is shut down", both[1], "", 0);
	poller.fd = both[0];
	poller.events = POLLIN | POLLOUT | POLLRDHUP;
	NEED(poll(&poller, 1, 0) == 1);
	CHECK("poll of who is shut down", POLLIN | POLLOUT | POLLRDHUP | POLLHUP, poller.revents);
	size = sizeof(error);
	NEED(!getsockopt(reset[0], SOL_SOCKET, SO_ERROR, &error, &size));
	CHECK("an error that waited", ECONNRESET, error);
	CHECK("a copy", 1, send(copy, "c", 1, 0));
	expect("from a copy", plain[1][1], "c", 1);
	CHECK("SO_PEEK_OFF", 2, option(peeked[1], SO_PEEK_OFF));
	CHECK("peek", 4, recv(peeked[1], got, sizeof(got), MSG_PEEK));
	check_bytes("peek", "eked", got, 4);
	CHECK("SO_SNDBUF", 60000, option(plain[0][0], SO_SNDBUF));
	CHECK("SO_RCVBUF", 100000, option(plain[0][0], SO_RCVBUF));
	CHECK("SO_RCVLOWAT", 7, option(plain[0][0], SO_RCVLOWAT));
	CHECK("SO_PASSCRED", 1, option(plain[0][1], SO_PASSCRED));
	CHECK("no SO_PASSCRED", 0, option(plain[0][0], SO_PASSCRED));
	CHECK("SO_PRIORITY", 4, option(plain[2][1], SO_PRIORITY));
	CHECK("large SO_SNDBUF", 2000000, option(large[0][0], SO_SNDBUF));
	size = sizeof(linger);
	NEED(!getsockopt(plain[2][1], SOL_SOCKET, SO_LINGER, &linger, &size));
	CHECK("SO_LINGER", 9, linger.l_onoff * linger.l_linger);
	for (int i = 0; i < 2; i++) {
		NEED(!fstat(plain[1][i], &stat_after));
		CHECK("mode", stat_before[i].st_mode, stat_after.st_mode);
		CHECK("owner", stat_before[i].st_uid, stat_after.st_uid);
		CHECK("group", stat_before[i].st_gid, stat_after.st_gid);
	}
	return verdict();
}
