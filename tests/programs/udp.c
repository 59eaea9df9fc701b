/*
 * UDP and ICMP sockets: bound, connected, options of every level, groups with and without sources,
 * shut down, a group of SO_REUSEPORT, and datagrams that wait with who sent them. With `lite`:
 * UDP-Lite sockets, with datagrams that wait and how much of one has to be covered by its checksum.
 */
#include "program.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/in6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif
#define UDPLITE_SEND_CSCOV 10
#define UDPLITE_RECV_CSCOV 11
#define PIECES 40

struct option {
	const char *name;
	int level, number, value, reads;	/* what it reads as, if that is not the value; -1: 0 */
};

static const struct option both[] = {
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 77, 0 },
	{ "SO_MARK", SOL_SOCKET, SO_MARK, 0x4711, 0 },
	{ "SO_BROADCAST", SOL_SOCKET, SO_BROADCAST, 1, 0 },
	{ "SO_TIMESTAMPNS", SOL_SOCKET, SO_TIMESTAMPNS, 1, 0 },
	{ "SO_RXQ_OVFL", SOL_SOCKET, SO_RXQ_OVFL, 1, 0 },
	{ "SO_ZEROCOPY", SOL_SOCKET, 60, 1, 0 },
	{ "SO_RCVBUFFORCE", SOL_SOCKET, SO_RCVBUFFORCE, 3000000, -1 },
	{ "SO_SNDBUFFORCE", SOL_SOCKET, SO_SNDBUFFORCE, 9999, -1 },
	{ "IP_TOS", IPPROTO_IP, IP_TOS, 0x28, 0 },
	{ "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 3, 0 },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, 7, 0 },
	{ "IP_RECVTTL", IPPROTO_IP, IP_RECVTTL, 1, 0 },
	{ "IP_RECVTOS", IPPROTO_IP, IP_RECVTOS, 1, 0 },
	{ "IP_RECVERR", IPPROTO_IP, IP_RECVERR, 1, 0 },
	{ "IP_FREEBIND", IPPROTO_IP, IP_FREEBIND, 1, 0 },
	{ "IP_TRANSPARENT", IPPROTO_IP, IP_TRANSPARENT, 1, 0 },
	{ "IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, 0 },
	{ "IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL, 9, 0 },
	{ "IP_MULTICAST_LOOP", IPPROTO_IP, IP_MULTICAST_LOOP, 0, 0 },
	{ "IP_BIND_ADDRESS_NO_PORT", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, 0 },
	{ "IP_LOCAL_PORT_RANGE", IPPROTO_IP, 51, 60000 << 16 | 50000, 0 },
};
static const struct option ipv6[] = {
	{ "IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, 1, 0 },
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 13, 0 },
	{ "IPV6_MULTICAST_HOPS", IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 14, 0 },
	{ "IPV6_MULTICAST_IF", IPPROTO_IPV6, IPV6_MULTICAST_IF, 1, 0 },
	{ "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, 0x2c, 0 },
	{ "IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS, 1, 0 },
	{ "IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, 0 },
	{ "IPV6_RECVHOPLIMIT", IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, 0 },
	{ "IPV6_DONTFRAG", IPPROTO_IPV6, IPV6_DONTFRAG, 1, 0 },
	{ "IPV6_AUTOFLOWLABEL", IPPROTO_IPV6, 70, 0, 0 },
	{ "IPV6_MULTICAST_ALL", IPPROTO_IPV6, 29, 0, 0 },
	{ "IPV6_ADDR_PREFERENCES", IPPROTO_IPV6, 72, 0x402, 0 },
};
static const struct option udp[] = {
	{ "UDP_CORK", IPPROTO_UDP, UDP_CORK, 1, 0 },
	{ "UDP_SEGMENT", IPPROTO_UDP, 103, 1200, 0 },
	{ "UDP_GRO", IPPROTO_UDP, 104, 1, 0 },
	{ "UDP_NO_CHECK6_RX", IPPROTO_UDP, 102, 1, 0 },
};
static const unsigned char hop_options[8] = { 0, 0, 1, 4, 0, 0, 0, 0 };	/* PadN */
static const unsigned char ip_options[4] = { 1, 1, 1, 0 };		/* three NOPs, end */
static const struct sock_filter accept_long[] = {
	{ BPF_LD | BPF_W | BPF_LEN, 0, 0, 0 },
	{ BPF_JMP | BPF_JGT | BPF_K, 0, 1, 8 + 100 },
	{ BPF_RET | BPF_K, 0, 0, 0xffff },
	{ BPF_RET | BPF_K, 0, 0, 0 },
};

static int make(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);

	NEED(fd >= 0);
	return fd;
}

static void set(int fd, const struct option *options, size_t count)
{
	for (const struct option *o = options; o < options + count; o++)
		NEED(setsockopt(fd, o->level, o->number, &o->value, sizeof(int)) == 0);
}

static int get(int fd, int level, int number)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, level, number, &value, &size) ? -errno : value;
}

static void look(int fd, const struct option *options, size_t count)
{
	for (const struct option *o = options; o < options + count; o++)
		if (o->reads >= 0)
			CHECK(o->name, o->value, get(fd, o->level, o->number));
}

static struct sockaddr_in name4(const char *address, int port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	NEED(inet_pton(AF_INET, address, &name.sin_addr) == 1);
	return name;
}

static struct sockaddr_in6 name6(const char *address, int port)
{
	struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	NEED(inet_pton(AF_INET6, address, &name.sin6_addr) == 1);
	return name;
}

static int bound4(int type, int protocol, const char *address)
{
	int fd = make(AF_INET, type, protocol);
	struct sockaddr_in name = name4(address, 0);

	NEED(bind(fd, (void *)&name, sizeof(name)) == 0);
	return fd;
}

static int bound6(int protocol, const char *address)
{
	int fd = make(AF_INET6, SOCK_DGRAM, protocol);
	struct sockaddr_in6 name = name6(address, 0);

	NEED(bind(fd, (void *)&name, sizeof(name)) == 0);
	return fd;
}

static struct sockaddr_in6 name_of(int fd)
{
	struct sockaddr_in6 name = { 0 };
	socklen_t size = sizeof(name);

	NEED(getsockname(fd, (void *)&name, &size) == 0);
	return name;
}

static int port_of(int fd)
{
	return ntohs(name_of(fd).sin6_port);	/* at the same place for IPv4 */
}

static void send_to(int from, int to, const void *data, size_t size)
{
	struct sockaddr_in6 name = name_of(to);
	socklen_t length = name.sin6_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(name);

	NEED(sendto(from, data, size, 0, (void *)&name, length) == (ssize_t)size);
}

/* One datagram: from which port, and what it was sent to where that is told. */
static void take(const char *what, int fd, int from, const void *data, size_t size,
		 const char *destination)
{
	static char got[70000], control[512];
	struct sockaddr_in6 name = { 0 };
	struct iovec vector = { got, sizeof(got) };
	struct msghdr message = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &vector,
				  .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	char text[64] = "";

	CHECK(what, (long long)size, recvmsg(fd, &message, MSG_DONTWAIT));
	check_bytes(what, data, got, size);
	CHECK(what, from, ntohs(name.sin6_port));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			inet_ntop(AF_INET, &((struct in_pktinfo *)CMSG_DATA(c))->ipi_addr, text, 64);
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL)
			CHECK("its TTL", 5, *(int *)CMSG_DATA(c));
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			CHECK("its TOS", 0x10, *CMSG_DATA(c));
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			inet_ntop(AF_INET6, &((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_addr, text, 64);
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)
			CHECK("its hop limit", 6, *(int *)CMSG_DATA(c));
	}
	check_text(what, destination, text);
}

static void join(int fd, int level, void *name, size_t size, int source_too, void *source)
{
	struct group_source_req request = { .gsr_interface = 1 };

	memcpy(&request.gsr_group, name, size);
	if (source_too) {
		memcpy(&request.gsr_source, source, size);
		NEED(setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &request, sizeof(request)) == 0);
	} else {
		NEED(setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof(struct group_req)) == 0);
	}
}

