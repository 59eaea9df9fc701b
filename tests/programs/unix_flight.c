/* What is on its way through unix sockets: descriptors, sockets with something on its way themselves,
 * credentials, urgent bytes. */
#include "program.h"
#include <linux/kcmp.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif
#ifndef SIOCATMARK
#define SIOCATMARK 0x8905
#endif

struct message {
	char data[100000];
	int length, fds[300], count, pidfd, flags;
	struct ucred creds;
};

static struct message got;

static void post(int fd, const void *data, size_t size, const int *fds, int count)
{
	struct iovec vector = { (void *)(uintptr_t)data, size };
	char control[CMSG_SPACE(sizeof(int) * 253)] = { 0 };
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };
	struct cmsghdr *part = (void *)control;

	if (count) {
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(part), fds, sizeof(int) * (size_t)count);
	}
	NEED(sendmsg(fd, &header, MSG_DONTWAIT) == (ssize_t)size);
}

/* Sends and closes. */
static void give(int fd, const char *text, const int *fds, int count)
{
	post(fd, text, strlen(text), fds, count);
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

static int take(int fd, size_t most, int flags)
{
	struct iovec vector = { got.data, most ? most : sizeof(got.data) };
	static char control[4096];
	struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1,
				 .msg_control = control, .msg_controllen = sizeof(control) };

	got.count = 0;
	got.pidfd = -1;
	memset(&got.creds, 0, sizeof(got.creds));
	got.length = (int)recvmsg(fd, &header, MSG_DONTWAIT | flags);
	got.flags = header.msg_flags;
	if (got.length < 0)
		return -1;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
		if (part->cmsg_type == SCM_RIGHTS) {
			got.count = (int)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(got.fds, CMSG_DATA(part), (size_t)got.count * sizeof(int));
		} else if (part->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&got.creds, CMSG_DATA(part), sizeof(got.creds));
		} else if (part->cmsg_type == SCM_PIDFD) {
			memcpy(&got.pidfd, CMSG_DATA(part), sizeof(int));
		}
	}
	return got.length;
}

static void expect(const char *what, int fd, const char *text, int count)
{
	CHECK(what, strlen(text), take(fd, 0, 0));
	check_bytes(what, text, got.data, strlen(text));
	CHECK(what, count, got.count);
}

static void expect_creds(const char *what, pid_t pid)
{
	if (got.creds.pid != pid || got.creds.uid != geteuid() || got.creds.gid != getegid())
		fail("%s: from %d %u %u, not %d", what, got.creds.pid, got.creds.uid, got.creds.gid, pid);
}

static void set_option(int fd, int name)
{
	int one = 1;

	NEED(setsockopt(fd, SOL_SOCKET, name, &one, sizeof(one)) == 0);
}

static bool at_mark(int fd)
{
	int answer = -1;

	NEED(ioctl(fd, SIOCATMARK, &answer) == 0);
	return answer;
}

static int creds[2], stream_creds[2], pidfds[2];

static void send_as_child(void *argument)
{
	(void)argument;
	NEED(send(creds[0], "from the child", 14, 0) == 14);
	NEED(send(stream_creds[0], "child", 5, 0) == 5);
	NEED(send(pidfds[0], "pidfd", 5, 0) == 5);
	child_is_ready();
	wait_until_told();
	while (access("done", F_OK))
		sleep_ms(1);
}

static void die_after_sending(void *argument)
{
	int *fds = argument;

	NEED(send(creds[0], "from the dead", 13, 0) == 13);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, fds + 2) == 0);
	post(fds[0], "pair", 4, fds + 2, 2);
	child_is_ready();
}

