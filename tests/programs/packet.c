/*
 * Packet sockets: raw and cooked, bound to a device, to all, to nothing; options, memberships, a
 * filter that was there before the first packet, a group.
 */
#include "program.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define PORT 47110

static int make(int type, int protocol, int device)
{
	struct sockaddr_ll name = { .sll_family = AF_PACKET, .sll_protocol = htons((uint16_t)protocol),
				    .sll_ifindex = device };
	int fd = socket(AF_PACKET, type, 0);

	NEED(fd >= 0 && bind(fd, (void *)&name, sizeof(name)) == 0);
	return fd;
}

static void set(int fd, int number, int value)
{
	NEED(setsockopt(fd, SOL_PACKET, number, &value, sizeof(value)) == 0);
}

static int get(int fd, int number)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_PACKET, number, &value, &size) ? -errno : value;
}

static struct sockaddr_ll name_of(int fd)
{
	struct sockaddr_ll name = { 0 };
	socklen_t size = sizeof(name);

	NEED(getsockname(fd, (void *)&name, &size) == 0);
	return name;
}

static void send_datagram(int port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(0x7f000001) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	NEED(fd >= 0 && sendto(fd, "payload", 7, 0, (void *)&name, sizeof(name)) == 7);
	close(fd);
}

/* How often the loopback device has been told of a group: /proc/net/dev_mcast. */
static int users_of(const unsigned char *address)
{
	static char text[65536];
	char wanted[16];
	int index, users = 0, others;

	for (int i = 0; i < 6; i++)
		snprintf(wanted + 2 * i, 3, "%02x", address[i]);
	read_file("/proc/self/net/dev_mcast", text, sizeof(text));
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		char got[64];

		*end = 0;
		if (sscanf(line, "%d %*s %d %d %63s", &index, &others, &(int){ 0 }, got) == 4 &&
		    index == 1 && !strcmp(got, wanted))
			users = others;
	}
	return users;
}

