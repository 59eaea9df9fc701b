/*
 * TCP sockets whose both ends are here: every state that can be had so, with data in both queues and
 * every option away from its default; each byte has to arrive once.
 *
 *     tcp [v4|v6|mapped]    connections over IPv4 (the default), IPv6, IPv4 by IPv6 sockets
 *     tcp both              connections over IPv6, and one over IPv4
 *     tcp closing           those of which one or both ends have been shut down
 *     tcp options           options
 *     tcp shared            two processes have both ends of one, and threads read and write meanwhile
 *     tcp echo              sends back what somebody else sends, on any number of connections
 *     tcp closes            closes a connection whose peer has not read all yet
 *     tcp connect PORT      connects there
 *     tcp waiting|urgent|upper|saved|error|unread|multipath|signed    what is refused
 */
#include "program.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define STREAM 300000
static int family = AF_INET;
static const char *address = "127.0.0.1";

static socklen_t make_name(struct sockaddr_storage *name, int port)
{
	struct sockaddr_in *four = (void *)name;
	struct sockaddr_in6 *six = (void *)name;

	memset(name, 0, sizeof(*name));
	name->ss_family = family;
	four->sin_port = htons(port);
	NEED(inet_pton(family, address,
		       family == AF_INET ? (void *)&four->sin_addr : (void *)&six->sin6_addr) == 1);
	return family == AF_INET ? sizeof(*four) : sizeof(*six);
}

static int port_of(int fd)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);

	NEED(getsockname(fd, (void *)&name, &length) == 0);
	return ntohs(((struct sockaddr_in *)&name)->sin_port);
}