int main(int argc, char **argv)
{
	int plain[2], nested[2], inner[2], file, pipe_[2], event, glued[2], many[2], urgent[2], inline_[2];
	int mark[2], self[2], datagrams[2], fds[300], shared, value, own[2], dead[4], first[2];
	pid_t child, gone;
	uint64_t count;
	struct ucred peer;
	socklen_t size;

	begin(argc, argv);
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, plain) && !socketpair(AF_UNIX, SOCK_STREAM, 0, nested));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, glued) && !socketpair(AF_UNIX, SOCK_SEQPACKET, 0, many));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, urgent) && !socketpair(AF_UNIX, SOCK_STREAM, 0, inline_));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, mark) && !socketpair(AF_UNIX, SOCK_DGRAM, 0, self));
	NEED(!socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams) && !socketpair(AF_UNIX, SOCK_DGRAM, 0, creds));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, stream_creds) && !socketpair(AF_UNIX, SOCK_DGRAM, 0, pidfds));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, dead) && !socketpair(AF_UNIX, SOCK_STREAM, 0, first));

	/* A file at its position, a deleted one, a pipe with data, a counter: in one message. */
	write_file("file", "0123456789", 10);
	fds[0] = open("file", O_RDWR);
	NEED(lseek(fds[0], 4, SEEK_SET) == 4);
	fds[1] = open("deleted", O_RDWR | O_CREAT, 0600);
	NEED(write(fds[1], "deleted", 7) == 7 && unlink("deleted") == 0);
	NEED(pipe(pipe_) == 0 && write(pipe_[1], "in a pipe", 9) == 9);
	fds[2] = pipe_[0];
	fds[3] = pipe_[1];
	fds[4] = eventfd(77, 0);
	fds[5] = dup(fds[0]);
	give(plain[0], "files", fds, 6);
	/* One that stays open here as well. */
	shared = open("file", O_RDONLY);
	post(plain[0], "shared", 6, &shared, 1);
	/* A socket with something in its queue, which is a socket with something in its queue. */
	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, inner) && !socketpair(AF_UNIX, SOCK_DGRAM, 0, own));
	file = open("file", O_RDONLY);
	NEED(lseek(file, 8, SEEK_SET) == 8);
	give(own[0], "innermost", &file, 1);
	fds[0] = own[1];
	give(inner[0], "inner", fds, 1);
	fds[0] = inner[1];
	give(nested[0], "outer", fds, 1);
	close(own[0]);
	/* Itself. */
	post(self[0], "itself", 6, &self[1], 1);
	/* Descriptors are received with the piece of the stream that they were sent with. */
	NEED(send(glued[0], "before", 6, 0) == 6);
	post(glued[0], "with", 4, &shared, 1);
	NEED(send(glued[0], "after", 5, 0) == 5);
	post(glued[0], "a", 1, &shared, 1);
	/* As many as can be, and an empty message with one. */
	for (int i = 0; i < 253; i++)
		fds[i] = open("file", O_RDONLY);
	give(many[0], "many", fds, 253);
	post(many[0], "", 0, &shared, 1);
	NEED(send(many[0], "none", 4, 0) == 4);
	post(datagrams[0], "datagram", 8, &shared, 1);
	event = eventfd(5, EFD_SEMAPHORE | EFD_NONBLOCK);
	give(datagrams[0], "second", &event, 1);
	/* Urgent bytes: not read, read inline, taken already. */
	NEED(send(urgent[0], "calm", 4, 0) == 4 && send(urgent[0], "!", 1, MSG_OOB) == 1);
	NEED(send(urgent[0], "again", 5, 0) == 5);
	set_option(inline_[1], SO_OOBINLINE);
	NEED(send(inline_[0], "abc", 3, 0) == 3 && send(inline_[0], "?", 1, MSG_OOB) == 1);
	NEED(send(mark[0], "left", 4, 0) == 4 && send(mark[0], "x", 1, MSG_OOB) == 1);
	NEED(send(mark[0], "right", 5, 0) == 5 && recv(mark[1], got.data, 1, MSG_OOB) == 1);
	NEED(send(first[0], "#", 1, MSG_OOB) == 1 && send(first[0], "rest", 4, 0) == 4);
	/* Who sent it. */
	set_option(creds[1], SO_PASSCRED);
	set_option(stream_creds[1], SO_PASSCRED);
	value = 1;
	if (setsockopt(pidfds[1], SOL_SOCKET, SO_PASSPIDFD, &value, sizeof(value)) == 0)
		NEED(send(pidfds[0], "mine", 4, 0) == 4);
	NEED(send(creds[0], "mine", 4, 0) == 4 && send(stream_creds[0], "mine", 4, 0) == 4);
	child = spawn(send_as_child, NULL);
	gone = spawn(die_after_sending, dead);
	expect_exit("the sender", gone, 0);

	ready();
	wait_until_told();

	expect("files", plain[1], "files", 6);
	memcpy(fds, got.fds, sizeof(int) * 6);
	CHECK("file", 3, read(fds[0], got.data, 3));
	check_bytes("file", "456", got.data, 3);
	CHECK("the same position", 7, lseek(fds[5], 0, SEEK_CUR));
	CHECK("deleted", 7, pread(fds[1], got.data, 100, 0));
	check_bytes("deleted", "deleted", got.data, 7);
	CHECK("pipe", 9, read(fds[2], got.data, 100));
	check_bytes("pipe", "in a pipe", got.data, 9);
	CHECK("pipe, writing", 1, write(fds[3], "x", 1));
	CHECK("counter", 8, read(fds[4], &count, 8));
	CHECK("counter", 77, count);
	expect("shared", plain[1], "shared", 1);
	CHECK("the same open file", 0, syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, got.fds[0], shared));
	CHECK("no more", -1, take(plain[1], 0, 0));

	expect("nested", nested[1], "outer", 1);
	expect("nested", got.fds[0], "inner", 1);
	expect("nested", got.fds[0], "innermost", 1);
	CHECK("nested", 2, read(got.fds[0], got.data, 100));
	check_bytes("nested", "89", got.data, 2);
	CHECK("the other end of what was nested", 4, send(inner[0], "more", 4, 0));

	expect("itself", self[1], "itself", 1);
	CHECK("itself", 0, syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, got.fds[0], self[1]));

	CHECK("before", 3, take(glued[1], 3, 0));
	CHECK("before", 0, got.count);
	CHECK("before", 3, take(glued[1], 3, 0));
	CHECK("before", 0, got.count);
	check_bytes("before", "ore", got.data, 3);
	CHECK("with", 2, take(glued[1], 2, 0));
	CHECK("with", 1, got.count);
	expect("the rest, and what comes after", glued[1], "thaftera", 1);

	expect("many", many[1], "many", 253);
	CHECK("the last of many", 10, read(got.fds[252], got.data, 100));
	expect("empty", many[1], "", 1);
	expect("none", many[1], "none", 0);
	expect("datagram", datagrams[1], "datagram", 1);
	expect("second", datagrams[1], "second", 1);
	CHECK("semaphore", 8, read(got.fds[0], &count, 8));
	CHECK("semaphore", 1, count);
	CHECK("no more", -1, take(datagrams[1], 0, 0));

	CHECK("not at the mark", false, at_mark(urgent[1]));
	expect("calm", urgent[1], "calm", 0);
	CHECK("at the mark", true, at_mark(urgent[1]));
	CHECK("urgent", 1, take(urgent[1], 0, MSG_OOB));
	CHECK("urgent", '!', got.data[0]);
	expect("again", urgent[1], "again", 0);
	expect("inline", inline_[1], "abc", 0);
	CHECK("inline, at the mark", true, at_mark(inline_[1]));
	expect("inline", inline_[1], "?", 0);
	expect("left of what was urgent", mark[1], "left", 0);
	CHECK("at the mark", true, at_mark(mark[1]));
	expect("right of what was urgent", mark[1], "right", 0);
	CHECK("first of all", true, at_mark(first[1]));
	CHECK("first of all", 1, take(first[1], 0, MSG_OOB));
	CHECK("first of all", '#', got.data[0]);
	expect("the rest", first[1], "rest", 0);

	expect("ours", creds[1], "mine", 0);
	expect_creds("ours", getpid());
	expect("child's", creds[1], "from the child", 0);
	expect_creds("child's", child);
	expect("dead's", creds[1], "from the dead", 0);
	expect_creds("dead's", gone);
	expect("stream, ours", stream_creds[1], "mine", 0);
	expect_creds("stream, ours", getpid());
	expect("stream, child's", stream_creds[1], "child", 0);
	expect_creds("stream, child's", child);
	if (take(pidfds[1], 0, 0) == 4) {
		CHECK("a pidfd", true, got.pidfd >= 0);
		expect("a pidfd", pidfds[1], "pidfd", 0);
		NEED(got.pidfd >= 0 && write(open("done", O_CREAT | O_WRONLY, 0600), "", 0) == 0);
		CHECK("whose", 0, waitid(P_PIDFD, (id_t)got.pidfd, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
	}
	expect("dead's pair", dead[1], "pair", 2);
	size = sizeof(peer);
	NEED(getsockopt(got.fds[0], SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
	CHECK("who made the pair", gone, peer.pid);
	NEED(send(got.fds[0], "ok", 2, 0) == 2);
	fds[0] = got.fds[1];
	expect("dead's pair", fds[0], "ok", 0);
	write_file("done", "", 0);
	expect_exit("child", child, 0);
	return verdict();
}
