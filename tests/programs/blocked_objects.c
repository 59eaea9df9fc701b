/*
 * Threads that wait in what they have open, for something that comes after the restore alone:
 * event kinds, message queues, sockets (terminals: "pty readers"). Variants: "tcp" connections;
 * "root" what only root may have.
 */
#include "blocked.h"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <mqueue.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

/* --- Events --- */

static long read_eventfd(struct blocked *b)
{
	uint64_t value = 0;
	long result;

	b->fds[0] = eventfd(0, 0);
	result = syscall(SYS_read, b->fds[0], &value, 8);
	CHECK("value of the eventfd", 1ull << 40, value);
	return result;
}

static void add_to_eventfd(struct blocked *b)
{
	uint64_t value = 1ull << 40;

	NEED(write(b->fds[0], &value, 8) == 8);
}

/* No room for one more. */
static long write_eventfd(struct blocked *b)
{
	uint64_t value = UINT64_MAX - 1;

	b->fds[0] = eventfd(0, 0);
	NEED(write(b->fds[0], &value, 8) == 8);
	value = 5;
	return syscall(SYS_write, b->fds[0], &value, 8);
}

static void take_from_eventfd(struct blocked *b)
{
	uint64_t value = 0;

	CHECK("read of the full eventfd", 8, read(b->fds[0], &value, 8));
	CHECK("its value", UINT64_MAX - 1, value);
	CHECK("read of what waited", 8, read(b->fds[0], &value, 8));
	CHECK("its value", 5, value);
}

static long read_timerfd(struct blocked *b)
{
	struct itimerspec hour = { { 0, 0 }, { 3600, 0 } };
	uint64_t count = 0;
	long result;

	b->fds[0] = timerfd_create(CLOCK_MONOTONIC, 0);
	NEED(timerfd_settime(b->fds[0], 0, &hour, NULL) == 0);
	result = syscall(SYS_read, b->fds[0], &count, 8);
	CHECK("expirations", 1, count);
	return result;
}

static void let_timer_expire(struct blocked *b)
{
	struct itimerspec soon = { { 0, 0 }, { 0, 1 } };

	NEED(timerfd_settime(b->fds[0], 0, &soon, NULL) == 0);
}

static long read_signalfd(struct blocked *b)
{
	struct signalfd_siginfo info = { 0 };
	sigset_t mask;
	long result;

	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMIN + 3);
	b->fds[0] = signalfd(-1, &mask, 0);
	result = syscall(SYS_read, b->fds[0], &info, sizeof(info));
	CHECK("signal", SIGRTMIN + 3, info.ssi_signo);
	CHECK("its value", 77, info.ssi_int);
	return result;
}

static void send_value(struct blocked *b)
{
	(void)b;
	NEED(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 77 }) == 0);
}

static long read_inotify(struct blocked *b)
{
	char buffer[512];
	long result;

	NEED(mkdir("watched", 0700) == 0);
	b->fds[0] = inotify_init1(0);
	NEED(inotify_add_watch(b->fds[0], "watched", IN_CREATE) == 1);
	result = syscall(SYS_read, b->fds[0], buffer, sizeof(buffer));
	check_text("name", "new", ((struct inotify_event *)buffer)->name);
	return result > 0 ? 0 : result;
}

static void make_new(struct blocked *b)
{
	(void)b;
	write_file("watched/new", "", 0);
}

static long read_fanotify(struct blocked *b)
{
	struct fanotify_event_metadata event = { 0 };
	long result;

	b->fds[0] = fanotify_init(FAN_CLASS_NOTIF, O_RDONLY);
	NEED(b->fds[0] >= 0);
	write_file("marked", "", 0);
	NEED(fanotify_mark(b->fds[0], FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "marked") == 0);
	result = syscall(SYS_read, b->fds[0], &event, sizeof(event));
	CHECK("event", FAN_OPEN, event.mask);
	CHECK("who", getpid(), event.pid);
	close(event.fd);
	return result > 0 ? 0 : result;
}

static void open_marked(struct blocked *b)
{
	int fd = open("marked", O_RDONLY);

	(void)b;
	NEED(fd >= 0 && close(fd) == 0);
}

/* --- Message queues: the names are gone, the queues are not --- */

static mqd_t open_queue(const char *way)
{
	struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	char name[64];
	mqd_t queue;

	snprintf(name, sizeof(name), "/crtools-%s-%d", way, getpid());
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
	NEED(queue >= 0 && mq_unlink(name) == 0);
	return queue;
}

