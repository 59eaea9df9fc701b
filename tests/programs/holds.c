/*
 * Holds one object of the kernel, named by the variant: each of the kinds of which some are carried
 * only by a later version. The test wants it carried over, or refused by name without harm.
 */
#include "program.h"
#include <arpa/inet.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

static int fd = -1, other = -1;
static char buffer[256];

static void make_socketpair(void)
{
	int pair[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && write(pair[0], "queued", 6) == 6);
	fd = pair[0];
	other = pair[1];
}

static void check_socketpair(void)
{
	CHECK("queued data", 6, read(other, buffer, sizeof(buffer)));
	CHECK("a write the other way", 2, write(other, "ok", 2));
	CHECK("its arrival", 2, read(fd, buffer, sizeof(buffer)));
}

static void make_unix_listener(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	NEED(fd >= 0 && !bind(fd, (void *)&address, sizeof(address)) && !listen(fd, 5));
}

static void check_listener(void)
{
	int value = 0;
	socklen_t size = sizeof(value);

	CHECK("getsockopt", 0, getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size));
	CHECK("SO_ACCEPTCONN", 1, value);
}

static void bind_inet(int type)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	fd = socket(AF_INET, type, 0);
	NEED(fd >= 0 && !bind(fd, (void *)&address, sizeof(address)));
}

static void make_tcp(void)
{
	bind_inet(SOCK_STREAM);
	NEED(listen(fd, 5) == 0);
}

static void make_udp(void)
{
	bind_inet(SOCK_DGRAM);
}

static void check_udp(void)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	CHECK("getsockname", 0, getsockname(fd, (void *)&address, &size));
	check_between("port", 1, 65535, ntohs(address.sin_port));
}

static void make_netlink(void)
{
	fd = socket(AF_NETLINK, SOCK_RAW, 0);
	NEED(fd >= 0);
}

static void check_open(void)
{
	check_between("flags of the descriptor", 0, INT_MAX, fcntl(fd, F_GETFL));
}

static void make_inotify(void)
{
	fd = inotify_init1(IN_NONBLOCK);
	NEED(fd >= 0 && inotify_add_watch(fd, test_dir, IN_CREATE) > 0);
}

static void check_inotify(void)
{
	write_file("seen-by-inotify", "", 0);
	check_between("event", sizeof(struct inotify_event), sizeof(buffer), read(fd, buffer, sizeof(buffer)));
}

static void make_fanotify(void)
{
	fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
	NEED(fd >= 0 && fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, test_dir) == 0);
}

static void make_memfd(void)
{
	fd = memfd_create("held", MFD_ALLOW_SEALING);
	NEED(fd >= 0 && write(fd, "content", 7) == 7 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
}

static void check_memfd(void)
{
	CHECK("content", 7, pread(fd, buffer, sizeof(buffer), 0));
	check_bytes("content", "content", buffer, 7);
	CHECK("seals", F_SEAL_SHRINK, fcntl(fd, F_GET_SEALS));
}

static void make_memfd_with_attribute(void)
{
	make_memfd();
	if (fsetxattr(fd, "user.crtools", "x", 1, 0))
		skip("memfds have no extended attributes here");
}

static void check_memfd_with_attribute(void)
{
	check_memfd();
	CHECK("attribute", 1, fgetxattr(fd, "user.crtools", buffer, sizeof(buffer)));
}

static char *secret;

static void make_secret(void)
{
	fd = (int)syscall(SYS_memfd_secret, 0);
	if (fd < 0)
		skip("no secret memory here (memfd_secret)");
	NEED(ftruncate(fd, 4096) == 0);
	secret = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(secret != MAP_FAILED);
	memset(secret, 9, 4096);
}

static void make_secret_closed(void)
{
	make_secret();
	NEED(close(fd) == 0);
}

static void check_secret(void)
{
	check_filled("secret memory", secret, 9, 4096);
}

static void make_pty(void)
{
	char name[64];

	fd = posix_openpt(O_RDWR | O_NOCTTY);
	NEED(fd >= 0 && !grantpt(fd) && !unlockpt(fd) && !ptsname_r(fd, name, sizeof(name)));
	other = open(name, O_RDWR | O_NOCTTY);
	NEED(other >= 0);
}

static void check_pty(void)
{
	CHECK("write to the slave", 3, write(other, "abc", 3));
	CHECK("read from the master", 3, read(fd, buffer, sizeof(buffer)));
}

static timer_t timer;

static void make_posix_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	struct itimerspec time = { { 2, 0 }, { 3600, 0 } };

	NEED(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &time, NULL) == 0);
}

