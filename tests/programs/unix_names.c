/* Unix sockets with names: listening, accepted, waiting to be accepted, connected datagrams; names
 * that are relative, abstract, given by the kernel, removed, replaced, moved. */
#include "program.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un to;
static socklen_t to_size;
static pid_t parent;

/* "@name" is abstract, and "" asks the kernel for a name. */
static void name(const char *text)
{
	memset(&to, 0, sizeof(to));
	to.sun_family = AF_UNIX;
	NEED(snprintf(to.sun_path, sizeof(to.sun_path), "%s", text) < (int)sizeof(to.sun_path));
	to_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text));
	if (text[0] == '@')
		to.sun_path[0] = 0;
	else if (text[0])
		to_size++;
}

static int made(int type, const char *text)
{
	int fd = socket(AF_UNIX, type, 0);

	name(text);
	NEED(fd >= 0 && bind(fd, (void *)&to, to_size) == 0);
	return fd;
}

static int listener(int type, const char *text, int backlog)
{
	int fd = made(type, text);

	NEED(listen(fd, backlog) == 0);
	return fd;
}

static int joined(int fd, const char *text)
{
	name(text);
	NEED(connect(fd, (void *)&to, to_size) == 0);
	return fd;
}

static int client(int type, const char *text)
{
	return joined(socket(AF_UNIX, type, 0), text);
}

static void check_address(const char *what, int fd, bool peer, const char *text)
{
	struct sockaddr_un got = { 0 };
	socklen_t size = sizeof(got);

	if (peer ? getpeername(fd, (void *)&got, &size) : getsockname(fd, (void *)&got, &size)) {
		fail("%s: no address (errno %d)", what, errno);
		return;
	}
	name(text);
	if (!text[0])
		to_size = sizeof(sa_family_t);
	CHECK(what, to_size, size);
	check_bytes(what, &to, &got, to_size);
}

static void check_creds(const char *what, int fd, pid_t pid)
{
	struct ucred creds = { 0 };
	socklen_t size = sizeof(creds);

	NEED(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &creds, &size) == 0);
	if (creds.pid != pid || (pid && (creds.uid != geteuid() || creds.gid != getegid())))
		fail("%s: SO_PEERCRED is %d %u %u, not %d", what, creds.pid, creds.uid, creds.gid, pid);
}