static int state_of(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	NEED(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	return info.tcpi_state;
}

static void wait_until_tcp(int fd, int state)
{
	for (int i = 0; state_of(fd) != state; i++) {
		NEED(i < 20000);
		sleep_ms(1);
	}
}

static int option(int fd, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof(value);

	if (getsockopt(fd, level, name, &value, &length))
		return -errno;
	return value;
}

static void set(int fd, int level, int name, int value)
{
	NEED(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
}

static int listener(int backlog)
{
	struct sockaddr_storage name;
	socklen_t length = make_name(&name, 0);
	int fd = socket(family, SOCK_STREAM, 0);

	NEED(fd >= 0);
	if (family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	NEED(bind(fd, (void *)&name, length) == 0);
	NEED(listen(fd, backlog) == 0);
	return fd;
}

struct pair {
	int client, server;
};

/* Small buffers, so that one that is full is soon full: the receiver's are set before it listens. */
static struct pair connect_pair(int from, int small)
{
	struct sockaddr_storage name;
	socklen_t length = make_name(&name, port_of(from));
	struct pair pair = { .client = socket(family, SOCK_STREAM, 0) };

	NEED(pair.client >= 0);
	if (small) {
		set(pair.client, SOL_SOCKET, SO_RCVBUF, 8192);
		set(pair.client, SOL_SOCKET, SO_SNDBUF, 16384);
	}
	NEED(connect(pair.client, (void *)&name, length) == 0);
	pair.server = accept(from, NULL, NULL);
	NEED(pair.server >= 0);
	return pair;
}

/* Bytes `at` and on of a stream. */
static void fill(unsigned char *buffer, size_t size, size_t at, int seed)
{
	for (size_t i = 0; i < size; i++)
		buffer[i] = (unsigned char)(pattern(seed, (at + i) / 8) >> (at + i) % 8 * 8);
}

/* Writes until no more is taken, at most `most` bytes; how many. */
static size_t stuff(int fd, size_t most, int seed)
{
	unsigned char piece[1000];
	size_t done = 0;

	while (done < most) {
		size_t want = most - done < sizeof(piece) ? most - done : sizeof(piece);
		ssize_t put;

		fill(piece, want, done, seed);
		put = send(fd, piece, want, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (put < 0 && errno == EAGAIN)
			break;
		NEED(put > 0);
		done += (size_t)put;
	}
	return done;
}

/* Reads exactly what `stuff` has written, and the end of the stream if there is to be one. */
static void drain(const char *what, int fd, size_t size, int seed, bool end)
{
	unsigned char got[4096], want[4096];
	size_t done = 0;
	struct pollfd poll_one = { .fd = fd, .events = POLLIN };

	while (done < size || end) {
		ssize_t n;

		if (poll(&poll_one, 1, 20000) != 1) {
			fail("%s: nothing came after %zu of %zu bytes", what, done, size);
			return;
		}
		n = recv(fd, got, sizeof(got), 0);
		if (n <= 0) {
			if (n < 0 || done < size)
				fail("%s: recv gave %zd (errno %d) after %zu of %zu bytes", what, n,
				     n < 0 ? errno : 0, done, size);
			return;
		}
		if (done + (size_t)n > size) {
			fail("%s: %zu bytes too many", what, done + (size_t)n - size);
			return;
		}
		fill(want, (size_t)n, done, seed);
		check_bytes(what, want, got, (size_t)n);
		done += (size_t)n;
	}
}

/* Nothing more may be there. */
static void check_empty(const char *what, int fd)
{
	char byte;

	CHECK(what, -1, recv(fd, &byte, 1, MSG_DONTWAIT));
	CHECK(what, EAGAIN, errno);
}

static void finish_pair(const char *what, struct pair pair, size_t up, size_t down)
{
	char name[64];
	size_t more;

	snprintf(name, sizeof(name), "%s, to the server", what);
	drain(name, pair.server, up, 1, false);
	check_empty(name, pair.server);
	snprintf(name, sizeof(name), "%s, to the client", what);
	drain(name, pair.client, down, 2, false);
	check_empty(name, pair.client);
	/* And on it goes. */
	more = stuff(pair.client, 5000, 3);
	drain(what, pair.server, more, 3, false);
	more = stuff(pair.server, 5000, 4);
	drain(what, pair.client, more, 4, false);
	close(pair.client);
	drain("the end", pair.server, 0, 0, true);
	close(pair.server);
}

static void test_connections(void)
{
	int from = listener(5), unconnected = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int bound = socket(family, SOCK_STREAM, 0), bound_port, from_port = port_of(from);
	struct sockaddr_storage name, ours, theirs;
	socklen_t length = make_name(&name, 0);
	struct pair idle = connect_pair(from, 0), some = connect_pair(from, 0), full, later;
	size_t up, down, full_up, full_down;
	int small, nodelay = option(idle.client, IPPROTO_TCP, TCP_NODELAY);

	NEED(bind(bound, (void *)&name, length) == 0);
	bound_port = port_of(bound);
	small = listener(3);
	set(small, SOL_SOCKET, SO_RCVBUF, 8192);
	set(small, SOL_SOCKET, SO_SNDBUF, 16384);
	full = connect_pair(small, 1);
	up = stuff(some.client, 20000, 1);
	down = stuff(some.server, 777, 2);
	/* Until neither end takes more: part of it has not been sent. */
	full_up = stuff(full.client, STREAM, 1);
	full_down = stuff(full.server, STREAM, 2);
	NEED(full_up < STREAM && full_down < STREAM);

	ready();
	wait_until_told();

	CHECK("nodelay", nodelay, option(idle.client, IPPROTO_TCP, TCP_NODELAY));
	CHECK("unconnected", TCP_CLOSE, state_of(unconnected));
	CHECK("its flags", O_RDWR | O_NONBLOCK, fcntl(unconnected, F_GETFL));
	CHECK("its descriptor's", FD_CLOEXEC, fcntl(unconnected, F_GETFD));
	CHECK("bound", TCP_CLOSE, state_of(bound));
	CHECK("port", bound_port, port_of(bound));
	CHECK("listening", TCP_LISTEN, state_of(from));
	CHECK("its port", from_port, port_of(from));
	CHECK("connected", TCP_ESTABLISHED, state_of(idle.client));
	length = sizeof(ours);
	NEED(getsockname(some.client, (void *)&ours, &length) == 0);
	length = sizeof(theirs);
	NEED(getpeername(some.server, (void *)&theirs, &length) == 0);
	CHECK("names", 0, memcmp(&ours, &theirs, length));
	later = connect_pair(from, 0);
	finish_pair("idle", idle, 0, 0);
	finish_pair("some", some, up, down);
	finish_pair("full", full, full_up, full_down);
	finish_pair("new", later, 0, 0);
	NEED(listen(bound, 1) == 0);
	finish_pair("bound", connect_pair(bound, 0), 0, 0);
	/* The same socket as before, so that connecting works. */
	length = make_name(&name, from_port);
	CHECK("connecting", -1, connect(unconnected, (void *)&name, length));
	CHECK("errno", EINPROGRESS, errno);
}

static void test_closing(void)
{
	int from = listener(9), small = listener(3);
	struct pair half = connect_pair(from, 0), stuffed, last, closing, deaf = connect_pair(from, 0),
		    gone = connect_pair(from, 0);
	size_t up, down, stuffed_up, last_down, closing_up;

	set(small, SOL_SOCKET, SO_RCVBUF, 8192);
	set(small, SOL_SOCKET, SO_SNDBUF, 16384);
	/* FIN_WAIT2 and CLOSE_WAIT, with data before the FIN. */
	up = stuff(half.client, 5000, 1);
	NEED(shutdown(half.client, SHUT_WR) == 0);
	down = stuff(half.server, 3000, 2);
	/* FIN_WAIT1: data and the FIN have not been sent. */
	stuffed = connect_pair(small, 1);
	stuffed_up = stuff(stuffed.client, STREAM, 1);
	NEED(stuffed_up < STREAM && shutdown(stuffed.client, SHUT_WR) == 0);
	/* FIN_WAIT2 and LAST_ACK: the other way round after that. */
	last = connect_pair(small, 1);
	NEED(shutdown(last.client, SHUT_WR) == 0);
	last_down = stuff(last.server, STREAM, 2);
	NEED(last_down < STREAM && shutdown(last.server, SHUT_WR) == 0);
	/* CLOSING and FIN_WAIT2. */
	closing = connect_pair(small, 1);
	closing_up = stuff(closing.client, STREAM, 1);
	NEED(closing_up < STREAM && shutdown(closing.client, SHUT_WR) == 0);
	NEED(shutdown(closing.server, SHUT_WR) == 0);
	NEED(shutdown(deaf.client, SHUT_RD) == 0);
	/* CLOSE, the one that was closed last: the other one waits in TIME_WAIT. */
	NEED(shutdown(gone.client, SHUT_WR) == 0 && shutdown(gone.server, SHUT_WR) == 0);
	sleep_ms(100);
	wait_until_tcp(half.client, TCP_FIN_WAIT2);
	wait_until_tcp(half.server, TCP_CLOSE_WAIT);
	wait_until_tcp(stuffed.client, TCP_FIN_WAIT1);
	wait_until_tcp(last.client, TCP_FIN_WAIT2);
	wait_until_tcp(last.server, TCP_LAST_ACK);
	wait_until_tcp(closing.client, TCP_CLOSING);
	wait_until_tcp(closing.server, TCP_FIN_WAIT2);
	wait_until_tcp(gone.client, TCP_CLOSE);
	wait_until_tcp(gone.server, TCP_CLOSE);

	ready();
	wait_until_told();

	CHECK("half.client", TCP_FIN_WAIT2, state_of(half.client));
	CHECK("half.server", TCP_CLOSE_WAIT, state_of(half.server));
	CHECK("stuffed.client", TCP_FIN_WAIT1, state_of(stuffed.client));
	CHECK("last.client", TCP_FIN_WAIT2, state_of(last.client));
	CHECK("last.server", TCP_LAST_ACK, state_of(last.server));
	CHECK("closing.client", TCP_CLOSING, state_of(closing.client));
	CHECK("closing.server", TCP_FIN_WAIT2, state_of(closing.server));
	CHECK("gone.client", TCP_CLOSE, state_of(gone.client));
	CHECK("gone.server", TCP_CLOSE, state_of(gone.server));
	drain("half, to the server", half.server, up, 1, true);
	drain("half, to the client", half.client, down, 2, false);
	check_empty("half", half.client);
	down = stuff(half.server, 4000, 3);
	NEED(shutdown(half.server, SHUT_WR) == 0);
	drain("half, later", half.client, down, 3, true);
	drain("stuffed", stuffed.server, stuffed_up, 1, true);
	drain("last", last.client, last_down, 2, true);
	drain("last, to the server", last.server, 0, 0, true);
	drain("closing", closing.server, closing_up, 1, true);
	drain("closing, to the client", closing.client, 0, 0, true);
	CHECK("sending after the end", -1, send(stuffed.client, "x", 1, MSG_NOSIGNAL));
	CHECK("errno", EPIPE, errno);
	drain("deaf", deaf.client, 0, 0, true);
	drain("gone, the client", gone.client, 0, 0, true);
	drain("gone, the server", gone.server, 0, 0, true);
	CHECK("sending when it is gone", -1, send(gone.client, "x", 1, MSG_NOSIGNAL));
	CHECK("errno", EPIPE, errno);
	CHECK("no error is pending", 0, option(gone.server, SOL_SOCKET, SO_ERROR));
}

/* Of a socket that listens, of one that does not, of a connection: the option and a value for it. */
static const struct {
	const char *name;
	int level, option, value;
	bool connected;
} values[] = {
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1, true },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK, 1, true },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 101, true },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 11, true },
	{ "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 5, true },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, 3, true },
	{ "TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2, 17, true },
	{ "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, 7, false },
	{ "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, 70000, true },
	{ "TCP_THIN_LINEAR_TIMEOUTS", IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1, true },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 12345, true },
	{ "TCP_FASTOPEN", IPPROTO_TCP, TCP_FASTOPEN, 6, false },
	{ "TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4096, true },
	{ "TCP_SAVE_SYN", IPPROTO_TCP, 27, 1, false },
	{ "TCP_FASTOPEN_NO_COOKIE", IPPROTO_TCP, 34, 1, false },
	{ "TCP_INQ", IPPROTO_TCP, 36, 1, true },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 1000, false },
	{ "TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK, 0, true },
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1, true },
	{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1, true },
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1, true },
	{ "SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1, true },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 9, true },
	{ "SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, 1 << 30, true },
};

static void check_congestion(const char *what, int fd)
{
	char got[16] = "";
	socklen_t length = sizeof(got);

	NEED(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, got, &length) == 0);
	check_text(what, "reno", got);
}

static void test_options(void)
{
	int from = listener(5), idle = socket(family, SOCK_STREAM, 0);
	int other = socket(family, SOCK_STREAM, 0), sizes[2];
	struct pair pair = connect_pair(from, 0);
	struct sockaddr_storage name;
	socklen_t length = make_name(&name, 0);

	/* A group that shares a port: the second member comes later. */
	set(other, SOL_SOCKET, SO_REUSEPORT, 1);
	NEED(bind(other, (void *)&name, length) == 0 && listen(other, 1) == 0);
	NEED(setsockopt(from, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
	NEED(setsockopt(pair.client, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
	set(pair.server, SOL_SOCKET, geteuid() ? SO_SNDBUF : SO_SNDBUFFORCE, 10 << 20);
	for (size_t i = 0; i < COUNT(values); i++) {
		set(from, values[i].level, values[i].option, values[i].value);
		set(idle, values[i].level, values[i].option, values[i].value);
		if (values[i].connected)
			set(pair.client, values[i].level, values[i].option, values[i].value);
	}
	sizes[0] = option(pair.server, SOL_SOCKET, SO_SNDBUF);
	sizes[1] = option(pair.client, SOL_SOCKET, SO_RCVBUF);

	ready();
	wait_until_told();

	for (size_t i = 0; i < COUNT(values); i++) {
		char what[64];

		snprintf(what, sizeof(what), "%s of the listening", values[i].name);
		CHECK(what, values[i].value, option(from, values[i].level, values[i].option));
		snprintf(what, sizeof(what), "%s of the unconnected", values[i].name);
		CHECK(what, values[i].value, option(idle, values[i].level, values[i].option));
		if (!values[i].connected)
			continue;
		snprintf(what, sizeof(what), "%s of the connection", values[i].name);
		CHECK(what, values[i].value, option(pair.client, values[i].level, values[i].option));
	}
	CHECK("SO_REUSEADDR, unset", 0, option(pair.server, SOL_SOCKET, SO_REUSEADDR));
	check_congestion("the listening one's congestion control", from);
	check_congestion("the connection's congestion control", pair.client);
	CHECK("SO_SNDBUF", sizes[0], option(pair.server, SOL_SOCKET, SO_SNDBUF));
	CHECK("SO_RCVBUF", sizes[1], option(pair.client, SOL_SOCKET, SO_RCVBUF));
	CHECK("backlog", TCP_LISTEN, state_of(other));
	idle = socket(family, SOCK_STREAM, 0);
	set(idle, SOL_SOCKET, SO_REUSEPORT, 1);
	length = make_name(&name, port_of(other));
	CHECK("a second one at the port", 0, bind(idle, (void *)&name, length));
	CHECK("that listens", 0, listen(idle, 1));
	set(pair.client, SOL_SOCKET, SO_RCVLOWAT, 1);
	set(pair.client, IPPROTO_TCP, TCP_CORK, 0);
	finish_pair("with options", pair, 0, 0);
}

static struct pair shared;
static volatile bool stop;

static void *write_on(void *nothing)
{
	unsigned char piece[3000];
	size_t at = 0;

	(void)nothing;
	while (!stop) {
		fill(piece, sizeof(piece), at, 5);
		for (size_t done = 0; done < sizeof(piece);) {
			ssize_t put = send(shared.client, piece + done, sizeof(piece) - done, MSG_NOSIGNAL);

			if (put < 0 && errno == EINTR)
				continue;
			if (put <= 0) {
				fail("send gave %zd, errno %d", put, errno);
				return NULL;
			}
			done += (size_t)put;
		}
		at += sizeof(piece);
	}
	shutdown(shared.client, SHUT_WR);
	return (void *)at;
}

static void read_on(void *nothing)
{
	unsigned char got[2000], want[2000];
	size_t at = 0;
	ssize_t n;

	(void)nothing;
	child_is_ready();
	while ((n = recv(shared.server, got, sizeof(got), 0)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fail("recv: errno %d after %zu bytes", errno, at);
			return;
		}
		fill(want, (size_t)n, at, 5);
		check_bytes("the stream", want, got, (size_t)n);
		at += (size_t)n;
		if (failures)
			return;
	}
	n = send(shared.server, &at, sizeof(at), MSG_NOSIGNAL);
	CHECK("telling how many bytes came", sizeof(at), n);
}

static void test_shared(void)
{
	pthread_t writer;
	pid_t child;
	size_t got = 0;
	void *sent;

	shared = connect_pair(listener(1), 0);
	child = spawn(read_on, NULL);
	NEED(pthread_create(&writer, NULL, write_on, NULL) == 0);
	sleep_ms(50);

	ready();
	wait_until_told();

	stop = true;
	NEED(pthread_join(writer, &sent) == 0);
	CHECK("the answer", sizeof(got), recv(shared.client, &got, sizeof(got), MSG_WAITALL));
	CHECK("bytes", (size_t)sent, got);
	expect_exit("the reader", child, 0);
}

/* What one peer does not take must not keep the others from their echo. */
static void test_echo(void)
{
	struct pollfd all[64] = { { .fd = listener(64), .events = POLLIN } };
	struct {
		unsigned char bytes[1500];
		size_t count;
	} pieces[COUNT(all)] = { 0 };
	int closing[64], count_closing = 0;
	nfds_t count = 1;

	say("PORT %d", port_of(all[0].fd));
	ready();
	/* A connection is closed in the end only, so that there are some that are closing. */
	while (!told()) {
		if (poll(all, count, 2) <= 0)
			continue;
		for (nfds_t i = 1; i < count; i++) {
			ssize_t n;

			if (!all[i].revents)
				continue;
			if (!pieces[i].count) {
				n = recv(all[i].fd, pieces[i].bytes, sizeof(pieces[i].bytes), 0);
				if (n < 0)
					fail("recv: errno %d", errno);
				if (n <= 0) {
					shutdown(all[i].fd, SHUT_WR);
					closing[count_closing++] = all[i].fd;
					all[i] = all[--count];
					pieces[i--] = pieces[count];
					continue;
				}
				pieces[i].count = (size_t)n;
			}
			n = send(all[i].fd, pieces[i].bytes, pieces[i].count, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n < 0 && errno != EAGAIN && errno != EINTR) {
				fail("send: errno %d", errno);
				n = (ssize_t)pieces[i].count;
			}
			if (n > 0) {
				pieces[i].count -= (size_t)n;
				memmove(pieces[i].bytes, pieces[i].bytes + n, pieces[i].count);
			}
			all[i].events = pieces[i].count ? POLLOUT : POLLIN;
		}
		if (all[0].revents && count < COUNT(all)) {
			pieces[count].count = 0;
			all[count++] = (struct pollfd){ .fd = accept(all[0].fd, NULL, NULL), .events = POLLIN };
		}
	}
	while (count_closing)
		close(closing[--count_closing]);
}

/* What it closes has still to deliver most of its bytes. */
static void test_closes(void)
{
	int from = listener(1), fd;

	say("PORT %d", port_of(from));
	fd = accept(from, NULL, NULL);
	NEED(fd >= 0);
	NEED(send(fd, "00400000", 8, 0) == 8);
	set(fd, SOL_SOCKET, SO_SNDBUF, 1 << 20);
	NEED(stuff(fd, 400000, 1) == 400000);
	close(fd);

	ready();
	wait_until_told();

	CHECK("listening", TCP_LISTEN, state_of(from));
	finish_pair("a new one", connect_pair(from, 0), 0, 0);
}

static void test_connect(int port)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_storage name;
	socklen_t length = make_name(&name, port);
	struct pollfd writable = { .fd = fd, .events = POLLOUT };

	CHECK("connect", -1, connect(fd, (void *)&name, length));
	CHECK("errno", EINPROGRESS, errno);
	NEED(state_of(fd) == TCP_SYN_SENT);

	ready();
	wait_until_told();

	CHECK("flags", O_RDWR | O_NONBLOCK, fcntl(fd, F_GETFL));
	CHECK("connected in the end", 1, poll(&writable, 1, 20000));
	CHECK("error", 0, option(fd, SOL_SOCKET, SO_ERROR));
	CHECK("state", TCP_ESTABLISHED, state_of(fd));
	CHECK("send", 5, send(fd, "hello", 5, MSG_NOSIGNAL));
}

/* Has what its parent has. */
static void share(UNUSED void *nothing)
{
	child_is_ready();
	wait_until_told();
}

static void test_refused(const char *what)
{
	struct pair other;
	int from = listener(5);
	char byte;

	if (!strcmp(what, "multipath")) {
		int fd = socket(family, SOCK_STREAM, 262 /* IPPROTO_MPTCP */);

		if (fd < 0)
			skip("needs a kernel with MPTCP (CONFIG_MPTCP)");
		ready();
		wait_until_told();
		CHECK("protocol", 262, option(fd, SOL_SOCKET, SO_PROTOCOL));
		return;
	}
	if (!strcmp(what, "signed")) {
		struct sockaddr_storage name;
		struct tcp_md5sig key = { .tcpm_keylen = 5, .tcpm_key = "chalk" };

		make_name(&name, 0);
		memcpy(&key.tcpm_addr, &name, sizeof(key.tcpm_addr));
		if (setsockopt(from, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)))
			skip("needs a kernel with TCP_MD5SIG (CONFIG_TCP_MD5SIG)");
		ready();
		wait_until_told();
		CHECK("listening", TCP_LISTEN, state_of(from));
		return;
	}
	if (!strcmp(what, "saved"))
		set(from, IPPROTO_TCP, 27 /* TCP_SAVE_SYN */, 1);
	if (!strcmp(what, "waiting")) {
		struct sockaddr_storage name;
		socklen_t length = make_name(&name, port_of(from));
		pid_t child = spawn(share, NULL);
		int clients[3];

		for (size_t i = 0; i < COUNT(clients); i++) {
			clients[i] = socket(family, SOCK_STREAM, 0);
			NEED(connect(clients[i], (void *)&name, length) == 0);
		}
		say("PORT %d", port_of(from));
		ready();
		wait_until_told();
		for (size_t i = 0; i < COUNT(clients); i++) {
			other.server = accept(from, NULL, NULL);
			CHECK("send", 1, send(clients[i], "x", 1, MSG_NOSIGNAL));
			CHECK("recv", 1, recv(other.server, &byte, 1, 0));
		}
		expect_exit("who shares the listener", child, 0);
		return;
	}
	other = connect_pair(from, 0);
	NEED(send(other.client, "abc", 3, 0) == 3);
	if (!strcmp(what, "urgent")) {
		NEED(send(other.client, "!", 1, MSG_OOB) == 1);
		NEED(send(other.client, "def", 3, 0) == 3);
	} else if (!strcmp(what, "upper")) {
		if (setsockopt(other.server, IPPROTO_TCP, TCP_ULP, "tls", 3))
			skip("needs a kernel with TLS (CONFIG_TLS)");
	} else if (!strcmp(what, "error")) {
		/* What nobody has read when it is closed makes a reset of it. */
		NEED(send(other.server, "x", 1, 0) == 1);
		NEED(poll(&(struct pollfd){ .fd = other.client, .events = POLLIN }, 1, 20000) == 1);
		close(other.client);
		wait_until_tcp(other.server, TCP_CLOSE);
	} else if (!strcmp(what, "unread")) {
		NEED(shutdown(other.server, SHUT_WR) == 0);
		NEED(poll(&(struct pollfd){ .fd = other.client, .events = POLLIN }, 1, 20000) == 1);
		close(other.client);
		wait_until_tcp(other.server, TCP_CLOSE);
	}

	ready();
	wait_until_told();

	if (!strcmp(what, "error")) {
		CHECK("error", ECONNRESET, option(other.server, SOL_SOCKET, SO_ERROR));
		return;
	}
	CHECK("recv", 1, recv(other.server, &byte, 1, 0));
	CHECK("byte", 'a', byte);
	if (!strcmp(what, "urgent")) {
		CHECK("urgent", 1, recv(other.server, &byte, 1, MSG_OOB));
		CHECK("byte", '!', byte);
	} else if (!strcmp(what, "saved")) {
		char saved[200];
		socklen_t length = sizeof(saved);

		CHECK("TCP_SAVED_SYN", 0, getsockopt(other.server, IPPROTO_TCP, 28, saved, &length));
		check_between("its length", 40, 80, length);
	}
}

static void test_both(void)
{
	struct pair pair = connect_pair(listener(1), 0);
	char byte = 0;

	family = AF_INET6;
	address = "::1";
	test_connections();
	CHECK("byte sent over IPv4", 1, send(pair.client, "x", 1, 0));
	CHECK("byte received over IPv4", 1, recv(pair.server, &byte, 1, 0));
	CHECK("byte", 'x', byte);
}

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);

	begin(argc, argv);
	if (!strcmp(what, "closing")) {
		test_closing();
	} else if (!strcmp(what, "options")) {
		test_options();
	} else if (!strcmp(what, "shared")) {
		test_shared();
	} else if (!strcmp(what, "echo")) {
		test_echo();
	} else if (!strcmp(what, "both")) {
		test_both();
	} else if (!strcmp(what, "closes")) {
		test_closes();
	} else if (!strcmp(what, "connect")) {
		NEED(argc > 3);
		test_connect(atoi(argv[3]));
	} else if (strlen(what) > 2 && strcmp(what, "mapped")) {
		test_refused(what);
	} else {
		if (!strcmp(what, "v6")) {
			family = AF_INET6;
			address = "::1";
		} else if (!strcmp(what, "mapped")) {
			family = AF_INET6;
			address = "::ffff:127.0.0.1";
		}
		test_connections();
	}
	return verdict();
}