static void check_posix_timer(void)
{
	struct itimerspec time = { 0 };

	CHECK("timer_gettime", 0, timer_gettime(timer, &time));
	check_between("seconds left", 3000, 3600, time.it_value.tv_sec);
}

static void *make_timer_for_thread(void *argument)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN };

	event._sigev_un._tid = tid_of_caller();
	NEED(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	return argument;
}

/* The thread that is to be signalled has ended. */
static void make_orphan_timer(void)
{
	struct itimerspec time = { { 2, 0 }, { 3600, 0 } };
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, make_timer_for_thread, NULL) == 0);
	NEED(pthread_join(thread, NULL) == 0 && timer_settime(timer, 0, &time, NULL) == 0);
}

/* On the CPU clock of a process that is not dumped. */
static void make_foreign_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	struct itimerspec time = { { 2, 0 }, { 3600, 0 } };
	clockid_t clock;

	NEED(clock_getcpuclockid(getppid(), &clock) == 0 && timer_create(clock, &event, &timer) == 0);
	NEED(timer_settime(timer, 0, &time, NULL) == 0);
}

static void make_flock(void)
{
	fd = open("locked", O_RDWR | O_CREAT, 0600);
	NEED(fd >= 0 && flock(fd, LOCK_EX) == 0);
}

static void check_flock(void)
{
	other = open("locked", O_RDWR);
	CHECK("a second lock", -1, flock(other, LOCK_EX | LOCK_NB));
}

static void make_posix_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 5 };

	fd = open("locked", O_RDWR | O_CREAT, 0600);
	NEED(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0);
}

static void check_posix_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	pid_t owner = getpid(), pid = fork();

	if (pid == 0) {
		CHECK("F_GETLK", 0, fcntl(fd, F_GETLK, &lock));
		CHECK("owner of the lock", owner, lock.l_pid);
		CHECK("start of the lock", 3, lock.l_start);
		_exit(failures ? 1 : 0);
	}
	expect_exit("a child that looks at the lock", pid, 0);
}

static void make_lease(void)
{
	fd = open("leased", O_RDWR | O_CREAT, 0600);
	NEED(fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0);
}

static void check_lease(void)
{
	CHECK("lease", F_WRLCK, fcntl(fd, F_GETLEASE));
}

static void make_file_owner(void)
{
	int ends[2];

	NEED(pipe(ends) == 0);
	fd = ends[0];
	NEED(fcntl(fd, F_SETOWN, getpid()) == 0 && fcntl(fd, F_SETSIG, SIGRTMIN + 1) == 0);
}

static void check_file_owner(void)
{
	CHECK("F_GETOWN", getpid(), fcntl(fd, F_GETOWN));
	CHECK("F_GETSIG", SIGRTMIN + 1, fcntl(fd, F_GETSIG));
}

static char *attached;

static void make_sysv_shm(void)
{
	int id = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600);

	NEED(id >= 0 && (attached = shmat(id, NULL, 0)) != (char *)-1);
	NEED(shmctl(id, IPC_RMID, NULL) == 0);	/* it goes with the last that is attached */
	memset(attached, 7, 8192);
}

static void check_sysv_shm(void)
{
	check_filled("shared memory", attached, 7, 8192);
}

static aio_context_t aio;

static void make_aio(void)
{
	NEED(syscall(SYS_io_setup, 8, &aio) == 0);
}

