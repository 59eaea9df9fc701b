/*
 * Descriptors of /dev/net/tun: without a device, of a tap device that goes with them (with two queues,
 * one of them detached), of a tun device that stays. "addresses": of one that has an address.
 */
#include "program.h"
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static char tap_name[IFNAMSIZ], tun_name[IFNAMSIZ];
static int sock;

static int attach(const char *name, short flags)
{
	struct ifreq request;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	if (fd < 0)
		skip("no /dev/net/tun here");
	memset(&request, 0, sizeof(request));
	strcpy(request.ifr_name, name);
	request.ifr_flags = flags;
	if (ioctl(fd, TUNSETIFF, &request) < 0 && errno == EPERM)
		skip("no network device can be made here");
	NEED(!strcmp(request.ifr_name, name));
	return fd;
}

static struct ifreq ask(unsigned long what, const char *name)
{
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	strcpy(request.ifr_name, name);
	if (ioctl(sock, what, &request))
		fail("%s has no answer to %#lx (errno %d)", name, what, errno);
	return request;
}

static void check_device(const char *what, int fd, const char *name, int flags)
{
	char path[128], text[32];
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	CHECK(what, 0, ioctl(fd, TUNGETIFF, &request));
	check_text(what, name, request.ifr_name);
	CHECK(what, flags & IFF_DETACH_QUEUE, request.ifr_flags & IFF_DETACH_QUEUE);
	/* There IFF_NO_PI is also IFF_NOFILTER. */
	snprintf(path, sizeof(path), "/sys/class/net/%s/tun_flags", name);
	read_file(path, text, sizeof(text));
	CHECK(what, flags & ~IFF_DETACH_QUEUE, strtol(text, NULL, 16));
}

static void check_id(const char *what, const char *name, const char *file, int id)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, file);
	read_file(path, text, sizeof(text));
	CHECK(what, id, atoi(text));
}

int main(int argc, char **argv)
{
	static const unsigned char ADDRESS[6] = { 2, 0x43, 0x52, 1, 2, 3 };
	int none, tap, queue, tun, same, sndbuf = 54321, header = 12, got;
	struct ifreq request;
	short before;

	begin(argc, argv);
	snprintf(tap_name, sizeof(tap_name), "crt%xa", getpid());
	snprintf(tun_name, sizeof(tun_name), "crt%xu", getpid());
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	NEED(sock >= 0);
	none = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (none < 0)
		skip("no /dev/net/tun here");
	tap = attach(tap_name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
	if (!strcmp(variant(argc, argv), "addresses")) {
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201) };

		memset(&request, 0, sizeof(request));
		strcpy(request.ifr_name, tap_name);
		memcpy(&request.ifr_addr, &address, sizeof(address));
		NEED(ioctl(sock, SIOCSIFADDR, &request) == 0 && close(sock) == 0);
		ready();
		wait_until_told();
		check_device("the tap device", tap, tap_name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
		return verdict();
	}
	queue = attach(tap_name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
	NEED(ioctl(tap, TUNSETOWNER, 1234) == 0 && ioctl(tap, TUNSETGROUP, 4321) == 0);
	NEED(ioctl(tap, TUNSETSNDBUF, &sndbuf) == 0 && ioctl(tap, TUNSETVNETHDRSZ, &header) == 0);
	memset(&request, 0, sizeof(request));
	request.ifr_flags = IFF_DETACH_QUEUE;
	NEED(ioctl(queue, TUNSETQUEUE, &request) == 0);
	request = ask(SIOCGIFHWADDR, tap_name);
	memcpy(request.ifr_hwaddr.sa_data, ADDRESS, 6);
	NEED(ioctl(sock, SIOCSIFHWADDR, &request) == 0);
	request.ifr_mtu = 1234;
	NEED(ioctl(sock, SIOCSIFMTU, &request) == 0);
	request = ask(SIOCGIFFLAGS, tap_name);
	before = request.ifr_flags & ~(IFF_UP | IFF_RUNNING);
	tun = attach(tun_name, IFF_TUN);
	NEED(ioctl(tun, TUNSETPERSIST, 1) == 0);
	same = dup2(tun, 300);
	NEED(same == 300 && close(sock) == 0);

	ready();
	wait_until_told();

	sock = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&request, 0, sizeof(request));
	CHECK("without a device", -1, ioctl(none, TUNGETIFF, &request));
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(none, F_GETFD));
	check_device("the tap device", tap, tap_name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
	check_device("its queue", queue, tap_name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE | IFF_DETACH_QUEUE);
	check_device("the tun device", tun, tun_name, IFF_TUN | IFF_PERSIST);
	check_device("its copy", same, tun_name, IFF_TUN | IFF_PERSIST);
	CHECK("flags", O_RDWR | O_NONBLOCK, fcntl(tap, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CHECK("size of the buffer", 0, ioctl(tap, TUNGETSNDBUF, &got));
	CHECK("size of the buffer", 54321, got);
	CHECK("size of the header", 0, ioctl(tap, TUNGETVNETHDRSZ, &got));
	CHECK("size of the header", 12, got);
	request = ask(SIOCGIFHWADDR, tap_name);
	check_bytes("hardware address", ADDRESS, request.ifr_hwaddr.sa_data, 6);
	request = ask(SIOCGIFMTU, tap_name);
	CHECK("size of packets", 1234, request.ifr_mtu);
	request = ask(SIOCGIFFLAGS, tap_name);
	CHECK("flags of the device", before, request.ifr_flags & ~(IFF_UP | IFF_RUNNING));
	check_id("owner", tap_name, "owner", 1234);
	check_id("group", tap_name, "group", 4321);
	CHECK("an end of the persistent one", 0, ioctl(tun, TUNSETPERSIST, 0));
	return verdict();
}
