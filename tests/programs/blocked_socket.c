/* Calls on sockets with a time limit, which answer EINTR to any stop of their task. */
#include "blocked.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static void open_pair(struct blocked *b, int option)
{
	struct timeval limit = { 600, 0 };

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, b->fds) == 0);
	NEED(setsockopt(b->fds[0], SOL_SOCKET, option, &limit, sizeof(limit)) == 0);
}

static long do_recv(struct blocked *b)
{
	char got[8] = "";
	long result;

	open_pair(b, SO_RCVTIMEO);
	result = syscall(SYS_recvfrom, b->fds[0], got, sizeof(got), 0, NULL, NULL);
	check_text("what was received", "late", got);
	return result;
}

static long do_read(struct blocked *b)
{
	char got[8] = "";
	long result;

	open_pair(b, SO_RCVTIMEO);
	result = syscall(SYS_read, b->fds[0], got, sizeof(got));
	check_text("what was read", "late", got);
	return result;
}

static void send_late(struct blocked *b)
{
	NEED(write(b->fds[1], "late", 4) == 4);
}

/* Abstract names: nothing is left in the file system. */
static int bound(const char *name, struct sockaddr_un *address, socklen_t *size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	address->sun_family = AF_UNIX;
	*size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			    (size_t)snprintf(address->sun_path + 1, 80, "crtools-%s-%d", name, getpid()));
	address->sun_path[0] = 0;
	NEED(fd >= 0 && bind(fd, (struct sockaddr *)address, *size) == 0 && listen(fd, 0) == 0);
	return fd;
}

static struct sockaddr_un accepting;
static socklen_t accepting_size;

static long do_accept(struct blocked *b)
{
	struct timeval limit = { 600, 0 };

	b->fds[0] = bound("accept", &accepting, &accepting_size);
	NEED(setsockopt(b->fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	return syscall(SYS_accept4, b->fds[0], NULL, NULL, 0) < 0 ? -1 : 0;
}

static void do_connect(struct blocked *b)
{
	b->fds[1] = socket(AF_UNIX, SOCK_STREAM, 0);
	NEED(connect(b->fds[1], (struct sockaddr *)&accepting, accepting_size) == 0);
}

static struct blocked cases[] = {
	{ "recvfrom", SYS_recvfrom, do_recv, 4, .release = send_late },
	{ "read", SYS_read, do_read, 4, .release = send_late },
	{ "accept4", SYS_accept4, do_accept, 0, .release = do_connect },
};

int main(int argc, char **argv)
{
	begin(argc, argv);
	return run_all_blocked(cases, COUNT(cases));
}