static void check_aio(void)
{
	struct timespec none = { 0, 0 };
	struct io_event event;

	CHECK("io_getevents", 0, syscall(SYS_io_getevents, aio, 0L, 1L, &event, &none));
}

static void make_io_uring(void)
{
	struct io_uring_params params = { 0 };

	fd = (int)syscall(SYS_io_uring_setup, 8, &params);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		skip("no io_uring here");
	NEED(fd >= 0);
}

static void make_userfaultfd(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		skip("no userfaultfd here");
	NEED(fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0);
}

static void make_namespace_fd(void)
{
	fd = open("/proc/self/ns/net", O_RDONLY);
	NEED(fd >= 0);
}

static void check_namespace_fd(void)
{
	struct stat held, own;

	NEED(stat("/proc/self/ns/net", &own) == 0);
	CHECK("fstat", 0, fstat(fd, &held));
	CHECK("inode", own.st_ino, held.st_ino);
}

static void make_tun(void)
{
	fd = open("/dev/net/tun", O_RDWR);
	if (fd < 0)
		skip("no /dev/net/tun here");
}

/* A process outside the tree: its parent has ended, and it has a session of its own. */
static void hold_outside(const char *fifo, int end)
{
	pid_t program = getpid();

	if (fork() == 0) {
		setsid();
		if (fork() == 0) {
			if (fifo)
				end = open(fifo, O_RDONLY);
			write_file("outside", "", 0);
			wait_until_told();
			/* It is still there when the program checks. */
			while (kill(program, 0) == 0)
				sleep_ms(1);
			_exit(end < 0);
		}
		_exit(0);
	}
	NEED(wait(NULL) > 0);
}

static void make_foreign_fifo(void)
{
	NEED(mkfifo("foreign.fifo", 0600) == 0);
	hold_outside("foreign.fifo", -1);
	fd = open("foreign.fifo", O_WRONLY);
	NEED(fd >= 0 && write(fd, "data", 4) == 4);
}

static void make_foreign_pipe(void)
{
	int ends[2];

	NEED(pipe(ends) == 0);
	fd = ends[1];
	hold_outside(NULL, ends[0]);
	NEED(close(ends[0]) == 0 && write(fd, "data", 4) == 4);
	while (access("outside", F_OK))
		sleep_ms(1);
}

static void make_foreign_memfd(void)
{
	make_memfd();
	hold_outside(NULL, fd);
	while (access("outside", F_OK))
		sleep_ms(1);
}

/* A process outside has it as well. */
static void make_foreign_eventfd(void)
{
	fd = eventfd(3, 0);
	NEED(fd >= 0);
	hold_outside(NULL, fd);
	while (access("outside", F_OK))
		sleep_ms(1);
}

/* A process outside alone has what is watched here. */
static void make_foreign_watch(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	make_foreign_eventfd();
	other = fd;
	fd = epoll_create1(0);
	NEED(fd >= 0 && epoll_ctl(fd, EPOLL_CTL_ADD, other, &event) == 0 && close(other) == 0);
}

static void check_foreign_watch(void)
{
	struct epoll_event event;

	CHECK("events of the file outside", 1, epoll_wait(fd, &event, 1, 0));
}

static void make_packets(void)
{
	int ends[2];

	NEED(pipe2(ends, O_DIRECT) == 0 && write(ends[1], "one", 3) == 3 && write(ends[1], "two", 3) == 3);
	fd = ends[0];
}

static void check_packets(void)
{
	CHECK("first packet", 3, read(fd, buffer, sizeof(buffer)));
	check_bytes("first packet", "one", buffer, 3);
	CHECK("second packet", 3, read(fd, buffer, sizeof(buffer)));
	check_bytes("second packet", "two", buffer, 3);
}