static void check_joined(const char *what, int fd, int level, void *name, size_t size, int mode,
			 void *source)
{
	struct group_filter filter = { .gf_interface = 1, .gf_numsrc = 1 };
	socklen_t length = sizeof(filter);

	memcpy(&filter.gf_group, name, size);
	CHECK(what, 0, getsockopt(fd, level, MCAST_MSFILTER, &filter, &length));
	CHECK(what, mode, filter.gf_fmode);
	CHECK(what, source ? 1 : 0, filter.gf_numsrc);
	if (source)
		check_bytes(what, source, &filter.gf_slist[0], size);
}

static void cover(int fd, int number, int bytes)
{
	NEED(setsockopt(fd, IPPROTO_UDPLITE, number, &bytes, sizeof(bytes)) == 0);
}

static int lite(void)
{
	static char large[65507];
	int plain, dual, peer, strict, from, from6, ttl = 5, tos = 0x10, hops = 6, at = 5, on = 1;
	struct sockaddr_in other, mapped;
	struct sockaddr_in6 name;
	char text[64];
	socklen_t length;

	from = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	if (from < 0 && errno == EPROTONOSUPPORT)
		skip("this kernel has no UDP-Lite");
	NEED(from >= 0 && close(from) == 0);
	fill_pattern(large, sizeof(large) & ~7ul, 6);
	from = bound4(SOCK_DGRAM, IPPROTO_UDPLITE, "127.0.0.3");
	from6 = bound6(IPPROTO_UDPLITE, "::1");
	NEED(setsockopt(from, IPPROTO_IP, IP_TTL, &ttl, 4) == 0);
	NEED(setsockopt(from, IPPROTO_IP, IP_TOS, &tos, 4) == 0);
	NEED(setsockopt(from6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, 4) == 0);

	/* Every length from nothing on, odd ones too, and every part of one covered. */
	plain = bound4(SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDPLITE, "0.0.0.0");
	NEED(setsockopt(plain, IPPROTO_IP, IP_PKTINFO, &on, 4) == 0);
	NEED(setsockopt(plain, IPPROTO_IP, IP_RECVTTL, &on, 4) == 0);
	NEED(setsockopt(plain, IPPROTO_IP, IP_RECVTOS, &on, 4) == 0);
	send_to(from, plain, "first", 5);
	send_to(from, plain, large, sizeof(large));
	other = name4("127.9.9.9", port_of(plain));
	NEED(sendto(from, "elsewhere", 9, 0, (void *)&other, sizeof(other)) == 9);
	for (int i = 0; i < PIECES; i++) {
		cover(from, UDPLITE_SEND_CSCOV, 8 + i / 2);
		send_to(from, plain, large, (size_t)i);
	}
	cover(from, UDPLITE_SEND_CSCOV, 0);

	dual = bound6(IPPROTO_UDPLITE, "::");
	NEED(setsockopt(dual, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, 4) == 0);
	NEED(setsockopt(dual, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, 4) == 0);
	send_to(from6, dual, "six", 3);
	mapped = name4("127.0.0.1", port_of(dual));
	NEED(sendto(from, "four", 4, 0, (void *)&mapped, sizeof(mapped)) == 4);
	send_to(from6, dual, large, 60001);

	/* Filled, then connected to another peer, and asked to peek where it was. */
	peer = bound4(SOCK_DGRAM, IPPROTO_UDPLITE, "127.0.0.1");
	send_to(from, peer, "from before", 11);
	other = name4("127.0.0.1", port_of(plain));
	NEED(connect(peer, (void *)&other, sizeof(other)) == 0);
	NEED(setsockopt(peer, SOL_SOCKET, SO_PEEK_OFF, &at, 4) == 0);

	/* What it asks for now, the datagram that waits has not. */
	strict = bound4(SOCK_DGRAM, IPPROTO_UDPLITE, "127.0.0.1");
	cover(from, UDPLITE_SEND_CSCOV, 12);
	send_to(from, strict, "covered little", 14);
	cover(strict, UDPLITE_RECV_CSCOV, 20);
	cover(strict, UDPLITE_SEND_CSCOV, 21);
	send_to(from, strict, "dropped", 7);

	ready();
	wait_until_told();

	CHECK("O_NONBLOCK", O_NONBLOCK, fcntl(plain, F_GETFL) & O_NONBLOCK);
	CHECK("O_NONBLOCK of another", 0, fcntl(dual, F_GETFL) & O_NONBLOCK);
	CHECK("IP_PKTINFO of one that never asked for it", 0, get(peer, IPPROTO_IP, IP_PKTINFO));
	CHECK("SO_RCVBUF of a filled socket", get(from, SOL_SOCKET, SO_RCVBUF),
	      get(plain, SOL_SOCKET, SO_RCVBUF));
	CHECK("SO_BUF_LOCK of a filled socket", 0, get(plain, SOL_SOCKET, 72));
	struct timeval time = { 1, 1 };
	length = sizeof(time);
	CHECK("SO_RCVTIMEO", 0, getsockopt(dual, SOL_SOCKET, SO_RCVTIMEO, &time, &length));
	CHECK("SO_RCVTIMEO", 0, time.tv_sec + time.tv_usec);
	take("first", plain, port_of(from), "first", 5, "127.0.0.3");
	take("the largest", plain, port_of(from), large, sizeof(large), "127.0.0.3");
	take("to another address", plain, port_of(from), "elsewhere", 9, "127.9.9.9");
	for (int i = 0; i < PIECES; i++)
		take("one of many", plain, port_of(from), large, (size_t)i, "127.0.0.3");
	CHECK("no more", -1, recv(plain, text, sizeof(text), MSG_DONTWAIT));
	CHECK("errno", EAGAIN, errno);
	take("from IPv6", dual, port_of(from6), "six", 3, "::1");
	CHECK("from IPv4", 4, recv(dual, text, sizeof(text), MSG_DONTWAIT));
	check_bytes("from IPv4", "four", text, 4);
	take("a large one from IPv6", dual, port_of(from6), large, 60001, "::1");
	CHECK("SO_PEEK_OFF", 5, get(peer, SOL_SOCKET, SO_PEEK_OFF));
	CHECK("peeked", 6, recv(peer, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT));
	check_bytes("peeked", "before", text, 6);
	take("from before", peer, port_of(from), "from before", 11, "");
	length = sizeof(name);
	CHECK("connected", 0, getpeername(peer, (void *)&name, &length));
	CHECK("to", port_of(plain), ntohs(name.sin6_port));
	NEED(send(peer, "to the peer", 11, 0) == 11);
	CHECK("and back", 11, recv(plain, text, sizeof(text), 0));
	CHECK("UDPLITE_RECV_CSCOV", 20, get(strict, IPPROTO_UDPLITE, UDPLITE_RECV_CSCOV));
	CHECK("UDPLITE_SEND_CSCOV", 21, get(strict, IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV));
	CHECK("UDPLITE_SEND_CSCOV", 12, get(from, IPPROTO_UDPLITE, UDPLITE_SEND_CSCOV));
	take("from when little was asked for", strict, port_of(from), "covered little", 14, "");
	send_to(from, strict, "covered little", 14);
	cover(from, UDPLITE_SEND_CSCOV, 20);
	send_to(from, strict, "covered enough", 14);
	take("covered enough", strict, port_of(from), "covered enough", 14, "");
	CHECK("nothing else", -1, recv(strict, text, sizeof(text), MSG_DONTWAIT));
	return verdict();
}

