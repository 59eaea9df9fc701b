/*
 * Sockets in states that nobody can carry: `corked` data of a raw socket, which may go anywhere, an
 * unread `error`, one in the `errqueue`, a packet socket's (`packet-error`), `numbered` timestamps, a filter of extended `bpf`, control
 * messages with a waiting datagram (`control`), an answer of `netlink` that nobody has received, a
 * message to a group (`multicast`), the ring of a packet socket that is closed (`ring`) or mapped
 * privately (`copied-ring`), one of another network `namespace`, of another family (`vsock`) or
 * protocol (`mptcp`). One that `listens` for a netlink message of the test's.
 */
#include "program.h"
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#ifndef SO_TIMESTAMPING
#define SO_TIMESTAMPING 37
#endif
#define OPT_ID (1 << 7)

static int fd = -1, receiver = -1;

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int bound(void)
{
	struct sockaddr_in name = loopback(0);
	int made = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	NEED(made >= 0 && bind(made, (void *)&name, sizeof(name)) == 0);
	return made;
}

static void connect_to(int from, int to)
{
	struct sockaddr_in name;
	socklen_t size = sizeof(name);

	NEED(getsockname(to, (void *)&name, &size) == 0);
	NEED(connect(from, (void *)&name, sizeof(name)) == 0);
}

