/*
 * Pidfds: of oneself, parent and child, of zombies, of what has been reaped, of threads that run and
 * that have ended, shared with a child, flags. With "outside": of a process that is not in the tree;
 * with "ended PID": of one that is not, and that somebody ends before the program goes on.
 */
#include "program.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif
#ifndef PIDFD_NONBLOCK
#define PIDFD_NONBLOCK O_NONBLOCK
#endif
#define P_PIDFD_ID 3
#define GET_INFO 0xC040FF0Bul	/* PIDFD_GET_INFO, struct pidfd_info of 64 bytes */

static int own, parent, thread_fd, has_threads;
static pthread_barrier_t told_thread;

static int open_pid(pid_t pid, unsigned flags)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, flags);

	NEED(fd >= 0);
	return fd;
}

static int pid_of(int fd)
{
	char path[64], text[1024];
	char *line;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	read_file(path, text, sizeof(text));
	line = strstr(text, "\nPid:\t");
	NEED(line);
	return atoi(line + 6);
}

static int events(int fd)
{
	struct pollfd one = { fd, POLLIN, 0 };

	NEED(poll(&one, 1, 0) >= 0);
	return one.revents;
}

static int signal_0(int fd)
{
	return syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) ? errno : 0;
}

static ino_t inode(int fd)
{
	struct stat about;

	NEED(fstat(fd, &about) == 0);
	return about.st_ino;
}

/* -1 where the kernel does not tell. */
static int status_of(int fd)
{
	uint64_t info[8] = { 8 };

	return ioctl(fd, GET_INFO, info) || !(info[0] & 8) ? -1 : (int)(info[7] >> 32);
}

static void child(void *argument)
{
	(void)argument;
	parent = open_pid(getppid(), PIDFD_NONBLOCK);
	child_is_ready();
	wait_until_told();
	CHECK("the parent", getppid(), pid_of(parent));
	CHECK("the parent's flags", O_RDWR | O_NONBLOCK, fcntl(parent, F_GETFL));
	CHECK("signal to the parent", 0, signal_0(parent));
	CHECK("inherited", getppid(), pid_of(own));
	CHECK("no end of the parent", 0, events(parent));
	if (has_threads) {
		CHECK("the parent's thread", 0, signal_0(thread_fd));
		check_between("the parent's thread", getppid() + 1, INT_MAX, pid_of(thread_fd));
		CHECK("the thread's flags", O_RDWR | O_EXCL, fcntl(thread_fd, F_GETFL));
		CHECK("the thread's close-on-exec", FD_CLOEXEC, fcntl(thread_fd, F_GETFD));
	}
}

static void short_life(void *argument)
{
	child_is_ready();
	if (argument)
		raise(SIGTERM);
	_exit(42);
}

static void *thread_body(void *argument)
{
	*(pid_t *)argument = tid_of_caller();
	pthread_barrier_wait(&told_thread);
	pthread_barrier_wait(&told_thread);
	return NULL;
}

static void *short_thread_body(void *argument)
{
	int *ends = argument;
	pid_t tid = tid_of_caller();
	char byte;

	NEED(write(ends[1], &tid, sizeof(tid)) == sizeof(tid) && read(ends[2], &byte, 1) == 1);
	return NULL;
}