/* Whether the socket gets what is sent to the port: to be told from what others send. */
static void check_gets(const char *what, int fd, size_t head, int protocol)
{
	struct sockaddr_ll from;
	socklen_t size = sizeof(from);
	char packet[256];
	ssize_t got;
	struct timeval patience = { 5, 0 };

	NEED(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	send_datagram(PORT);
	got = recvfrom(fd, packet, sizeof(packet), 0, (void *)&from, &size);
	CHECK(what, (long long)head + 28 + 7, got);
	check_bytes(what, "payload", packet + head + 28, 7);
	CHECK("protocol", protocol, ntohs(from.sll_protocol));
	CHECK("device", 1, from.sll_ifindex);
}

int main(int argc, char **argv)
{
	/* UDP over IPv4, to PORT, as a cooked socket sees it. */
	struct sock_filter code[] = {
		{ BPF_LD | BPF_B | BPF_ABS, 0, 0, (uint32_t)SKF_NET_OFF + 9 },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 3, IPPROTO_UDP },
		{ BPF_LD | BPF_H | BPF_ABS, 0, 0, (uint32_t)SKF_NET_OFF + 22 },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, PORT },
		{ BPF_RET | BPF_K, 0, 0, 0xffff },
		{ BPF_RET | BPF_K, 0, 0, 0 },
	};
	struct sock_fprog program = { COUNT(code), code };
	struct packet_mreq group = { 1, PACKET_MR_MULTICAST, 6, { 1, 0, 0x5e } };
	struct packet_mreq all = { 1, PACKET_MR_ALLMULTI, 0, { 0 } };
	int cooked, raw, idle, one, two, on = 1;

	begin(argc, argv);
	/* One that no other run of this joins. */
	memcpy(group.mr_address + 3, &(pid_t){ getpid() }, 3);
	cooked = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	NEED(cooked >= 0);
	NEED(setsockopt(cooked, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
	set(cooked, PACKET_AUXDATA, 1);
	set(cooked, PACKET_ORIGDEV, 1);
	set(cooked, PACKET_IGNORE_OUTGOING, 1);
	struct sockaddr_ll name = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	NEED(bind(cooked, (void *)&name, sizeof(name)) == 0);
	NEED(fcntl(cooked, F_SETFL, O_NONBLOCK) == 0);

	raw = socket(AF_PACKET, SOCK_RAW, 0);
	NEED(raw >= 0);
	NEED(setsockopt(raw, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
	set(raw, PACKET_VERSION, TPACKET_V2);
	set(raw, PACKET_RESERVE, 32);
	set(raw, PACKET_LOSS, 1);
	set(raw, PACKET_TIMESTAMP, 1 << 6);
	set(raw, PACKET_COPY_THRESH, 500);
	set(raw, PACKET_IGNORE_OUTGOING, 1);
	set(raw, 20, 1);	/* PACKET_QDISC_BYPASS */
	name.sll_protocol = htons(ETH_P_ALL);
	name.sll_ifindex = 1;
	NEED(bind(raw, (void *)&name, sizeof(name)) == 0);
	NEED(setsockopt(raw, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &group, sizeof(group)) == 0);
	NEED(setsockopt(raw, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) == 0);
	NEED(setsockopt(raw, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) == 0);
	NEED(users_of(group.mr_address) == 1);

	idle = make(SOCK_RAW, 0, 0);
	set(idle, PACKET_VNET_HDR, 1);
	one = make(SOCK_DGRAM, 0x88b5, 1);
	two = make(SOCK_DGRAM, 0x88b5, 1);
	set(one, PACKET_FANOUT, 4711 | PACKET_FANOUT_LB << 16);
	set(two, PACKET_FANOUT, 4711 | PACKET_FANOUT_LB << 16);

	ready();
	wait_until_told();

	CHECK("O_NONBLOCK", O_NONBLOCK, fcntl(cooked, F_GETFL) & O_NONBLOCK);
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(cooked, F_GETFD));
	NEED(fcntl(cooked, F_SETFL, 0) == 0);
	CHECK("PACKET_AUXDATA", 1, get(cooked, PACKET_AUXDATA));
	CHECK("PACKET_ORIGDEV", 1, get(cooked, PACKET_ORIGDEV));
	CHECK("PACKET_IGNORE_OUTGOING", 1, get(cooked, PACKET_IGNORE_OUTGOING));
	CHECK("protocol", ETH_P_IP, ntohs(name_of(cooked).sll_protocol));
	CHECK("all devices", 0, name_of(cooked).sll_ifindex);
	check_gets("cooked", cooked, 0, ETH_P_IP);
	CHECK("PACKET_VERSION", TPACKET_V2, get(raw, PACKET_VERSION));
	CHECK("PACKET_RESERVE", 32, get(raw, PACKET_RESERVE));
	CHECK("PACKET_LOSS", 1, get(raw, PACKET_LOSS));
	CHECK("PACKET_TIMESTAMP", 1 << 6, get(raw, PACKET_TIMESTAMP));
	CHECK("PACKET_QDISC_BYPASS", 1, get(raw, 20));
	CHECK("protocol", ETH_P_ALL, ntohs(name_of(raw).sll_protocol));
	CHECK("one device", 1, name_of(raw).sll_ifindex);
	while (recv(raw, &on, sizeof(on), MSG_DONTWAIT) > 0)
		;
	check_gets("raw", raw, 14, ETH_P_IP);
	/* To leave what one has not joined is no error. */
	CHECK("joined", 1, users_of(group.mr_address));
	CHECK("leave", 0, setsockopt(raw, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &group, sizeof(group)));
	CHECK("left", 0, users_of(group.mr_address));
	CHECK("leave", 0, setsockopt(raw, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &all, sizeof(all)));
	CHECK("again", 0, setsockopt(raw, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &all, sizeof(all)));
	CHECK("protocol of an idle one", 0, name_of(idle).sll_protocol);
	CHECK("PACKET_VNET_HDR", 1, get(idle, PACKET_VNET_HDR));
	CHECK("PACKET_FANOUT", 4711 | PACKET_FANOUT_LB << 16, get(one, PACKET_FANOUT));
	CHECK("PACKET_FANOUT", 4711 | PACKET_FANOUT_LB << 16, get(two, PACKET_FANOUT));
	CHECK("protocol of the group", 0x88b5, ntohs(name_of(two).sll_protocol));
	return verdict();
}