static void attach_bpf(void)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = COUNT(code),
				.insns = (uintptr_t)code, .license = (uintptr_t)"GPL" };
	int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	if (program < 0) {
		say("SKIP: BPF programs cannot be loaded here: %s", strerror(errno));
		_exit(77);
	}
	NEED(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) == 0);
	close(program);
}

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);
	int on = 1, value = 0;
	socklen_t size = sizeof(value);
	char text[64];
	void *mapped = NULL;

	begin(argc, argv);
	receiver = bound();
	fd = bound();
	connect_to(fd, receiver);
	if (!strcmp(what, "corked")) {
		struct sockaddr_in to = loopback(0);

		close(fd);
		fd = socket(AF_INET, SOCK_RAW, 253);
		close(receiver);
		receiver = socket(AF_INET, SOCK_RAW, 253);
		NEED(fd >= 0 && receiver >= 0);
		NEED(sendto(fd, "half", 4, MSG_MORE, (void *)&to, sizeof(to)) == 4);
	} else if (!strcmp(what, "errqueue")) {
		struct pollfd wait = { fd, 0, 0 };

		close(receiver);
		receiver = -1;
		NEED(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) == 0);
		NEED(send(fd, "to nobody", 9, 0) == 9 && poll(&wait, 1, 10000) == 1);
		/* The error itself is taken, and what belongs to it stays. */
		NEED(getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size) == 0);
		NEED(value == ECONNREFUSED && poll(&wait, 1, 0) == 1);
	} else if (!strcmp(what, "error")) {
		struct pollfd wait = { fd, 0, 0 };

		close(receiver);
		receiver = -1;
		NEED(send(fd, "to nobody", 9, 0) == 9 && poll(&wait, 1, 10000) == 1);
	} else if (!strcmp(what, "numbered")) {
		value = OPT_ID | 0x12;
		NEED(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &value, sizeof(value)) == 0);
	} else if (!strcmp(what, "bpf")) {
		attach_bpf();
	} else if (!strcmp(what, "control")) {
		NEED(setsockopt(receiver, IPPROTO_IP, IP_RECVORIGDSTADDR, &on, sizeof(on)) == 0);
		NEED(send(fd, "with its destination", 20, 0) == 20);
	} else if (!strcmp(what, "netlink")) {
		struct { struct nlmsghdr head; struct ifinfomsg info; } request = {
			{ sizeof(request), RTM_GETLINK, NLM_F_REQUEST, 1, 0 }, { .ifi_index = 1 },
		};

		close(fd);
		fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
		NEED(fd >= 0 && send(fd, &request, sizeof(request), 0) == sizeof(request));
	} else if (!strcmp(what, "multicast") || !strcmp(what, "listens")) {
		struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_groups = 1 << 30 };

		close(fd);
		close(receiver);
		fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
		receiver = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
		if (!strcmp(what, "listens")) {
			size = sizeof(name);
			name.nl_groups = 0;
			NEED(bind(fd, (void *)&name, sizeof(name)) == 0);
			NEED(getsockname(fd, (void *)&name, &size) == 0);
			say("%u", name.nl_pid);
			size = sizeof(value);
		} else {
			NEED(bind(fd, (void *)&name, sizeof(name)) == 0);
			/* It goes to the kernel as well, which does not take it: that is no matter. */
			if (sendto(receiver, "to all", 6, 0, (void *)&name, sizeof(name)) != 6)
				NEED(errno == ECONNREFUSED);
			NEED(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 10000) == 1);
		}
	} else if (!strcmp(what, "packet-error")) {
		/* The time at which a packet was sent: for nobody, of a protocol for experiments. */
		struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b5),
					  .sll_ifindex = 1, .sll_halen = 6 };

		close(fd);
		fd = socket(AF_PACKET, SOCK_DGRAM, 0);
		value = 1 << 1 | 1 << 4; /* SOF_TIMESTAMPING_TX_SOFTWARE, SOF_TIMESTAMPING_SOFTWARE */
		NEED(fd >= 0);
		NEED(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &value, sizeof(value)) == 0);
		NEED(sendto(fd, "when", 4, 0, (void *)&to, sizeof(to)) == 4);
		NEED(poll(&(struct pollfd){ fd, 0, 0 }, 1, 10000) == 1);
	} else if (!strcmp(what, "ring") || !strcmp(what, "copied-ring")) {
		struct tpacket_req ring = { 4096, 2, 2048, 4 };

		close(fd);
		fd = socket(AF_PACKET, SOCK_RAW, 0);
		NEED(fd >= 0);
		NEED(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)) == 0);
		mapped = mmap(NULL, 8192, PROT_READ, *what == 'r' ? MAP_SHARED : MAP_PRIVATE, fd, 0);
		NEED(mapped != MAP_FAILED);
		if (*what == 'r') {
			close(fd);
			fd = receiver;
		}
	} else if (!strcmp(what, "namespace")) {
		int before = open("/proc/self/ns/net", O_RDONLY);

		NEED(before >= 0 && unshare(CLONE_NEWNET) == 0);
		close(fd);
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		NEED(fd >= 0 && setns(before, CLONE_NEWNET) == 0 && close(before) == 0);
	} else {
		close(fd);
		fd = !strcmp(what, "vsock") ? socket(AF_VSOCK, SOCK_STREAM, 0) :
					      socket(AF_INET, SOCK_STREAM, 262);
		if (fd < 0) {
			say("SKIP: no such sockets here: %s", strerror(errno));
			return 77;
		}
	}
	ready();
	wait_until_told();

	if (!strcmp(what, "corked")) {
		struct sockaddr_in to = loopback(0);

		CHECK("the rest", 4, sendto(fd, " all", 4, 0, (void *)&to, sizeof(to)));
		CHECK("both", 28, recv(receiver, text, sizeof(text), 0));
		check_bytes("both", "half all", text + 20, 8);
	} else if (!strcmp(what, "errqueue")) {
		struct iovec vector = { text, sizeof(text) };
		struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };

		CHECK("what was sent", 9, recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT));
		check_bytes("what was sent", "to nobody", text, 9);
	} else if (!strcmp(what, "error")) {
		CHECK("SO_ERROR", 0, getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size));
		CHECK("SO_ERROR", ECONNREFUSED, value);
	} else if (!strcmp(what, "control")) {
		CHECK("the datagram", 20, recv(receiver, text, sizeof(text), MSG_DONTWAIT));
		size = sizeof(value);
		CHECK("SO_PEEK_OFF", 0, getsockopt(receiver, SOL_SOCKET, SO_PEEK_OFF, &value, &size));
		CHECK("SO_PEEK_OFF", -1, value);
	} else if (!strcmp(what, "netlink")) {
		CHECK("an answer", 64, recv(fd, text, sizeof(text), MSG_DONTWAIT));
	} else if (mapped) {
		check_filled("the ring", mapped, 0, 8192);
	} else if (!strcmp(what, "packet-error")) {
		struct iovec vector = { text, sizeof(text) };
		char control[512];
		struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
					 .msg_controllen = sizeof(control) };

		CHECK("what was sent", 18, recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT));
		check_bytes("what was sent", "when", text + 14, 4);
	} else if (!strcmp(what, "multicast")) {
		CHECK("to all", 6, recv(fd, text, sizeof(text), MSG_DONTWAIT));
	} else if (!strcmp(what, "listens")) {
		CHECK("from outside", 12, recv(fd, text, sizeof(text), MSG_DONTWAIT));
		check_bytes("from outside", "from outside", text, 12);
	} else {
		check_between("flags", 0, INT_MAX, fcntl(fd, F_GETFL));
	}
	return verdict();
}