static int family(void)
{
	int alive, zombie, zombie_again, reaped, reaped_again = -1, killed, copy, gone = -1, epoll, ended[2];
	int reaped_status, killed_status;
	pid_t pid, zombie_pid, tid = 0;
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 7 }, got;
	ino_t same[2];
	pthread_t thread;
	siginfo_t info;

	own = open_pid(getpid(), 0);
	NEED(fcntl(own, F_SETFD, 0) == 0);
	NEED(pthread_barrier_init(&told_thread, NULL, 2) == 0);
	NEED(pthread_create(&thread, NULL, thread_body, &tid) == 0);
	pthread_barrier_wait(&told_thread);
	thread_fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
	has_threads = thread_fd >= 0;	/* Linux 6.9 */
	if (has_threads) {
		pthread_t short_thread;
		pid_t short_tid;
		int ends[4];

		NEED(pipe(ends) == 0 && pipe(ends + 2) == 0);
		NEED(pthread_create(&short_thread, NULL, short_thread_body, ends) == 0);
		NEED(read(ends[0], &short_tid, sizeof(short_tid)) == sizeof(short_tid));
		gone = open_pid(short_tid, PIDFD_THREAD);
		NEED(write(ends[3], "", 1) == 1 && pthread_join(short_thread, NULL) == 0);
		for (int i = 0; i < 4; i++)
			close(ends[i]);
		while (signal_0(gone) != ESRCH)
			sleep_ms(1);
	}
	pid = spawn(child, NULL);
	alive = open_pid(pid, 0);
	copy = dup(alive);
	zombie_pid = spawn(short_life, NULL);
	zombie = open_pid(zombie_pid, 0);
	zombie_again = open_pid(zombie_pid, has_threads ? PIDFD_THREAD | PIDFD_NONBLOCK : PIDFD_NONBLOCK);
	wait_until_state(zombie_pid, 'Z');
	for (int i = 0; i < 2; i++) {
		pid_t reaped_pid = spawn(short_life, i ? &i : NULL);

		ended[i] = open_pid(reaped_pid, 0);
		if (i == 0)
			reaped_again = open_pid(reaped_pid, PIDFD_NONBLOCK);
		NEED(waitpid(reaped_pid, NULL, 0) == reaped_pid);
	}
	reaped = ended[0];
	killed = ended[1];
	reaped_status = status_of(reaped);
	killed_status = status_of(killed);
	same[0] = inode(reaped) == inode(reaped_again);
	same[1] = inode(reaped) == inode(killed);
	epoll = epoll_create1(0);
	NEED(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, alive, &event) == 0);
	event = (struct epoll_event){ .events = EPOLLIN | EPOLLET, .data.u32 = 8 };
	NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, zombie, &event) == 0);
	if (has_threads) {
		event = (struct epoll_event){ .events = EPOLLIN, .data.u32 = 9 };
		NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, thread_fd, &event) == 0);
	}
	NEED(epoll_wait(epoll, &got, 1, 0) == 1 && got.data.u32 == 8);

	ready();
	CHECK("nothing to wait for", 0, epoll_wait(epoll, &got, 1, 0));
	wait_until_told();

	CHECK("oneself", getpid(), pid_of(own));
	CHECK("close-on-exec of oneself", 0, fcntl(own, F_GETFD));
	CHECK("close-on-exec of the child", FD_CLOEXEC, fcntl(alive, F_GETFD));
	CHECK("close-on-exec of the copy", 0, fcntl(copy, F_GETFD));
	CHECK("the child", pid, pid_of(copy));
	CHECK("the zombie", zombie_pid, pid_of(zombie));
	CHECK("the zombie's end", POLLIN, events(zombie) & POLLIN);
	CHECK("the zombie's flags", O_RDWR | O_NONBLOCK | (has_threads ? O_EXCL : 0),
	      fcntl(zombie_again, F_GETFL));
	CHECK("one inode of a task", inode(zombie), inode(zombie_again));
	CHECK("the child's and the zombie's inode", has_threads, inode(zombie) != inode(alive));
	CHECK("reaped", -1, pid_of(reaped));
	CHECK("reaped, by its copy", -1, pid_of(reaped_again));
	CHECK("flags of the copy", O_RDWR | O_NONBLOCK, fcntl(reaped_again, F_GETFL));
	CHECK("signal to the reaped", ESRCH, signal_0(reaped));
	CHECK("end of the reaped", POLLIN, events(reaped) & POLLIN);
	CHECK("signal to the killed", ESRCH, signal_0(killed));
	CHECK("inodes of one that was reaped", same[0], inode(reaped) == inode(reaped_again));
	CHECK("inodes of two that were reaped", same[1], inode(reaped) == inode(killed));
	CHECK("status of the reaped", reaped_status, status_of(reaped));
	CHECK("status of the killed", killed_status, status_of(killed));
	if (has_threads) {
		CHECK("the thread", tid, pid_of(thread_fd));
		CHECK("signal to the thread", 0, signal_0(thread_fd));
		CHECK("the thread's flags", O_RDWR | O_EXCL, fcntl(thread_fd, F_GETFL));
		CHECK("the thread that has ended", -1, pid_of(gone));
		CHECK("its flags", O_RDWR | O_EXCL, fcntl(gone, F_GETFL));
		CHECK("signal to it", ESRCH, signal_0(gone));
	}
	NEED(epoll_ctl(epoll, EPOLL_CTL_DEL, zombie, NULL) == 0);	/* to be reaped is an event, too */
	CHECK("waitid for the zombie", 0, waitid(P_PIDFD_ID, (id_t)zombie, &info, WEXITED));
	CHECK("its status", 42, info.si_status);
	CHECK("the zombie is gone", -1, pid_of(zombie_again));
	expect_exit("child", pid, 0);
	CHECK("the child's end", 1, epoll_wait(epoll, &got, 1, 5000));
	CHECK("whose end", 7, got.data.u32);
	NEED(epoll_ctl(epoll, EPOLL_CTL_DEL, alive, NULL) == 0);
	pthread_barrier_wait(&told_thread);
	NEED(pthread_join(thread, NULL) == 0);
	if (has_threads) {
		CHECK("the thread's end", 1, epoll_wait(epoll, &got, 1, 5000));
		CHECK("whose end", 9, got.data.u32);
	}
	return verdict();
}

/* The process that has started the program is not in the tree. */
static int outside(void)
{
	int fd = open_pid(getppid(), PIDFD_NONBLOCK), copy = dup(fd), answer = signal_0(fd);

	ready();
	wait_until_told();

	CHECK("the process outside", getppid(), pid_of(fd));
	CHECK("its flags", O_RDWR | O_NONBLOCK, fcntl(copy, F_GETFL));
	CHECK("signal to it", answer, signal_0(copy));
	CHECK("no end of it", 0, events(fd));
	return verdict();
}

static int ended_meanwhile(pid_t pid)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 7 }, got = { 0 };
	int fd = open_pid(pid, PIDFD_NONBLOCK), copy = open_pid(pid, 0), epoll = epoll_create1(0);

	NEED(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);

	ready();
	wait_until_told();

	CHECK("its pid", -1, pid_of(fd));
	CHECK("signal to it", ESRCH, signal_0(copy));
	CHECK("its end", POLLIN, events(copy) & POLLIN);
	CHECK("its end, told", 1, epoll_wait(epoll, &got, 1, 0));
	CHECK("flags", O_RDWR | O_NONBLOCK, fcntl(fd, F_GETFL));
	return verdict();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	if (argc > 3)
		return ended_meanwhile(atoi(argv[3]));
	return *variant(argc, argv) ? outside() : family();
}
