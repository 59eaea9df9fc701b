/*
 * Unix sockets that somebody outside the tree has to do with: the test, which has made "server"; and
 * connections that wait to be accepted: over which something was `sent`, among it a descriptor that
 * nobody else has (`given`), whose maker has `left`, with its name (`named`) being another's now.
 */
#include "program.h"
#include <sys/socket.h>
#include <sys/un.h>

static int connected(int type, const char *directory, const char *file)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	NEED(snprintf(to.sun_path, sizeof(to.sun_path), "%s/%s", directory, file) <
	     (int)sizeof(to.sun_path));
	NEED(fd >= 0 && connect(fd, (void *)&to, sizeof(to)) == 0);
	return fd;
}

static int bound(int type, const char *file)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%.100s", file);
	NEED(fd >= 0 && bind(fd, (void *)&at, sizeof(at)) == 0);
	return fd;
}

static void give(int to)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec vector = { "sent", 4 };
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *part = CMSG_FIRSTHDR(&header);
	int fd = open("given", O_RDWR | O_CREAT, 0600);

	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(part), &fd, sizeof(int));
	NEED(fd >= 0 && sendmsg(to, &header, 0) == 4 && close(fd) == 0);
}

/* A socket with an abstract name that only this process has. */
static int named(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "crtools named %d", getpid());
	NEED(fd >= 0 && bind(fd, (void *)&at, sizeof(at)) == 0);
	return fd;
}

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);
	char got[100];
	int fd = -1, waiting = -1, other = -1;

	begin(argc, argv);
	if (!strcmp(what, "stream") || !strcmp(what, "closed")) {
		fd = connected(SOCK_STREAM, ".", "server");
	} else if (!strcmp(what, "datagram")) {
		fd = connected(SOCK_DGRAM, test_dir, "server");
	} else if (!strcmp(what, "receiver")) {
		fd = bound(SOCK_DGRAM, "here");
	} else {
		waiting = bound(SOCK_STREAM, "here");
		NEED(listen(waiting, 3) == 0);
		if (strcmp(what, "waits"))
			fd = connected(SOCK_STREAM, ".", "here");
		if (!strcmp(what, "sent"))
			NEED(write(fd, "sent", 4) == 4);
		if (!strcmp(what, "given"))
			give(fd);
		if (!strcmp(what, "left"))
			NEED(close(fd) == 0);
		if (!strcmp(what, "named")) {
			struct sockaddr_un to;
			socklen_t size = sizeof(to);

			NEED(close(fd) == 0);
			fd = named();
			NEED(getsockname(waiting, (void *)&to, &size) == 0);
			NEED(connect(fd, (void *)&to, size) == 0 && close(fd) == 0);
			other = named();
			NEED(close(accept(waiting, NULL, NULL)) == 0);
		}
	}

	ready();
	wait_until_told();

	if (waiting >= 0) {
		fd = accept(waiting, NULL, NULL);
		NEED(fd >= 0);
		CHECK("what was sent", !strcmp(what, "left") || !strcmp(what, "named") ? 0 : 4,
		      read(fd, got, sizeof(got)));
		if (!strcmp(what, "named"))
			CHECK("who has the name", 0, close(other));
	} else if (!strcmp(what, "receiver")) {
		CHECK("from outside", 4, read(fd, got, sizeof(got)));
	} else if (!strcmp(what, "closed")) {
		CHECK("nobody is there", 0, read(fd, got, sizeof(got)));
	} else {
		CHECK("to outside", 4, write(fd, "late", 4));
	}
	return verdict();
}
