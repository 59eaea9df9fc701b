/*
 * Data that is collected for one packet and not sent yet: UDP of IPv4 and IPv6, with MSG_MORE and
 * UDP_CORK, connected and not, with a source, TTL and traffic class of its own, long, in segments; with
 * `root` raw sockets, too.
 */
#include "program.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#define LONG 60000
#define SO_MARK_ 36
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static union {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
} to, from;
static socklen_t size;
static char longer[LONG + 8], text[LONG + 4096];
static int got_ttl, got_tos, room = 1 << 20;

static void address(const char *host, int port)
{
	memset(&to, 0, sizeof(to));
	if (strchr(host, ':')) {
		to.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = (uint16_t)port };
		NEED(inet_pton(AF_INET6, host, &to.v6.sin6_addr) == 1);
		size = sizeof(to.v6);
	} else {
		to.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = (uint16_t)port };
		NEED(inet_pton(AF_INET, host, &to.v4.sin_addr) == 1);
		size = sizeof(to.v4);
	}
}

static int made(const char *host)
{
	int fd;

	address(host, 0);
	fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	NEED(fd >= 0 && bind(fd, &to.any, size) == 0);
	NEED(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
	return fd;
}

static int receiver(const char *host)
{
	int fd = made(host), on = 1;

	NEED(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) == 0);
	if (strchr(host, ':')) {
		NEED(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on)) == 0);
		NEED(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on)) == 0);
	} else {
		NEED(setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)) == 0);
		NEED(setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)) == 0);
	}
	return fd;
}

static int port_of(int fd)
{
	size = sizeof(to);
	NEED(getsockname(fd, &to.any, &size) == 0);
	return to.any.sa_family == AF_INET6 ? to.v6.sin6_port : to.v4.sin_port;
}

static void collect(int fd, const char *host, int port, const void *data, size_t length, int flags)
{
	address(host, port);
	NEED(sendto(fd, data, length, flags, &to.any, size) == (ssize_t)length);
}

/* The same with control messages of a level, two numbers each. */
static void collect_as(int fd, const char *host, int port, const void *data, size_t length, int level,
		       int count, const int *pairs)
{
	struct iovec vector = { (void *)(uintptr_t)data, length };
	char control[256] = { 0 };
	struct msghdr header = { .msg_name = &to, .msg_iov = &vector, .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = (size_t)count * CMSG_SPACE(sizeof(int)) };
	struct cmsghdr *part = CMSG_FIRSTHDR(&header);

	address(host, port);
	header.msg_namelen = size;
	for (int i = 0; i < count; i++, part = CMSG_NXTHDR(&header, part)) {
		part->cmsg_level = level;
		part->cmsg_type = pairs[2 * i];
		part->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(part), pairs + 2 * i + 1, sizeof(int));
	}
	NEED(sendmsg(fd, &header, MSG_MORE) == (ssize_t)length);
}

/* From a socket of 127.0.0.3, whatever it is bound to. */
static void collect_from(int fd, int port, const char *data)
{
	struct iovec vector = { (void *)(uintptr_t)data, strlen(data) };
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(0x7f000003) };
	char control[CMSG_SPACE(sizeof(info))] = { 0 };
	struct msghdr header = { .msg_name = &to, .msg_iov = &vector, .msg_iovlen = 1,
				 .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *part = CMSG_FIRSTHDR(&header);

	address("127.0.0.1", port);
	header.msg_namelen = size;
	part->cmsg_level = IPPROTO_IP;
	part->cmsg_type = IP_PKTINFO;
	part->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(part), &info, sizeof(info));
	NEED(sendmsg(fd, &header, MSG_MORE) == (ssize_t)strlen(data));
}