static long receive_message(struct blocked *b)
{
	char got[16] = "";
	unsigned priority = 0;
	long result;

	b->fds[0] = open_queue("receive");
	result = syscall(SYS_mq_timedreceive, b->fds[0], got, sizeof(got), &priority, NULL);
	check_text("message", "late", got);
	CHECK("its priority", 9, priority);
	return result;
}

static void send_message(struct blocked *b)
{
	NEED(mq_send(b->fds[0], "late", 4, 9) == 0);
}

static long send_to_full_queue(struct blocked *b)
{
	b->fds[0] = open_queue("send");
	NEED(mq_send(b->fds[0], "one", 3, 1) == 0 && mq_send(b->fds[0], "two", 3, 1) == 0);
	return syscall(SYS_mq_timedsend, b->fds[0], "late", 4L, 1L, NULL);
}

static void empty_queue(struct blocked *b)
{
	static const char *const wanted[] = { "one", "two", "late" };

	for (size_t i = 0; i < COUNT(wanted); i++) {
		char got[16] = "";

		NEED(mq_receive(b->fds[0], got, sizeof(got), NULL) > 0);
		check_text("message", wanted[i], got);
	}
}

/* --- Sockets --- */

static struct sockaddr_in inet_listener, inet_receiver;

static int bound_inet(int kind, struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, kind, 0);

	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	NEED(fd >= 0 && bind(fd, (struct sockaddr *)address, size) == 0);
	NEED(getsockname(fd, (struct sockaddr *)address, &size) == 0);
	return fd;
}

static long receive_datagram(struct blocked *b)
{
	struct sockaddr_in from = { 0 };
	socklen_t size = sizeof(from);
	char got[8] = "";
	long result;

	b->fds[0] = bound_inet(SOCK_DGRAM, &inet_receiver);
	result = syscall(SYS_recvfrom, b->fds[0], got, sizeof(got), 0, &from, &size);
	check_text("datagram", "late", got);
	CHECK("where it came from", INADDR_LOOPBACK, ntohl(from.sin_addr.s_addr));
	return result;
}

static void send_datagram(struct blocked *b)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)b;
	NEED(sendto(fd, "late", 4, 0, (struct sockaddr *)&inet_receiver, sizeof(inet_receiver)) == 4);
	close(fd);
}

static long receive_from_pair(struct blocked *b, int kind)
{
	char got[8] = "";
	struct iovec one = { got, sizeof(got) };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };
	long result;

	NEED(socketpair(AF_UNIX, kind, 0, b->fds) == 0);
	result = syscall(SYS_recvmsg, b->fds[0], &message, 0);
	check_text("what was received", "late", got);
	return result;
}

static long receive_packet(struct blocked *b) { return receive_from_pair(b, SOCK_SEQPACKET); }
static long receive_stream(struct blocked *b) { return receive_from_pair(b, SOCK_STREAM); }

static void send_late(struct blocked *b)
{
	NEED(send(b->fds[1], "late", 4, 0) == 4);
}

/* The receiver's queue has no room for one more. */
static long send_to_full_socket(struct blocked *b)
{
	NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, b->fds) == 0);
	while (send(b->fds[1], "x", 1, MSG_DONTWAIT) == 1)
		b->word++;
	NEED(errno == EAGAIN);
	return syscall(SYS_sendto, b->fds[1], "late", 4L, 0L, NULL, 0L);
}

static void empty_socket(struct blocked *b)
{
	char got[8] = "";

	for (int i = 0; i < b->word; i++)
		CHECK("datagram before it", 1, recv(b->fds[0], got, sizeof(got), 0));
	CHECK("the one that waited", 4, recv(b->fds[0], got, sizeof(got), 0));
	check_text("the one that waited", "late", got);
}

static struct sockaddr_un unix_listener = { .sun_family = AF_UNIX, .sun_path = "listener" };

static long accept_unix(struct blocked *b)
{
	b->fds[0] = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	NEED(bind(b->fds[0], (struct sockaddr *)&unix_listener, sizeof(unix_listener)) == 0);
	NEED(listen(b->fds[0], 3) == 0);
	return syscall(SYS_accept4, b->fds[0], NULL, NULL, 0L) < 0 ? -1 : 0;
}

