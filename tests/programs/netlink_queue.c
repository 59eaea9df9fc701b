/*
 * Messages that wait in netlink sockets: from sockets of the same process, of a child, closed ones and
 * the receiver itself, with credentials, long ones. `root` (in a network of its own): messages of the
 * kernel to groups, which may come back as an error that says that some were lost.
 */
#include "program.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <sys/socket.h>

#define LONG 40000

static char longer[LONG], text[LONG + 16];
static uint32_t from;
static struct ucred creds;

static int made(int protocol, uint32_t groups)
{
	struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	NEED(fd >= 0 && bind(fd, (void *)&name, sizeof(name)) == 0);
	return fd;
}

static uint32_t port_of(int fd)
{
	struct sockaddr_nl name;
	socklen_t size = sizeof(name);

	NEED(getsockname(fd, (void *)&name, &size) == 0);
	return name.nl_pid;
}

static void post(int fd, uint32_t port, const void *data, size_t size)
{
	struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_pid = port };

	NEED(sendto(fd, data, size, 0, (void *)&name, sizeof(name)) == (ssize_t)size);
}

static int take(int fd)
{
	struct iovec vector = { text, sizeof(text) };
	struct sockaddr_nl name = { 0 };
	char control[256];
	struct msghdr header = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &vector,
				 .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = sizeof(control) };
	int got = (int)recvmsg(fd, &header, MSG_DONTWAIT);

	from = name.nl_pid;
	memset(&creds, 0, sizeof(creds));
	if (got < 0)
		return -1;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_CREDENTIALS)
			memcpy(&creds, CMSG_DATA(part), sizeof(creds));
	}
	return got;
}

static void expect(const char *what, int fd, const void *data, size_t size, uint32_t port, pid_t pid)
{
	CHECK(what, size, take(fd));
	check_bytes(what, data, text, size);
	CHECK(what, port, from);
	if (pid) {
		CHECK(what, pid, creds.pid);
		CHECK(what, geteuid(), creds.uid);
		CHECK(what, getegid(), creds.gid);
	}
}

static void expect_empty(const char *what, int fd)
{
	errno = 0;
	CHECK(what, -1, take(fd));
	CHECK(what, EAGAIN, errno);
}

static uint32_t child_port, to_us;

static void live(void *argument)
{
	int fd = made(NETLINK_USERSOCK, 0);

	(void)argument;
	child_port = port_of(fd);
	post(fd, to_us, &child_port, sizeof(child_port));
	child_is_ready();
	wait_until_told();
	expect_empty("the child's", fd);
}

/* Gives the loopback device an address, or takes it. */
static void change(int fd, int type, int number)
{
	struct {
		struct nlmsghdr head;
		struct ifaddrmsg about;
		struct rtattr attribute;
		uint32_t address;
	} request = {
		{ sizeof(request), (uint16_t)type, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0 },
		{ AF_INET, 32, 0, RT_SCOPE_HOST, 1 },
		{ RTA_LENGTH(4), IFA_LOCAL },
		htonl(0x7f000900 + (uint32_t)number),
	};
	struct { struct nlmsghdr head; struct nlmsgerr error; char rest[512]; } answer;

	NEED(send(fd, &request, sizeof(request), 0) == sizeof(request));
	NEED(recv(fd, &answer, sizeof(answer), 0) > 0);
	NEED(answer.head.nlmsg_type == NLMSG_ERROR && answer.error.error == 0);
}

static int type_of(void)
{
	return ((struct nlmsghdr *)text)->nlmsg_type;
}

/* The next message that means something; -1 and errno. */
static int meaning(int fd)
{
	int got;

	do
		got = take(fd);
	while (got >= 0 && type_of() == NLMSG_NOOP);
	return got;
}

/* Two messages with one of ours in between, or the latter and that some were lost. */
static void check_group(const char *what, int fd, int silent, const void *data, size_t size, uint32_t port)
{
	int got = meaning(fd);

	if (got < 0 || type_of() != RTM_NEWADDR) {
		if (!silent) {
			CHECK(what, -1, got);
			CHECK(what, ENOBUFS, errno);
			got = meaning(fd);
		}
		CHECK(what, size, got);
		check_bytes(what, data, text, size);
		CHECK(what, port, from);
	} else {
		expect(what, fd, data, size, port, 0);
		check_between(what, 20, 1000, meaning(fd));
		CHECK(what, RTM_DELADDR, type_of());
	}
	errno = 0;
	CHECK(what, -1, meaning(fd));
	CHECK(what, EAGAIN, errno);
}