/* A message all the way from one to the other. */
static void check_way(const char *what, int from, int fd)
{
	char byte = 0;

	if (send(from, "~", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		fail("%s: send (errno %d)", what, errno);
	else if (recv(fd, &byte, 1, MSG_DONTWAIT) != 1 || byte != '~')
		fail("%s: recv (errno %d, byte %d)", what, errno, byte);
}

static void check_message(const char *what, int fd, const char *data, const char *from)
{
	struct sockaddr_un got = { 0 };
	socklen_t size = sizeof(got);
	char text[100] = "";
	ssize_t length = recvfrom(fd, text, sizeof(text) - 1, MSG_DONTWAIT, (void *)&got, &size);

	CHECK(what, strlen(data), length);
	check_text(what, data, text);
	name(from);
	CHECK(what, from[0] ? to_size : 0, size);
	if (from[0] && size == to_size)
		check_bytes(what, &to, &got, size);
}

static int away, child_client, child_datagram;

static void live_in_child(void *argument)
{
	char byte;

	(void)argument;
	child_client = client(SOCK_STREAM, "abs.sock");
	child_datagram = client(SOCK_DGRAM, "log.sock");
	NEED(send(child_datagram, "from the child", 14, 0) == 14);
	child_is_ready();
	wait_until_told();
	check_creds("the child sees the parent", child_client, parent);
	check_address("the child's peer", child_client, true, argument);
	CHECK("to the parent", 1, write(child_client, "p", 1));
	CHECK("from the parent", 1, read(child_client, &byte, 1));
	CHECK("from the parent", 'c', byte);
	CHECK("to the log", 4, send(child_datagram, "late", 4, 0));
	CHECK("to the parent", 1, write(child_client, "q", 1));
	CHECK("end", 0, read(child_client, &byte, 1));
}

int main(int argc, char **argv)
{
	char absolute[100], abstract[64], bound[64], given[16], byte;
	int relative, full, sequence, server, other, accepted, listening, waiting[3], taken, log_;
	int named, unnamed, gone, to_gone, replaced, replacing, to_replaced, moved, inner, automatic;
	int one, two, orphan, alone, orphaned, odd;
	struct sockaddr_un got;
	struct stat stat_;
	socklen_t size;
	pid_t child;

	begin(argc, argv);
	parent = getpid();
	NEED(strlen(test_dir) < 80);
	snprintf(absolute, sizeof(absolute), "%.80s/abs.sock", test_dir);
	snprintf(abstract, sizeof(abstract), "@crtools test %d", parent);
	snprintf(bound, sizeof(bound), "@crtools client %d", parent);

	relative = listener(SOCK_STREAM, "rel.sock", 5);
	full = listener(SOCK_STREAM, absolute, 5);
	NEED(chmod("abs.sock", 0620) == 0);
	sequence = listener(SOCK_SEQPACKET, abstract, 2);
	log_ = made(SOCK_DGRAM, "log.sock");
	child = spawn(live_in_child, absolute);
	accepted = accept(full, NULL, NULL);
	server = client(SOCK_SEQPACKET, abstract);
	other = accept4(sequence, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	NEED(accepted >= 0 && server >= 0 && other >= 0);
	/* The file stays when who listened has gone. */
	listening = listener(SOCK_STREAM, "was.sock", 1);
	orphan = joined(made(SOCK_STREAM, bound), "was.sock");
	alone = accept(listening, NULL, NULL);
	/* ... and its peer as well. */
	orphaned = client(SOCK_STREAM, "was.sock");
	NEED(alone >= 0 && close(accept(listening, NULL, NULL)) == 0 && close(listening) == 0);
	/* Three wait: as many as may, and one more. */
	for (int i = 0; i < 3; i++)
		waiting[i] = client(SOCK_SEQPACKET, abstract);
	NEED(shutdown(waiting[1], SHUT_WR) == 0);

	named = joined(made(SOCK_DGRAM, "named.sock"), "log.sock");
	unnamed = client(SOCK_DGRAM, "log.sock");
	NEED(send(named, "with a name", 11, 0) == 11 && send(unnamed, "without", 7, 0) == 7);
	gone = made(SOCK_DGRAM, "gone.sock");
	to_gone = client(SOCK_DGRAM, "gone.sock");
	NEED(unlink("gone.sock") == 0 && send(to_gone, "still there", 11, 0) == 11);
	replaced = made(SOCK_DGRAM, "re.sock");
	to_replaced = client(SOCK_DGRAM, "re.sock");
	NEED(unlink("re.sock") == 0);
	replacing = made(SOCK_DGRAM, "re.sock");
	moved = made(SOCK_DGRAM, "old.sock");
	NEED(rename("old.sock", "new.sock") == 0);
	NEED(mkdir("inner", 0755) == 0 && chdir("inner") == 0);
	inner = listener(SOCK_STREAM, "in.sock", 3);
	odd = made(SOCK_DGRAM, "../inner/./odd.sock");
	NEED(chdir("..") == 0);
	automatic = made(SOCK_DGRAM, "");
	size = sizeof(got);
	NEED(getsockname(automatic, (void *)&got, &size) == 0 && size == 8);
	snprintf(given, sizeof(given), "@%.5s", got.sun_path + 1);
	one = made(SOCK_DGRAM, "one.sock");
	two = joined(made(SOCK_DGRAM, "two.sock"), "one.sock");
	joined(one, "two.sock");
	away = made(SOCK_DGRAM, "away.sock");
	NEED(close(away) == 0);

	ready();
	wait_until_told();

	check_address("relative", relative, false, "rel.sock");
	check_address("absolute", full, false, absolute);
	check_address("abstract", sequence, false, abstract);
	check_address("accepted", accepted, false, absolute);
	check_address("accepted from", accepted, true, "");
	check_address("whom the accepted is seen as", server, true, abstract);
	NEED(stat("abs.sock", &stat_) == 0);
	CHECK("mode of the file", S_IFSOCK | 0620, stat_.st_mode);
	CHECK("owner of the file", geteuid(), stat_.st_uid);
	CHECK("group of the file", getegid(), stat_.st_gid);
	check_creds("who listens", full, parent);
	check_creds("the child", accepted, child);
	check_creds("ourselves", other, parent);
	check_creds("nobody", log_, 0);
	CHECK("accepted close-on-exec", FD_CLOEXEC, fcntl(other, F_GETFD));
	CHECK("accepted, not blocking", O_NONBLOCK, fcntl(other, F_GETFL) & O_NONBLOCK);
	check_way("connection", server, other);
	check_way("connection", other, server);
	check_address("a name of its own", orphan, false, bound);
	check_address("whom it was accepted from", alone, true, bound);
	check_address("name of a listener that is gone", alone, false, "was.sock");
	check_way("whose listener is gone", orphan, alone);
	check_way("whose listener is gone", alone, orphan);
	check_address("of whom is gone", orphaned, true, "was.sock");
	CHECK("from whom is gone", 0, recv(orphaned, &byte, 1, MSG_DONTWAIT));
	CHECK("nobody listens", -1, connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&to, to_size));
	CHECK("errno", ECONNREFUSED, errno);

	NEED(fcntl(sequence, F_SETFL, O_NONBLOCK) == 0);
	name(abstract);
	taken = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	CHECK("one too many", -1, connect(taken, (void *)&to, to_size));
	CHECK("errno", EAGAIN, errno);
	for (int i = 0; i < 3; i++) {
		taken = accept(sequence, NULL, NULL);
		NEED(taken >= 0);
		check_creds("who waited", taken, parent);
		check_way("who waited", taken, waiting[i]);
		if (i == 1)
			CHECK("who was shut down", 0, recv(taken, &byte, 1, MSG_DONTWAIT));
		else
			check_way("who waited", waiting[i], taken);
	}
	CHECK("no more", -1, accept(sequence, NULL, NULL));

	check_message("log", log_, "from the child", "");
	check_message("log", log_, "with a name", "named.sock");
	check_message("log", log_, "without", "");
	check_way("to the log", named, log_);
	check_way("to the log", unnamed, log_);
	check_message("removed", gone, "still there", "");
	check_way("removed", to_gone, gone);
	check_address("removed", gone, false, "gone.sock");
	CHECK("removed", -1, access("gone.sock", F_OK));
	check_way("replaced", to_replaced, replaced);
	check_address("replaced", replaced, false, "re.sock");
	check_way("which replaced it", client(SOCK_DGRAM, "re.sock"), replacing);
	check_address("moved", moved, false, "old.sock");
	CHECK("moved", -1, access("old.sock", F_OK));
	check_way("moved", client(SOCK_DGRAM, "new.sock"), moved);
	check_address("from elsewhere", inner, false, "in.sock");
	client(SOCK_STREAM, "inner/in.sock");
	CHECK("from elsewhere", true, accept(inner, NULL, NULL) >= 0);
	check_address("with dots", odd, false, "../inner/./odd.sock");
	check_way("with dots", client(SOCK_DGRAM, "inner/odd.sock"), odd);
	check_address("given by the kernel", automatic, false, given);
	check_way("given by the kernel", client(SOCK_DGRAM, given), automatic);
	check_way("to each other", one, two);
	check_way("to each other", two, one);
	check_address("to each other", one, true, "two.sock");

	CHECK("from the child", 1, read(accepted, &byte, 1));
	CHECK("from the child", 'p', byte);
	CHECK("to the child", 1, write(accepted, "c", 1));
	CHECK("from the child", 1, read(accepted, &byte, 1));
	check_message("log", log_, "late", "");
	close(accepted);
	expect_exit("child", child, 0);
	return verdict();
}
