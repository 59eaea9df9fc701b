/* COUNT open files: "files" in the directory given, "pipes" with data in them (two descriptors
 * each), "pairs" of connected sockets with data (two as well), "eventfds", "timerfds" that are armed,
 * "watched" eventfds, all by one epoll set, "udp" sockets bound to a port each. */
#include "bench.h"
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static const char data[100] = "what lies in a file, a pipe or a socket";

static void open_file(const char *directory, int number)
{
	char path[4096];

	NEED(snprintf(path, sizeof(path), "%s/%d", directory, number) < (int)sizeof(path));
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	NEED(fd >= 0 && write(fd, data, sizeof(data)) == sizeof(data));
}

static void open_pair(int is_pipe)
{
	int ends[2];

	NEED((is_pipe ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) == 0);
	NEED(write(ends[1], data, sizeof(data)) == sizeof(data));
}

static void open_timer(void)
{
	struct itimerspec spec = { { 1, 0 }, { 3600, 0 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	NEED(fd >= 0 && timerfd_settime(fd, 0, &spec, NULL) == 0);
}

static void open_udp(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	NEED(fd >= 0 && bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0);
}

static void watch_event(int set)
{
	struct epoll_event event = { .events = EPOLLIN };

	event.data.fd = eventfd(0, 0);
	NEED(event.data.fd >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, event.data.fd, &event) == 0);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "pipes";
	int count = argc > 2 ? atoi(argv[2]) : 1;
	int set = epoll_create1(0);

	for (int i = 0; i < count; i++) {
		if (strcmp(kind, "files") == 0)
			open_file(argc > 3 ? argv[3] : ".", i);
		else if (strcmp(kind, "eventfds") == 0)
			NEED(eventfd((unsigned)i, 0) >= 0);
		else if (strcmp(kind, "timerfds") == 0)
			open_timer();
		else if (strcmp(kind, "watched") == 0)
			watch_event(set);
		else if (strcmp(kind, "udp") == 0)
			open_udp();
		else
			open_pair(strcmp(kind, "pipes") == 0);
	}
	ready();
	for (;;)
		pause();
}