static void connect_unix(struct blocked *b)
{
	b->fds[1] = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	NEED(connect(b->fds[1], (struct sockaddr *)&unix_listener, sizeof(unix_listener)) == 0);
}

static long receive_netlink(struct blocked *b)
{
	union {
		struct nlmsghdr header;
		char bytes[8192];
	} answer = { .bytes = { 0 } };
	long result;

	b->fds[0] = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	NEED(b->fds[0] >= 0);
	result = syscall(SYS_recvfrom, b->fds[0], &answer, sizeof(answer), 0, NULL, NULL);
	CHECK("type of the answer", RTM_NEWLINK, answer.header.nlmsg_type);
	return result > 0 ? 0 : result;
}

static void ask_netlink(struct blocked *b)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg about;
	} question = {
		{ sizeof(question), RTM_GETLINK, NLM_F_REQUEST, 1, 0 }, { .ifi_index = 1 },
	};

	NEED(send(b->fds[0], &question, sizeof(question), 0) == sizeof(question));
}

static long accept_tcp(struct blocked *b)
{
	b->fds[0] = bound_inet(SOCK_STREAM, &inet_listener);
	NEED(listen(b->fds[0], 3) == 0);
	return syscall(SYS_accept4, b->fds[0], NULL, NULL, 0L) < 0 ? -1 : 0;
}

static void connect_tcp(struct blocked *b)
{
	b->fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	NEED(connect(b->fds[1], (struct sockaddr *)&inet_listener, sizeof(inet_listener)) == 0);
}

static void connection(struct blocked *b)
{
	struct sockaddr_in address;
	int listener = bound_inet(SOCK_STREAM, &address);

	NEED(listen(listener, 3) == 0);
	b->fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	NEED(connect(b->fds[1], (struct sockaddr *)&address, sizeof(address)) == 0);
	b->fds[0] = accept(listener, NULL, NULL);
	NEED(b->fds[0] >= 0 && close(listener) == 0);
}

static long receive_tcp(struct blocked *b)
{
	char got[8] = "";
	long result;

	connection(b);
	result = syscall(SYS_recvfrom, b->fds[0], got, sizeof(got), 0, NULL, NULL);
	check_text("what was received", "late", got);
	return result;
}

static struct blocked plain[] = {
	{ "read of an eventfd", SYS_read, read_eventfd, 8, .release = add_to_eventfd },
	{ "write to an eventfd", SYS_write, write_eventfd, 8, .release = take_from_eventfd },
	{ "read of a timerfd", SYS_read, read_timerfd, 8, .release = let_timer_expire },
	{ "read of a signalfd", SYS_read, read_signalfd, sizeof(struct signalfd_siginfo),
	  .release = send_value },
	{ "read of an inotify descriptor", SYS_read, read_inotify, .release = make_new },
	{ "mq_receive", SYS_mq_timedreceive, receive_message, 4, .release = send_message },
	{ "mq_send", SYS_mq_timedsend, send_to_full_queue, .release = empty_queue },
	{ "recvfrom of UDP", SYS_recvfrom, receive_datagram, 4, .release = send_datagram },
	{ "recvmsg of packets", SYS_recvmsg, receive_packet, 4, .release = send_late },
	{ "recvmsg of a stream", SYS_recvmsg, receive_stream, 4, .release = send_late },
	{ "send to a full queue", SYS_sendto, send_to_full_socket, 4, .release = empty_socket },
	{ "accept of a unix socket", SYS_accept4, accept_unix, .release = connect_unix },
	{ "recvfrom of netlink", SYS_recvfrom, receive_netlink, .release = ask_netlink },
};

static struct blocked tcp[] = {
	{ "accept of TCP", SYS_accept4, accept_tcp, .release = connect_tcp },
	{ "recvfrom of TCP", SYS_recvfrom, receive_tcp, 4, .release = send_late },
};

static struct blocked root[] = {
	{ "read of a fanotify descriptor", SYS_read, read_fanotify, .release = open_marked },
};

int main(int argc, char **argv)
{
	sigset_t mask;

	begin(argc, argv);
	sigemptyset(&mask);
	sigaddset(&mask, SIGRTMIN + 3);
	NEED(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);	/* in all threads */
	if (!strcmp(variant(argc, argv), "tcp"))
		return run_all_blocked(tcp, COUNT(tcp));
	if (!strcmp(variant(argc, argv), "root"))
		return run_all_blocked(root, COUNT(root));
	return run_all_blocked(plain, COUNT(plain));
}