int main(int argc, char **argv)
{
	static char large[65507], long_text[200];
	struct sockaddr_in group4 = name4("239.7.8.9", 0), source4 = name4("10.9.8.7", 0);
	struct sockaddr_in6 group6 = name6("ff05::4711", 0), source6 = name6("2001:db8::7", 0), name;
	struct sock_fprog program = { COUNT(accept_long), (void *)accept_long };
	int plain, sized, six, dual, sender, sender6, group, peer, quiet, half, closed, filtered,
		reuse[3], echo = -1, on = 1, off = 0, ttl = 5, tos = 0x10, hops = 6, buffers, uid;
	char text[64];
	socklen_t length;

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "lite"))
		return lite();
	fill_pattern(large, sizeof(large) & ~7ul, 5);
	memset(long_text, 'l', sizeof(long_text));
	sender = bound4(SOCK_DGRAM, 0, "127.0.0.3");
	sender6 = bound6(0, "::1");
	NEED(setsockopt(sender, IPPROTO_IP, IP_TTL, &ttl, 4) == 0);
	NEED(setsockopt(sender, IPPROTO_IP, IP_TOS, &tos, 4) == 0);
	NEED(setsockopt(sender6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, 4) == 0);

	/* Everything that can be set. */
	sized = make(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	set(sized, both, COUNT(both));
	NEED(setsockopt(sized, IPPROTO_IP, IP_OPTIONS, ip_options, 4) == 0);
	six = make(AF_INET6, SOCK_DGRAM, 0);
	set(six, both, COUNT(both));
	set(six, ipv6, COUNT(ipv6));
	set(six, udp, COUNT(udp));
	NEED(setsockopt(six, IPPROTO_IPV6, IPV6_HOPOPTS, hop_options, 8) == 0);
	NEED(setsockopt(six, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
	buffers = get(six, SOL_SOCKET, SO_RCVBUF);

	/* Datagrams in the queue: also large ones and empty ones, and from who has closed since. */
	plain = bound4(SOCK_DGRAM, 0, "0.0.0.0");
	NEED(setsockopt(plain, IPPROTO_IP, IP_PKTINFO, &on, 4) == 0);
	NEED(setsockopt(plain, IPPROTO_IP, IP_RECVTTL, &on, 4) == 0);
	NEED(setsockopt(plain, IPPROTO_IP, IP_RECVTOS, &on, 4) == 0);
	send_to(sender, plain, "first", 5);
	send_to(sender, plain, "", 0);
	send_to(sender, plain, large, sizeof(large));
	group4.sin_port = name4("0.0.0.0", port_of(plain)).sin_port;
	group4.sin_addr.s_addr = inet_addr("127.9.9.9");
	NEED(sendto(sender, "elsewhere", 9, 0, (void *)&group4, sizeof(group4)) == 9);
	group4 = name4("239.7.8.9", 0);
	for (int i = 0; i < PIECES; i++)
		send_to(sender, plain, large, (size_t)i);
	dual = bound6(0, "::");
	NEED(setsockopt(dual, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, 4) == 0);
	NEED(setsockopt(dual, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, 4) == 0);
	send_to(sender6, dual, "six", 3);
	source4 = name4("127.0.0.1", port_of(dual));
	NEED(sendto(sender, "four", 4, 0, (void *)&source4, sizeof(source4)) == 4);
	source4 = name4("10.9.8.7", 0);
	/* A socket that is filled and connected to another peer, and asked to peek where it was. */
	peer = bound4(SOCK_DGRAM, 0, "127.0.0.1");
	send_to(sender, peer, "from before", 11);
	name = name_of(sender6);
	length = sizeof(name);
	NEED(getsockname(plain, (void *)&name, &length) == 0);
	((struct sockaddr_in *)&name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	NEED(connect(peer, (void *)&name, sizeof(struct sockaddr_in)) == 0);
	NEED(setsockopt(peer, SOL_SOCKET, SO_PEEK_OFF, &ttl, 4) == 0);

	group = make(AF_INET6, SOCK_DGRAM, 0);
	join(group, IPPROTO_IP, &group4, sizeof(group4), 0, NULL);
	join(group, IPPROTO_IPV6, &group6, sizeof(group6), 1, &source6);
	quiet = bound4(SOCK_DGRAM, 0, "127.0.0.1");
	join(quiet, IPPROTO_IP, &group4, sizeof(group4), 1, &source4);
	NEED(setsockopt(quiet, IPPROTO_IP, IP_MULTICAST_ALL, &off, 4) == 0);

	half = bound4(SOCK_DGRAM, 0, "127.0.0.1");
	NEED(connect(half, (void *)&name, sizeof(struct sockaddr_in)) == 0 && !shutdown(half, SHUT_WR));
	closed = bound4(SOCK_DGRAM, 0, "127.0.0.1");
	NEED(shutdown(closed, SHUT_RDWR) == -1 && errno == ENOTCONN);

	filtered = bound4(SOCK_DGRAM, 0, "127.0.0.1");
	send_to(sender, filtered, "short, and there before the filter", 34);
	NEED(setsockopt(filtered, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);

	reuse[0] = make(AF_INET, SOCK_DGRAM, 0);
	name = (struct sockaddr_in6){ 0 };
	*(struct sockaddr_in *)&name = name4("127.0.0.5", 0);
	for (int i = 0; i < 3; i++) {
		if (i)
			reuse[i] = make(AF_INET, SOCK_DGRAM, 0);
		NEED(setsockopt(reuse[i], SOL_SOCKET, SO_REUSEPORT, &on, 4) == 0);
		NEED(bind(reuse[i], (void *)&name, sizeof(struct sockaddr_in)) == 0);
		name = name_of(reuse[0]);
		send_to(sender, reuse[0], "to one of them", 14);
	}
	echo = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);	/* sysctl net.ipv4.ping_group_range */
	if (echo >= 0) {
		struct sockaddr_in ident = name4("127.0.0.1", 4242);

		NEED(bind(echo, (void *)&ident, sizeof(ident)) == 0);
	}
	uid = geteuid() == 0 ? 4711 : (int)geteuid();
	NEED(fchown(closed, (uid_t)uid, (gid_t)-1) == 0);

	ready();
	wait_until_told();

	look(sized, both, COUNT(both));
	CHECK("O_NONBLOCK", O_NONBLOCK, fcntl(sized, F_GETFL) & O_NONBLOCK);
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(sized, F_GETFD));
	CHECK("SO_RCVBUF", buffers, get(sized, SOL_SOCKET, SO_RCVBUF));
	CHECK("SO_SNDBUF", 2 * 9999, get(sized, SOL_SOCKET, SO_SNDBUF));
	CHECK("SO_BUF_LOCK", 3, get(sized, SOL_SOCKET, 72));
	CHECK("the port of an unbound socket", 0, port_of(sized));
	length = sizeof(text);
	CHECK("IP_OPTIONS", 0, getsockopt(sized, IPPROTO_IP, IP_OPTIONS, text, &length));
	CHECK("their length", 4, length);
	check_bytes("IP_OPTIONS", ip_options, text, 4);
	look(six, both, COUNT(both));
	look(six, ipv6, COUNT(ipv6));
	look(six, udp, COUNT(udp));
	length = sizeof(text);
	CHECK("SO_BINDTODEVICE", 0, getsockopt(six, SOL_SOCKET, SO_BINDTODEVICE, text, &length));
	check_text("SO_BINDTODEVICE", "lo", text);
	length = sizeof(text);
	CHECK("IPV6_HOPOPTS", 0, getsockopt(six, IPPROTO_IPV6, IPV6_HOPOPTS, text, &length));
	CHECK("their length", 8, length);
	check_bytes("IPV6_HOPOPTS", hop_options, text, 8);

	take("first", plain, port_of(sender), "first", 5, "127.0.0.3");
	take("an empty one", plain, port_of(sender), "", 0, "127.0.0.3");
	take("the largest", plain, port_of(sender), large, sizeof(large), "127.0.0.3");
	take("to another address", plain, port_of(sender), "elsewhere", 9, "127.9.9.9");
	for (int i = 0; i < PIECES; i++)
		take("one of many", plain, port_of(sender), large, (size_t)i, "127.0.0.3");
	CHECK("no more", -1, recv(plain, text, sizeof(text), MSG_DONTWAIT));
	CHECK("SO_RCVBUF of a filled socket", get(closed, SOL_SOCKET, SO_RCVBUF),
	      get(plain, SOL_SOCKET, SO_RCVBUF));
	CHECK("SO_BUF_LOCK of a filled socket", 0, get(plain, SOL_SOCKET, 72));
	take("from IPv6", dual, port_of(sender6), "six", 3, "::1");
	CHECK("from IPv4", 4, recv(dual, text, sizeof(text), MSG_DONTWAIT));
	check_bytes("from IPv4", "four", text, 4);
	CHECK("UDP_NO_CHECK6_RX of a filled socket", 0, get(dual, IPPROTO_UDP, 102));
	CHECK("SO_PEEK_OFF", 5, get(peer, SOL_SOCKET, SO_PEEK_OFF));
	CHECK("peeked", 6, recv(peer, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT));
	check_bytes("peeked", "before", text, 6);
	take("from before", peer, port_of(sender), "from before", 11, "");
	length = sizeof(name);
	CHECK("connected", 0, getpeername(peer, (void *)&name, &length));
	CHECK("to", port_of(plain), ntohs(name.sin6_port));
	NEED(send(peer, "to the peer", 11, 0) == 11);
	CHECK("and back", 11, recv(plain, text, sizeof(text), 0));
	send_to(sender, peer, "not the peer", 12);
	CHECK("from others", -1, recv(peer, text, sizeof(text), MSG_DONTWAIT));

	check_joined("joined", group, IPPROTO_IP, &group4, sizeof(group4), MCAST_EXCLUDE, NULL);
	check_joined("joined", group, IPPROTO_IPV6, &group6, sizeof(group6), MCAST_INCLUDE, &source6);
	check_joined("joined", quiet, IPPROTO_IP, &group4, sizeof(group4), MCAST_INCLUDE, &source4);
	CHECK("IP_MULTICAST_ALL", 0, get(quiet, IPPROTO_IP, IP_MULTICAST_ALL));

	CHECK("sending when shut down", -1, send(half, "x", 1, MSG_NOSIGNAL));
	CHECK("errno", EPIPE, errno);
	CHECK("receiving nothing", -1, recv(half, text, 1, MSG_DONTWAIT));
	CHECK("errno", EAGAIN, errno);
	struct pollfd poll_closed = { closed, POLLHUP | POLLRDHUP, 0 };
	CHECK("poll", 1, poll(&poll_closed, 1, 0));
	CHECK("POLLHUP", POLLHUP, poll_closed.revents & POLLHUP);

	take("from before the filter", filtered, port_of(sender), "short, and there before the filter",
	     34, "");
	send_to(sender, filtered, "short", 5);
	send_to(sender, filtered, long_text, sizeof(long_text));
	take("past the filter", filtered, port_of(sender), long_text, sizeof(long_text), "");

	on = 0;
	for (int i = 0; i < 3; i++) {
		CHECK("SO_REUSEPORT", 1, get(reuse[i], SOL_SOCKET, SO_REUSEPORT));
		CHECK("the same port", port_of(reuse[0]), port_of(reuse[i]));
		while (recv(reuse[i], text, sizeof(text), MSG_DONTWAIT) == 14)
			on++;
	}
	CHECK("all that was sent to one of three", 3, on);
	if (echo >= 0)
		CHECK("the id of echo requests", 4242, port_of(echo));
	struct stat stat;
	NEED(fstat(closed, &stat) == 0);
	CHECK("whose socket it is", uid, stat.st_uid);
	return verdict();
}
