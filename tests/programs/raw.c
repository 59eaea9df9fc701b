/* Raw sockets: bound, connected, filters of ICMP, headers of one's own, options, checksums. */
#include "program.h"
#include <arpa/inet.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int get(int fd, int level, int number)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, level, number, &value, &size) ? -errno : value;
}

static void set(int fd, int level, int number, int value)
{
	NEED(setsockopt(fd, level, number, &value, sizeof(value)) == 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in name = { .sin_family = AF_INET }, peer = { .sin_family = AF_INET }, got;
	struct { struct icmphdr head; char text[8]; } echo = { { .type = ICMP_ECHO }, "payload" };
	struct icmp6_filter filter6, filter6_got;
	int icmp, own, six, checked, sum = 0;
	char packet[256];
	socklen_t size;

	begin(argc, argv);
	inet_pton(AF_INET, "127.0.0.4", &name.sin_addr);
	inet_pton(AF_INET, "127.0.0.1", &peer.sin_addr);
	icmp = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	own = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, 253);
	six = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	checked = socket(AF_INET6, SOCK_RAW, 253);
	NEED(icmp >= 0 && own >= 0 && six >= 0 && checked >= 0);
	set(icmp, SOL_RAW, ICMP_FILTER, ~(1 << ICMP_ECHOREPLY));
	NEED(bind(icmp, (void *)&name, sizeof(name)) == 0);
	NEED(connect(icmp, (void *)&peer, sizeof(peer)) == 0);
	set(own, IPPROTO_IP, IP_HDRINCL, 1);
	set(own, IPPROTO_IP, 22, 1);	/* IP_NODEFRAG */
	set(own, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter6);
	NEED(setsockopt(six, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6)) == 0);
	set(checked, IPPROTO_IPV6, IPV6_CHECKSUM, 6);

	ready();
	wait_until_told();

	CHECK("ICMP_FILTER", ~(1 << ICMP_ECHOREPLY), get(icmp, SOL_RAW, ICMP_FILTER));
	size = sizeof(got);
	CHECK("bound", 0, getsockname(icmp, (void *)&got, &size));
	CHECK("to", name.sin_addr.s_addr, got.sin_addr.s_addr);
	/* Whom it is connected to nobody can ask: without a port that is not connected to getpeername. */
	for (size_t i = 0; i < sizeof(echo); i += 2)
		sum += ((unsigned char *)&echo)[i] << 8 | ((unsigned char *)&echo)[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	echo.head.checksum = htons((uint16_t)~sum);
	NEED(send(icmp, &echo, sizeof(echo), 0) == sizeof(echo));
	CHECK("the reply, and not the request", 20 + sizeof(echo), recv(icmp, packet, sizeof(packet), 0));
	CHECK("its type", ICMP_ECHOREPLY, packet[20]);
	check_bytes("its data", echo.text, packet + 28, 8);
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(icmp, F_GETFD));
	CHECK("protocol", 253, get(own, SOL_SOCKET, SO_PROTOCOL));
	CHECK("IP_HDRINCL", 1, get(own, IPPROTO_IP, IP_HDRINCL));
	CHECK("IP_NODEFRAG", 1, get(own, IPPROTO_IP, 22));
	CHECK("IP_MTU_DISCOVER", IP_PMTUDISC_DO, get(own, IPPROTO_IP, IP_MTU_DISCOVER));
	CHECK("O_NONBLOCK", O_NONBLOCK, fcntl(own, F_GETFL) & O_NONBLOCK);
	size = sizeof(filter6_got);
	CHECK("ICMP6_FILTER", 0, getsockopt(six, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6_got, &size));
	check_bytes("ICMP6_FILTER", &filter6, &filter6_got, sizeof(filter6));
	CHECK("IPV6_CHECKSUM", 6, get(checked, IPPROTO_IPV6, IPV6_CHECKSUM));
	CHECK("IPV6_CHECKSUM of ICMPv6", 2, get(six, IPPROTO_IPV6, IPV6_CHECKSUM));
	return verdict();
}