static void expect(const char *what, int fd, const void *data, size_t length)
{
	struct iovec vector = { text, sizeof(text) };
	char control[512];
	struct msghdr header = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &vector,
				 .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(fd, &header, MSG_DONTWAIT);

	got_ttl = got_tos = -1;
	CHECK(what, length, got);
	if (got != (ssize_t)length)
		return;
	check_bytes(what, data, text, length);
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
		if (part->cmsg_level == IPPROTO_IPV6)
			memcpy(part->cmsg_type == IPV6_HOPLIMIT ? &got_ttl : &got_tos, CMSG_DATA(part), 4);
		else if (part->cmsg_type == IP_TTL)
			memcpy(&got_ttl, CMSG_DATA(part), 4);
		else if (part->cmsg_type == IP_TOS)
			got_tos = *CMSG_DATA(part);
	}
}

static void finish(const char *what, int fd, const char *rest)
{
	CHECK(what, strlen(rest), send(fd, rest, strlen(rest), 0));
}

static const int ways[] = { IP_TTL, 9, IP_TOS, 0x28 };
static const int ways6[] = { IPV6_HOPLIMIT, 9, IPV6_TCLASS, 0x28 };

int main(int argc, char **argv)
{
	bool root = !strcmp(variant(argc, argv), "root"), v6;
	int four, plain, cork, connected, way, source, empty, big, on = 1, off = 0, port, segments, pieces = 400;
	int six = -1, plain6 = -1, way6 = -1, big6 = -1, mapped = -1, marked = -1, raw = -1, raw6 = -1;
	int in = -1, in6 = -1, port6 = 0, twice;

	begin(argc, argv);
	v6 = access("/proc/sys/net/ipv6", F_OK) == 0;
	if (v6) {
		int fd = socket(AF_INET6, SOCK_DGRAM, 0);

		address("::1", 0);
		v6 = fd >= 0 && bind(fd, &to.any, size) == 0;
		close(fd);
	}
	fill_pattern(longer, LONG, 3);
	four = receiver("127.0.0.1");
	port = port_of(four);
	plain = made("127.0.0.2");
	collect(plain, "127.0.0.1", port, "half", 4, MSG_MORE);
	collect(plain, "127.0.0.1", port, "-way", 4, MSG_MORE);
	cork = made("127.0.0.1");
	NEED(setsockopt(cork, IPPROTO_UDP, UDP_CORK, &on, sizeof(on)) == 0);
	collect(cork, "127.0.0.1", port, "corked", 6, 0);
	connected = made("127.0.0.1");
	address("127.0.0.1", port);
	NEED(connect(connected, &to.any, size) == 0 && send(connected, "con", 3, MSG_MORE) == 3);
	way = made("127.0.0.1");
	collect_as(way, "127.0.0.1", port, "way", 3, IPPROTO_IP, 2, ways);
	source = made("0.0.0.0");
	collect_from(source, port, "from three");
	empty = made("127.0.0.1");
	collect(empty, "127.0.0.1", port, "", 0, MSG_MORE);
	big = made("127.0.0.1");
	collect(big, "127.0.0.1", port, longer, 1000, MSG_MORE);
	collect(big, "127.0.0.1", port, longer + 1000, LONG - 1000, MSG_MORE);
	/* One option for all, and another for this one. */
	segments = made("127.0.0.1");
	NEED(setsockopt(segments, IPPROTO_UDP, UDP_SEGMENT, &pieces, sizeof(pieces)) == 0);
	collect(segments, "127.0.0.1", port, longer, 900, MSG_MORE);
	twice = dup(plain);
	if (v6) {
		six = receiver("::1");
		port6 = port_of(six);
		plain6 = made("::1");
		collect(plain6, "::1", port6, "six", 3, MSG_MORE);
		way6 = made("::1");
		collect_as(way6, "::1", port6, "way", 3, IPPROTO_IPV6, 2, ways6);
		big6 = made("::");
		collect(big6, "::1", port6, longer, LONG, MSG_MORE);
		mapped = made("::");
		collect(mapped, "::ffff:127.0.0.1", port, "mapped", 6, MSG_MORE);
	}
	if (root) {
		int mark[2] = { SO_MARK_, 77 };

		marked = made("127.0.0.1");
		collect_as(marked, "127.0.0.1", port, "marked", 6, SOL_SOCKET, 1, mark);
		raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 253);
		in = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 253);
		address("127.0.0.1", 0);
		NEED(raw >= 0 && in >= 0 && connect(raw, &to.any, size) == 0);
		NEED(send(raw, "raw", 3, MSG_MORE) == 3);
		if (v6) {
			raw6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 253);
			in6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 253);
			NEED(raw6 >= 0 && in6 >= 0);
			collect(raw6, "::1", 0, "raw6", 4, MSG_MORE);
		}
	}

	ready();
	wait_until_told();

	CHECK("nothing came", -1, recv(four, text, sizeof(text), MSG_DONTWAIT));
	/* Where it goes is said by the first call: the others say what they like. */
	collect(twice, "127.0.0.1", port, " there", 6, 0);
	expect("plain", four, "half-way there", 14);
	CHECK("its source", htonl(0x7f000002), from.v4.sin_addr.s_addr);
	size = sizeof(to);
	NEED(getsockname(plain, &to.any, &size) == 0);
	CHECK("its port", to.v4.sin_port, from.v4.sin_port);
	CHECK("its usual TTL", 64, got_ttl);
	CHECK("uncorked", 0, setsockopt(cork, IPPROTO_UDP, UDP_CORK, &off, sizeof(off)));
	expect("corked", four, "corked", 6);
	finish("connected", connected, "nected");
	expect("connected", four, "connected", 9);
	collect(way, "127.0.0.1", port, "s", 1, 0);
	expect("ways", four, "ways", 4);
	CHECK("TTL", 9, got_ttl);
	CHECK("TOS", 0x28, got_tos);
	collect(source, "127.0.0.1", port, "", 0, 0);
	expect("source", four, "from three", 10);
	CHECK("source", htonl(0x7f000003), from.v4.sin_addr.s_addr);
	collect(empty, "127.0.0.1", port, "", 0, 0);
	expect("empty", four, "", 0);
	collect(big, "127.0.0.1", port, "end", 3, 0);
	memcpy(longer + LONG, "end", 3);
	expect("big", four, longer, LONG + 3);
	collect(segments, "127.0.0.1", port, longer + 900, 100, 0);
	expect("segment", four, longer, 400);
	expect("segment", four, longer + 400, 400);
	expect("segment", four, longer + 800, 200);
	if (v6) {
		collect(plain6, "::1", port6, "th", 2, 0);
		expect("IPv6", six, "sixth", 5);
		CHECK("IPv6, its hop limit", 64, got_ttl);
		collect(way6, "::1", port6, "s", 1, 0);
		expect("IPv6, ways", six, "ways", 4);
		CHECK("hop limit", 9, got_ttl);
		CHECK("traffic class", 0x28, got_tos);
		collect(big6, "::1", port6, "end", 3, 0);
		expect("IPv6, big", six, longer, LONG + 3);
		collect(mapped, "::ffff:127.0.0.1", port, "!", 1, 0);
		expect("mapped", four, "mapped!", 7);
	}
	if (root) {
		collect(marked, "127.0.0.1", port, "!", 1, 0);
		expect("marked", four, "marked!", 7);
		finish("raw", raw, "!");
		CHECK("raw", 24, recv(in, text, sizeof(text), MSG_DONTWAIT));
		check_bytes("raw", "raw!", text + 20, 4);
		if (v6) {
			collect(raw6, "::1", 0, "!", 1, 0);
			CHECK("raw of IPv6", 5, recv(in6, text, sizeof(text), MSG_DONTWAIT));
			check_bytes("raw of IPv6", "raw6!", text, 5);
		}
	}
	CHECK("no more", -1, recv(four, text, sizeof(text), MSG_DONTWAIT));
	return verdict();
}