int main(int argc, char **argv)
{
	bool root = !strcmp(variant(argc, argv), "root");
	struct { struct nlmsghdr head; char data[8]; } own = {
		{ sizeof(own), 100, 0, 5, 0 }, "our own",
	};
	int receiver, sender, closed, plain, on = 1, grouped = -1, silent = -1, overrun = -1, asking = -1;
	int room, got_room, group = RTNLGRP_IPV4_IFADDR;
	uint32_t closed_port;
	socklen_t length = sizeof(room);
	pid_t child;

	begin(argc, argv);
	fill_pattern(longer, LONG, 5);
	receiver = made(NETLINK_USERSOCK, 0);
	NEED(setsockopt(receiver, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	to_us = port_of(receiver);
	sender = made(NETLINK_USERSOCK, 0);
	closed = made(NETLINK_USERSOCK, 0);
	closed_port = port_of(closed);
	post(sender, to_us, "first", 5);
	post(closed, to_us, longer, LONG);
	child = spawn(live, NULL);
	post(receiver, to_us, "self", 4);
	post(sender, to_us, "e", 1);
	post(closed, to_us, "last", 4);
	NEED(close(closed) == 0);
	plain = made(NETLINK_USERSOCK, 0);
	post(receiver, port_of(plain), "plain", 5);
	if (root) {
		struct sock_filter code[] = {
			{ BPF_LD | BPF_H | BPF_ABS, 0, 0, offsetof(struct nlmsghdr, nlmsg_type) },
			{ BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NLMSG_ERROR << 8 },
			{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, NLMSG_NOOP << 8 },
			{ BPF_RET | BPF_K, 0, 0, 0 },
			{ BPF_RET | BPF_K, 0, 0, 0xFFFFFFFF },
		};
		struct sock_fprog program = { COUNT(code), code };

		asking = made(NETLINK_ROUTE, 0);
		grouped = made(NETLINK_ROUTE, RTMGRP_IPV4_IFADDR);
		silent = made(NETLINK_ROUTE, RTMGRP_IPV4_IFADDR);
		NEED(setsockopt(grouped, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
		NEED(setsockopt(silent, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)) == 0);
		change(asking, RTM_NEWADDR, 1);
		post(asking, port_of(grouped), &own, sizeof(own));
		post(asking, port_of(silent), &own, sizeof(own));
		change(asking, RTM_DELADDR, 1);
		/* One that has been told that some were lost, and has not listened. */
		overrun = made(NETLINK_ROUTE, RTMGRP_IPV4_IFADDR);
		room = 0;
		NEED(setsockopt(overrun, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) == 0);
		NEED(setsockopt(grouped, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group)) == 0);
		NEED(setsockopt(silent, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group)) == 0);
		for (int i = 0; i < 10; i++)
			change(asking, i % 2 ? RTM_DELADDR : RTM_NEWADDR, 2);
		NEED(setsockopt(grouped, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0);
		NEED(setsockopt(silent, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0);
		NEED(getsockopt(grouped, SOL_SOCKET, SO_RCVBUF, &room, &length) == 0);
	}

	ready();
	wait_until_told();

	expect("first", receiver, "first", 5, port_of(sender), getpid());
	expect("long", receiver, longer, LONG, closed_port, getpid());
	CHECK("the child's", 4, take(receiver));
	memcpy(&child_port, text, 4);
	CHECK("the child's", child_port, from);
	CHECK("the child's", child, creds.pid);
	expect("from itself", receiver, "self", 4, to_us, getpid());
	expect("short", receiver, "e", 1, port_of(sender), getpid());
	expect("last", receiver, "last", 4, closed_port, getpid());
	expect_empty("receiver", receiver);
	expect("plain", plain, "plain", 5, to_us, 0);
	expect_empty("plain", plain);
	post(sender, to_us, "more", 4);
	expect("more", receiver, "more", 4, port_of(sender), getpid());
	expect_exit("child", child, 0);
	if (root) {
		NEED(getsockopt(grouped, SOL_SOCKET, SO_RCVBUF, &got_room, &length) == 0);
		CHECK("SO_RCVBUF", room, got_room);
		check_group("group", grouped, 0, &own, sizeof(own), port_of(asking));
		check_group("silent", silent, 1, &own, sizeof(own), port_of(asking));
		errno = 0;
		CHECK("overrun", -1, take(overrun));
		CHECK("overrun", ENOBUFS, errno);
		while (meaning(overrun) >= 0)
			check_between("overrun", RTM_NEWADDR, RTM_DELADDR, type_of());
		CHECK("overrun", EAGAIN, errno);
		own.head.nlmsg_type = NLMSG_NOOP;
		post(asking, port_of(grouped), &own, sizeof(own));
		expect_empty("what its filter drops", grouped);
		/* They hear again. */
		change(asking, RTM_NEWADDR, 20);
		for (int i = 0; i < 3; i++) {
			int fd = (int[]){ grouped, silent, overrun }[i];

			check_between("the next", 20, 1000, take(fd));
			CHECK("the next", RTM_NEWADDR, type_of());
			CHECK("whose", 0, from);
			expect_empty("no more", fd);
		}
	}
	return verdict();
}
