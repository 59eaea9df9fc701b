/* Unix sockets that somebody outside the tree has to do with: the test, which has made "server". */
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

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);
	char got[100];
	int fd = -1, waiting = -1;

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
		if (!strcmp(what, "sent") || !strcmp(what, "left"))
			fd = connected(SOCK_STREAM, ".", "here");
		if (!strcmp(what, "sent"))
			NEED(write(fd, "sent", 4) == 4);
		if (!strcmp(what, "left"))
			NEED(close(fd) == 0);
	}

	ready();
	wait_until_told();

	if (waiting >= 0) {
		fd = accept(waiting, NULL, NULL);
		NEED(fd >= 0);
		CHECK("what was sent", !strcmp(what, "left") ? 0 : 4, read(fd, got, sizeof(got)));
	} else if (!strcmp(what, "receiver")) {
		CHECK("from outside", 4, read(fd, got, sizeof(got)));
	} else if (!strcmp(what, "closed")) {
		CHECK("nobody is there", 0, read(fd, got, sizeof(got)));
	} else {
		CHECK("to outside", 4, write(fd, "late", 4));
	}
	return verdict();
}