static void make_file_in_dead_pid(void)
{
	char path[64];
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY);
	NEED(fd >= 0 && kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

static void check_file_in_dead_pid(void)
{
	CHECK("a read", -1, read(fd, buffer, 1));
	CHECK("errno", ESRCH, errno);
}

static void make_foreign_time(void)
{
	if (unshare(0x00000080 /* CLONE_NEWTIME, linux/sched.h */))
		skip("no time namespaces here");
}

static void check_nothing(void)
{
}

/* A second process that shares the memory, as CLONE_VM alone makes it. */
static char clone_stack[65536];

static int shares_memory(void *argument)
{
	while (!told())
		sleep_ms(2);
	*(int *)argument = 4242;
	return 5;
}

static volatile int written_by_clone;
static pid_t cloned;

static void make_shared_memory_clone(void)
{
	cloned = clone(shares_memory, clone_stack + sizeof(clone_stack), CLONE_VM | SIGCHLD, (void *)&written_by_clone);
	NEED(cloned > 0);
}

static void make_shared_files_clone(void)
{
	cloned = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	NEED(cloned >= 0);
	if (cloned == 0) {
		wait_until_told();
		NEED(open("/dev/null", O_RDONLY) >= 0 && dup2(STDIN_FILENO, 700) == 700);
		_exit(5);
	}
}

static void check_shared_memory_clone(void)
{
	expect_exit("the clone", cloned, 5);
	CHECK("written by the clone", 4242, written_by_clone);
}

static void check_shared_files_clone(void)
{
	expect_exit("the clone", cloned, 5);
	check_between("opened by the clone", 0, INT_MAX, fcntl(700, F_GETFD));
}

static const struct {
	const char *name;
	void (*make)(void), (*check)(void);
} kinds[] = {
	{ "socketpair", make_socketpair, check_socketpair },
	{ "unix-listener", make_unix_listener, check_listener },
	{ "tcp-listener", make_tcp, check_listener },
	{ "udp", make_udp, check_udp },
	{ "netlink", make_netlink, check_open },
	{ "inotify", make_inotify, check_inotify },
	{ "fanotify", make_fanotify, check_open },
	{ "memfd", make_memfd, check_memfd },
	{ "memfd-attribute", make_memfd_with_attribute, check_memfd_with_attribute },
	{ "foreign-memfd", make_foreign_memfd, check_memfd },
	{ "secret", make_secret, check_secret },
	{ "secret-closed", make_secret_closed, check_secret },
	{ "pty", make_pty, check_pty },
	{ "posix-timer", make_posix_timer, check_posix_timer },
	{ "orphan-timer", make_orphan_timer, check_posix_timer },
	{ "foreign-timer", make_foreign_timer, check_posix_timer },
	{ "flock", make_flock, check_flock },
	{ "posix-lock", make_posix_lock, check_posix_lock },
	{ "lease", make_lease, check_lease },
	{ "file-owner", make_file_owner, check_file_owner },
	{ "sysv-shm", make_sysv_shm, check_sysv_shm },
	{ "aio", make_aio, check_aio },
	{ "io-uring", make_io_uring, check_open },
	{ "userfaultfd", make_userfaultfd, check_open },
	{ "namespace", make_namespace_fd, check_namespace_fd },
	{ "tun", make_tun, check_open },
	{ "foreign-fifo", make_foreign_fifo, check_open },
	{ "foreign-pipe", make_foreign_pipe, check_open },
	{ "foreign-eventfd", make_foreign_eventfd, check_open },
	{ "foreign-watch", make_foreign_watch, check_foreign_watch },
	{ "packets", make_packets, check_packets },
	{ "dead-proc-file", make_file_in_dead_pid, check_file_in_dead_pid },
	{ "children-time-namespace", make_foreign_time, check_nothing },
	{ "shared-memory-clone", make_shared_memory_clone, check_shared_memory_clone },
	{ "shared-files-clone", make_shared_files_clone, check_shared_files_clone },
};

int main(int argc, char **argv)
{
	begin(argc, argv);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (strcmp(kinds[i].name, variant(argc, argv)))
			continue;
		kinds[i].make();
		ready();
		wait_until_told();
		kinds[i].check();
		return verdict();
	}
	NEED(!"such a kind");
}
