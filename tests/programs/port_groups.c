/*
 * Sockets that share a port (SO_REUSEPORT), with a classic program that says which of them, by
 * number, gets a datagram or a connection: they are bound in another order than they are made, and
 * one of them is a child's.
 */
#include "program.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

static struct sockaddr_in place;	/* of the datagrams */

static int make(int type)
{
	int fd = socket(AF_INET, type, 0), on = 1;

	NEED(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
	return fd;
}

static void bind_to(int fd, struct sockaddr_in *name)
{
	socklen_t size = sizeof(*name);

	NEED(bind(fd, (void *)name, size) == 0 && getsockname(fd, (void *)name, &size) == 0);
}

static void attach(int fd, struct sock_filter *code, size_t count)
{
	struct sock_fprog program = { (unsigned short)count, code };

	NEED(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == 0);
}

/* Whether it gets the datagram that says the number. */
static void check_datagram(const char *what, int fd, unsigned char number)
{
	struct pollfd wait = { fd, POLLIN, 0 };
	int from = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned char got = 0xff;

	NEED(sendto(from, &number, 1, 0, (void *)&place, sizeof(place)) == 1);
	CHECK(what, 1, poll(&wait, 1, 20000));
	CHECK(what, 1, recv(fd, &got, 1, MSG_DONTWAIT));
	CHECK(what, number, got);
	close(from);
}

static void child(void *argument UNUSED)
{
	int fd = make(SOCK_DGRAM);

	bind_to(fd, &place);
	child_is_ready();
	wait_until_told();
	check_datagram("the child's, bound second", fd, 1);
	/* When one is closed, the last takes its number. */
	while (access("done", F_OK))
		sleep_ms(1);
}

int main(int argc, char **argv)
{
	struct sock_filter by_byte[] = {
		{ BPF_LD | BPF_B | BPF_ABS, 0, 0, 0 },
		{ BPF_RET | BPF_A, 0, 0, 0 },
	};
	struct sock_filter second[] = { { BPF_RET | BPF_K, 0, 0, 1 } };
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int first, last, one, two, client, got;
	struct pollfd wait;
	pid_t pid;

	begin(argc, argv);
	place = name;
	last = make(SOCK_DGRAM);
	first = make(SOCK_DGRAM);
	bind_to(first, &place);
	attach(first, by_byte, COUNT(by_byte));
	pid = spawn(child, NULL);
	bind_to(last, &place);
	check_datagram("first", first, 0);
	check_datagram("last", last, 2);

	two = make(SOCK_STREAM);
	one = make(SOCK_STREAM);
	bind_to(one, &name);
	NEED(listen(one, 4) == 0);
	bind_to(two, &name);
	NEED(listen(two, 4) == 0);
	attach(one, second, COUNT(second));

	ready();
	wait_until_told();

	check_datagram("bound first, made second", first, 0);
	check_datagram("bound last, made first", last, 2);
	close(open("done", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	expect_exit("child", pid, 0);
	for (int i = 0; i < 5; i++) {
		client = socket(AF_INET, SOCK_STREAM, 0);
		NEED(client >= 0);
		CHECK("connect", 0, connect(client, (void *)&name, sizeof(name)));
		wait = (struct pollfd){ two, POLLIN, 0 };
		CHECK("the listener that began second", 1, poll(&wait, 1, failures ? 0 : 20000));
		got = accept4(two, NULL, NULL, SOCK_NONBLOCK);
		close(got);
		close(client);
	}
	return verdict();
}
