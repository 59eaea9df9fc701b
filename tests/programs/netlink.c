/*
 * Netlink sockets: unbound, bound by themselves or to a port, with groups below and above 32,
 * connected, of both types, with options and a filter. `root`: also what only root may set.
 */
#include "program.h"
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static int make(int type, int protocol)
{
	int fd = socket(AF_NETLINK, type, protocol);

	NEED(fd >= 0);
	return fd;
}

static void set(int fd, int number, int value)
{
	NEED(setsockopt(fd, SOL_NETLINK, number, &value, sizeof(value)) == 0);
}

static int get(int fd, int level, int number)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, level, number, &value, &size) ? -errno : value;
}

static struct sockaddr_nl name_of(int fd, int (*call)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_nl name = { 0 };
	socklen_t size = sizeof(name);

	NEED(call(fd, (void *)&name, &size) == 0);
	return name;
}

/* Asks for the loopback device, and takes the answer and the acknowledgement. */
static void ask(const char *what, int fd)
{
	struct { struct nlmsghdr head; struct ifinfomsg info; } request = {
		{ sizeof(request), RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, 77, 0 }, { .ifi_index = 1 },
	};
	static char answer[16384];
	struct nlmsghdr *head = (void *)answer;

	CHECK(what, sizeof(request), send(fd, &request, sizeof(request), 0));
	check_between(what, 100, sizeof(answer), recv(fd, answer, sizeof(answer), 0));
	CHECK(what, RTM_NEWLINK, head->nlmsg_type);
	CHECK(what, 77, head->nlmsg_seq);
	check_between(what, 20, sizeof(answer), recv(fd, answer, sizeof(answer), 0));
	CHECK(what, NLMSG_ERROR, head->nlmsg_type);
}

int main(int argc, char **argv)
{
	bool root = !strcmp(variant(argc, argv), "root");
	struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	struct sock_filter none[] = { { BPF_RET | BPF_K, 0, 0, 0 } };
	struct sock_fprog program = { 1, none };
	int unbound, bound, grouped, connected, datagrams, filtered, size = 5000000;
	uint32_t groups[64] = { 0 }, got[64] = { 0 }, port, second;
	socklen_t length = sizeof(groups);

	begin(argc, argv);
	unbound = make(SOCK_RAW, NETLINK_ROUTE);
	bound = make(SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	name.nl_groups = 0;
	NEED(bind(bound, (void *)&name, sizeof(name)) == 0);
	port = name_of(bound, getsockname).nl_pid;
	CHECK("the port that the first is given", getpid(), port);
	grouped = make(SOCK_RAW, NETLINK_ROUTE);
	name.nl_groups = RTMGRP_LINK | RTMGRP_IPV6_ROUTE;
	NEED(bind(grouped, (void *)&name, sizeof(name)) == 0);
	second = name_of(grouped, getsockname).nl_pid;
	set(grouped, NETLINK_ADD_MEMBERSHIP, RTNLGRP_NSID);
	set(grouped, NETLINK_ADD_MEMBERSHIP, 34);
	NEED(getsockopt(grouped, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &length) == 0);
	set(grouped, NETLINK_PKTINFO, 1);
	set(grouped, NETLINK_BROADCAST_ERROR, 1);
	set(grouped, NETLINK_NO_ENOBUFS, 1);
	set(bound, NETLINK_CAP_ACK, 1);
	set(bound, NETLINK_EXT_ACK, 1);
	set(bound, NETLINK_GET_STRICT_CHK, 1);
	connected = make(SOCK_RAW, NETLINK_USERSOCK);
	name = (struct sockaddr_nl){ .nl_family = AF_NETLINK, .nl_pid = root ? 4711 : 0 };
	NEED(connect(connected, (void *)&name, sizeof(name)) == 0);
	datagrams = make(SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
	filtered = make(SOCK_RAW, NETLINK_ROUTE);
	NEED(setsockopt(filtered, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
	if (root) {
		set(grouped, NETLINK_LISTEN_ALL_NSID, 1);
		NEED(setsockopt(grouped, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) == 0);
	}
	size = get(grouped, SOL_SOCKET, SO_RCVBUF);

	ready();
	wait_until_told();

	CHECK("unbound", 0, name_of(unbound, getsockname).nl_pid);
	CHECK("port", port, name_of(bound, getsockname).nl_pid);
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(bound, F_GETFD));
	CHECK("O_NONBLOCK", O_NONBLOCK, fcntl(bound, F_GETFL) & O_NONBLOCK);
	CHECK("NETLINK_CAP_ACK", 1, get(bound, SOL_NETLINK, NETLINK_CAP_ACK));
	CHECK("NETLINK_EXT_ACK", 1, get(bound, SOL_NETLINK, NETLINK_EXT_ACK));
	CHECK("NETLINK_GET_STRICT_CHK", 1, get(bound, SOL_NETLINK, NETLINK_GET_STRICT_CHK));
	ask("bound", bound);
	ask("unbound", unbound);
	CHECK("another port", second, name_of(grouped, getsockname).nl_pid);
	CHECK("groups", RTMGRP_LINK | RTMGRP_IPV6_ROUTE | 1 << (RTNLGRP_NSID - 1),
	      name_of(grouped, getsockname).nl_groups);
	length = sizeof(got);
	CHECK("groups", 0, getsockopt(grouped, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, got, &length));
	check_bytes("all groups", groups, got, sizeof(groups));
	CHECK("NETLINK_PKTINFO", 1, get(grouped, SOL_NETLINK, NETLINK_PKTINFO));
	CHECK("NETLINK_BROADCAST_ERROR", 1, get(grouped, SOL_NETLINK, NETLINK_BROADCAST_ERROR));
	CHECK("NETLINK_NO_ENOBUFS", 1, get(grouped, SOL_NETLINK, NETLINK_NO_ENOBUFS));
	CHECK("NETLINK_LISTEN_ALL_NSID", root, get(grouped, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID));
	CHECK("SO_RCVBUF", size, get(grouped, SOL_SOCKET, SO_RCVBUF));
	CHECK("whom it sends to", root ? 4711 : 0, name_of(connected, getpeername).nl_pid);
	CHECK("SO_TYPE", SOCK_DGRAM, get(datagrams, SOL_SOCKET, SO_TYPE));
	CHECK("SO_TYPE", SOCK_RAW, get(unbound, SOL_SOCKET, SO_TYPE));
	struct { struct nlmsghdr head; struct ifinfomsg info; } request = {
		{ sizeof(request), RTM_GETLINK, NLM_F_REQUEST, 1, 0 }, { .ifi_index = 1 },
	};
	CHECK("asked through a filter", sizeof(request), send(filtered, &request, sizeof(request), 0));
	CHECK("no answer", -1, recv(filtered, &request, sizeof(request), MSG_DONTWAIT));
	return verdict();
}
