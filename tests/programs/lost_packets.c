/*
 * Packets that wait in raw, ICMP and packet sockets: a restore does not have them, the sockets
 * receive the next one. In a network of its own.
 */
#include "program.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#define PROTOCOL 253	/* of experiments, RFC 3692: the kernel answers nothing */

static int raw4, raw6, ping, packet;

static void send_to(int fd, const void *name, socklen_t size, const void *data, size_t length)
{
	NEED(sendto(fd, data, length, 0, name, size) == (ssize_t)length);
}

/* One packet for each of them. */
static void send_all(void)
{
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct icmphdr echo = { .type = ICMP_ECHO };

	send_to(raw4, &four, sizeof(four), "four", 4);
	send_to(raw6, &six, sizeof(six), "six", 3);
	send_to(ping, &four, sizeof(four), &echo, sizeof(echo));
}

static void wait_for(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	NEED(poll(&wait, 1, 20000) == 1);
}

int main(int argc, char **argv)
{
	struct sockaddr_ll every = { .sll_family = AF_PACKET, .sll_ifindex = 1,
				     .sll_protocol = htons(ETH_P_IPV6) };
	char data[256];

	begin(argc, argv);
	write_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483647", 12);
	raw4 = socket(AF_INET, SOCK_RAW, PROTOCOL);
	raw6 = socket(AF_INET6, SOCK_RAW, PROTOCOL);
	ping = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	packet = socket(AF_PACKET, SOCK_DGRAM, 0);
	NEED(raw4 >= 0 && raw6 >= 0 && ping >= 0 && packet >= 0);
	NEED(bind(packet, (void *)&every, sizeof(every)) == 0);
	send_all();
	wait_for(raw4);
	wait_for(raw6);
	wait_for(ping);
	wait_for(packet);

	ready();
	wait_until_told();

	for (int fd = raw4; fd <= packet; fd++) {
		CHECK("nothing waits", -1, recv(fd, data, sizeof(data), MSG_DONTWAIT));
		CHECK("errno", EAGAIN, errno);
	}
	send_all();
	CHECK("of IPv4", 20 + 4, recv(raw4, data, sizeof(data), 0));
	check_bytes("of IPv4", "four", data + 20, 4);
	CHECK("of IPv6", 3, recv(raw6, data, sizeof(data), 0));
	check_bytes("of IPv6", "six", data, 3);
	CHECK("an answer", sizeof(struct icmphdr), recv(ping, data, sizeof(data), 0));
	CHECK("its type", ICMP_ECHOREPLY, data[0]);
	CHECK("what left", 40 + 3, recv(packet, data, sizeof(data), 0));
	return verdict();
}
