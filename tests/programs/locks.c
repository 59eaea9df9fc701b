/*
 * Locks of files. "plain": of processes, of open files and flocks, in ranges, of both types, on named,
 * deleted and memory files and a directory, through copies, by a child, by a thread and by one with
 * whom the table is shared. "waiting": relatives and a thread that wait for some of them. "many":
 * more than one read of fdinfo shows. "mapped": such that mappings alone keep. "lost": one on
 * memory.
 */
#include "program.h"
#include <sys/file.h>

static int set(int fd, int command, int type, off_t start, off_t length)
{
	struct flock lock = { .l_type = (short)type, .l_start = start, .l_len = length };

	return fcntl(fd, command, &lock);
}

/* Who is in the way of a lock of these bytes; 0: nobody. */
static pid_t in_the_way(int fd, int command, int type, off_t start, off_t length)
{
	struct flock lock = { .l_type = (short)type, .l_start = start, .l_len = length };

	NEED(fcntl(fd, command, &lock) == 0);
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static int open_new(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT, 0600);

	NEED(fd >= 0);
	return fd;
}

static pid_t parent;
static int flocked, twice, of_memory, shared_table = -1;

/* What a child, whom none of its parent's POSIX locks belong to, finds in the way. */
static void look(void *argument)
{
	int fd = open_new("ranges"), deleted = *(int *)argument, directory = open(".", O_RDONLY);

	child_is_ready();
	NEED(directory >= 0);
	CHECK("read lock: readers", 0, in_the_way(fd, F_GETLK, F_RDLCK, 0, 10));
	CHECK("read lock: writers", parent, in_the_way(fd, F_GETLK, F_WRLCK, 0, 10));
	CHECK("before the write lock", 0, in_the_way(fd, F_GETLK, F_WRLCK, 10, 10));
	CHECK("write lock", parent, in_the_way(fd, F_GETLK, F_RDLCK, 20, 1));
	CHECK("its last byte", parent, in_the_way(fd, F_GETLK, F_RDLCK, 29, 1));
	CHECK("behind it", 0, in_the_way(fd, F_GETLK, F_WRLCK, 30, 70));
	CHECK("to the end", parent, in_the_way(fd, F_GETLK, F_RDLCK, 1LL << 40, 1));
	CHECK("the last byte of all", parent, in_the_way(fd, F_GETLK, F_RDLCK, LLONG_MAX, 1));
	CHECK("deleted", parent, in_the_way(deleted, F_GETLK, F_WRLCK, 7, 1));
	CHECK("directory", parent, in_the_way(directory, F_GETLK, F_WRLCK, 0, 0));
	CHECK("directory, readers", 0, in_the_way(directory, F_GETLK, F_RDLCK, 0, 0));
	CHECK("memory", parent, in_the_way(of_memory, F_GETLK, F_RDLCK, 0, 1));
	NEED(close(fd) == 0);
	fd = open_new("of-file");
	CHECK("open file's", -1, in_the_way(fd, F_OFD_GETLK, F_RDLCK, 5, 1));
	CHECK("open file's read lock", 0, in_the_way(fd, F_OFD_GETLK, F_RDLCK, 50, 1));
	CHECK("open file's read lock, writers", -1, in_the_way(fd, F_OFD_GETLK, F_WRLCK, 50, 1));
	NEED(close(fd) == 0);
	fd = open_new("thread");
	CHECK("a thread's", parent, in_the_way(fd, F_GETLK, F_WRLCK, 3, 1));
	NEED(close(fd) == 0);
	fd = open_new("exclusive");
	CHECK("flock", -1, flock(fd, LOCK_SH | LOCK_NB));
	CHECK("errno", EWOULDBLOCK, errno);
	NEED(close(fd) == 0);
	fd = open_new("shared");
	CHECK("a second shared flock", 0, flock(fd, LOCK_SH | LOCK_NB));
	CHECK("an exclusive one beside it", -1, flock(fd, LOCK_EX | LOCK_NB));
	NEED(close(fd) == 0);
	fd = open_new("twice");
	CHECK("taken by a child", -1, flock(fd, LOCK_SH | LOCK_NB));
}

/* Holds a lock of its own, a flock that it took for its parent, and its parent's flock. */
static void hold(void *argument)
{
	int own = open_new("child");
	char told_by;

	NEED(set(own, F_SETLK, F_WRLCK, 100, 10) == 0 && flock(twice, LOCK_EX) == 0);
	child_is_ready();
	NEED(read(*(int *)argument, &told_by, 1) == 1);
	/* The same open file: this changes nothing, and it is no matter who asks. */
	CHECK("the parent's flock again", 0, flock(flocked, LOCK_EX | LOCK_NB));
}

static int hold_in_shared_table(void *argument)
{
	struct timespec moment = { 0, 1000000 };

	(void)argument;
	NEED(set(shared_table, F_SETLK, F_WRLCK, 1, 2) == 0);
	__atomic_store_n(&shared_table, -shared_table, __ATOMIC_SEQ_CST);
	while (!told())
		nanosleep(&moment, NULL);
	return 0;
}

static void *lock_in_thread(void *argument)
{
	NEED(set(*(int *)argument, F_SETLK, F_RDLCK, 3, 3) == 0);
	return NULL;
}

static int plain(void)
{
	int ranges, copy, deleted, directory, of_file, threads, exclusive, shared, tell[2];
	static char stack[65536] __attribute__((aligned(16)));
	pid_t child, looker, sharer;
	pthread_t thread;
	int status;

	ranges = open_new("ranges");
	copy = dup(ranges);
	deleted = open_new("deleted");
	directory = open(".", O_RDONLY | O_DIRECTORY);
	of_file = open_new("of-file");
	of_memory = memfd_create("locked", 0);
	threads = open_new("thread");
	exclusive = flocked = open_new("exclusive");
	shared = open_new("shared");
	twice = open_new("twice");
	NEED(copy >= 0 && directory >= 0 && of_memory >= 0 && pipe2(tell, O_CLOEXEC) == 0);
	NEED(write(deleted, "gone", 4) == 4 && unlink("deleted") == 0);
	NEED(set(ranges, F_SETLK, F_RDLCK, 0, 10) == 0 && set(ranges, F_SETLK, F_WRLCK, 20, 10) == 0);
	NEED(set(copy, F_SETLK, F_WRLCK, 100, 0) == 0);
	NEED(set(deleted, F_SETLK, F_WRLCK, 7, 1) == 0 && set(directory, F_SETLK, F_RDLCK, 0, 0) == 0);
	NEED(set(of_memory, F_SETLK, F_WRLCK, 0, 0) == 0);
	NEED(set(of_file, F_OFD_SETLK, F_WRLCK, 5, 5) == 0 && set(of_file, F_OFD_SETLK, F_RDLCK, 50, 0) == 0);
	NEED(flock(exclusive, LOCK_EX) == 0 && flock(shared, LOCK_SH) == 0);
	NEED(flock(ranges, LOCK_EX) == 0);	/* two kinds on one file know nothing of each other */
	NEED(pthread_create(&thread, NULL, lock_in_thread, &threads) == 0);
	NEED(pthread_join(thread, NULL) == 0);
	child = spawn(hold, &tell[0]);
	close(tell[0]);
	shared_table = open_new("sharer");
	sharer = clone(hold_in_shared_table, stack + sizeof(stack), CLONE_FILES | CLONE_VM | SIGCHLD, NULL);
	NEED(sharer > 0);
	while (__atomic_load_n(&shared_table, __ATOMIC_SEQ_CST) > 0)
		sleep_ms(1);
	parent = getpid();

	ready();
	wait_until_told();

	expect_exit("one with whom the table is shared", sharer, 0);
	looker = spawn(look, &deleted);
	NEED(waitpid(looker, &status, 0) == looker);
	CHECK("what a child sees", 0, status);
	CHECK("the child's lock", child, in_the_way(open_new("child"), F_GETLK, F_RDLCK, 105, 1));
	CHECK("its end", 0, in_the_way(open_new("child"), F_GETLK, F_WRLCK, 110, 0));
	/* A flock is gone with its last descriptor, not with one of them. */
	NEED(write(tell[1], "x", 1) == 1);
	expect_exit("child", child, 0);
	CHECK("the child's lock, after it", 0, in_the_way(open_new("child"), F_GETLK, F_WRLCK, 0, 0));
	CHECK("flock, after one of its holders", -1, flock(open_new("exclusive"), LOCK_SH | LOCK_NB));
	NEED(close(exclusive) == 0);
	CHECK("flock, after its last holder", 0, flock(open_new("exclusive"), LOCK_EX | LOCK_NB));
	return verdict();
}

static int first, second, third, waited[2];

/* The waiters say what they got, in this order: whoever came too early would be seen. */
static void wait_posix(void *argument)
{
	(void)argument;
	child_is_ready();
	CHECK("F_SETLKW", 0, set(first, F_SETLKW, F_WRLCK, 0, 5));
	NEED(write(waited[1], "p", 1) == 1);
}

static void wait_flock(void *argument)
{
	int fd = open("second", O_RDWR);

	(void)argument;
	child_is_ready();
	CHECK("flock", 0, flock(fd, LOCK_SH));
	NEED(write(waited[1], "f", 1) == 1);
}

static pid_t waiter_tid;

static void *wait_ofd(void *argument)
{
	int fd = open("third", O_RDWR);

	(void)argument;
	__atomic_store_n(&waiter_tid, tid_of_caller(), __ATOMIC_SEQ_CST);
	CHECK("F_OFD_SETLKW", 0, set(fd, F_OFD_SETLKW, F_RDLCK, 3, 1));
	NEED(write(waited[1], "o", 1) == 1);
	return NULL;
}

static void expect_next(char who)
{
	char got;

	NEED(fcntl(waited[0], F_SETFL, O_NONBLOCK) == 0);
	CHECK("nobody has it yet", -1, read(waited[0], &got, 1));
	NEED(fcntl(waited[0], F_SETFL, 0) == 0);
	switch (who) {
	case 'p':
		NEED(set(first, F_SETLK, F_UNLCK, 0, 0) == 0);
		break;
	case 'f':
		NEED(flock(second, LOCK_UN) == 0);
		break;
	default:
		NEED(set(third, F_OFD_SETLK, F_UNLCK, 3, 1) == 0);
	}
	NEED(read(waited[0], &got, 1) == 1);
	CHECK("who has it", who, got);
}

static int waiting(void)
{
	pid_t posix, of_flock;
	pthread_t thread;

	first = open_new("first");
	second = open_new("second");
	third = open_new("third");
	NEED(pipe2(waited, O_CLOEXEC) == 0 && set(first, F_SETLK, F_RDLCK, 2, 1) == 0);
	NEED(flock(second, LOCK_EX) == 0 && set(third, F_OFD_SETLK, F_WRLCK, 0, 0) == 0);
	posix = spawn(wait_posix, NULL);
	of_flock = spawn(wait_flock, NULL);
	NEED(pthread_create(&thread, NULL, wait_ofd, NULL) == 0);
	while (!__atomic_load_n(&waiter_tid, __ATOMIC_SEQ_CST))
		sleep_ms(1);
	wait_until_blocked(posix, posix, SYS_fcntl);
	wait_until_blocked(of_flock, of_flock, SYS_flock);
	wait_until_blocked(getpid(), waiter_tid, SYS_fcntl);

	ready();
	wait_until_told();

	wait_until_blocked(posix, posix, SYS_fcntl);
	wait_until_blocked(of_flock, of_flock, SYS_flock);
	wait_until_blocked(getpid(), waiter_tid, SYS_fcntl);
	expect_next('f');
	expect_next('o');
	expect_next('p');
	NEED(pthread_join(thread, NULL) == 0);
	expect_exit("who waited for a POSIX lock", posix, 0);
	expect_exit("who waited for a flock", of_flock, 0);
	return verdict();
}

#define MANY 3000

static void look_at_many(void *argument)
{
	int fd = open_new("many");

	(void)argument;
	child_is_ready();
	for (int i = 0; i < MANY; i++) {
		CHECK("locked", parent, in_the_way(fd, F_GETLK, F_WRLCK, i * 2, 1));
		CHECK("not locked", 0, in_the_way(fd, F_GETLK, F_WRLCK, i * 2 + 1, 1));
	}
}

static int many(void)
{
	int fd = open_new("many");

	for (int i = 0; i < MANY; i++)
		NEED(set(fd, F_SETLK, i % 2 ? F_RDLCK : F_WRLCK, i * 2, 1) == 0);
	parent = getpid();
	ready();
	wait_until_told();
	expect_exit("a child that looks", spawn(look_at_many, NULL), 0);
	return verdict();
}

static int lost(void)
{
	int fd = memfd_create("kept", 0);
	char path[64], *place;

	NEED(fd >= 0 && ftruncate(fd, 4096) == 0 && flock(fd, LOCK_EX) == 0);
	place = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	NEED(place != MAP_FAILED && close(fd) == 0);
	ready();
	wait_until_told();
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (long)place, (long)place + 4096);
	fd = open(path, O_RDONLY);
	NEED(fd >= 0);
	CHECK("flock", -1, flock(fd, LOCK_SH | LOCK_NB));
	return verdict();
}

#define PAGE 4096
#define MAPPED 4

static char *map_locked(const char *name, int how, int flags)
{
	int fd = open_new(name);
	char *place;

	NEED(ftruncate(fd, MAPPED * PAGE) == 0);
	if (how == F_OFD_SETLK) {
		NEED(set(fd, how, F_WRLCK, 10, 10) == 0 && set(fd, how, F_RDLCK, 100, 0) == 0);
	} else {
		NEED(flock(fd, how) == 0);
	}
	place = mmap(NULL, MAPPED * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
	NEED(place != MAP_FAILED && close(fd) == 0);
	return place;
}

static char *alone, *several, *ranges, *between, *inherited;
static int unmap_now[2], unmapped[2];

/* It has two from its parent and one of its own, and gives one each up when it is told. */
static void keep(void *argument)
{
	char *own = map_locked("of-child", LOCK_EX, MAP_SHARED), byte;

	(void)argument;
	NEED(munmap(alone, MAPPED * PAGE) == 0 && munmap(several, MAPPED * PAGE) == 0);
	NEED(munmap(ranges, MAPPED * PAGE) == 0);
	child_is_ready();
	NEED(read(unmap_now[0], &byte, 1) == 1);
	NEED(munmap(inherited, MAPPED * PAGE) == 0 && munmap(own, MAPPED * PAGE) == 0);
	NEED(write(unmapped[1], "u", 1) == 1);
	NEED(read(unmap_now[0], &byte, 1) == 1);
}

static int mapped(void)
{
	int fd, exclusive, child;
	char byte;

	alone = map_locked("alone", LOCK_EX, MAP_SHARED);
	several = map_locked("several", LOCK_SH, MAP_SHARED);
	ranges = map_locked("ranges-mapped", F_OFD_SETLK, MAP_SHARED);
	between = map_locked("private", LOCK_EX, MAP_PRIVATE);
	between[PAGE] = 'x';
	inherited = map_locked("inherited", LOCK_EX, MAP_SHARED);
	NEED(pipe(unmap_now) == 0 && pipe(unmapped) == 0);
	NEED(mprotect(several + PAGE, PAGE, PROT_READ) == 0);
	child = spawn(keep, NULL);
	ready();
	wait_until_told();

	exclusive = open_new("alone");
	CHECK("flock", -1, flock(exclusive, LOCK_SH | LOCK_NB));
	NEED(munmap(alone, 3 * PAGE) == 0);
	CHECK("flock of a part", -1, flock(exclusive, LOCK_SH | LOCK_NB));
	NEED(munmap(alone + 3 * PAGE, PAGE) == 0);
	CHECK("flock of nothing", 0, flock(exclusive, LOCK_SH | LOCK_NB));

	fd = open_new("several");
	CHECK("shared flock, reader", 0, flock(fd, LOCK_SH | LOCK_NB));
	CHECK("shared flock, writer", -1, flock(fd, LOCK_EX | LOCK_NB));
	NEED(munmap(several, PAGE) == 0 && munmap(several + 2 * PAGE, 2 * PAGE) == 0);
	CHECK("shared flock, a part", -1, flock(fd, LOCK_EX | LOCK_NB));
	NEED(munmap(several + PAGE, PAGE) == 0);
	CHECK("shared flock, nothing", 0, flock(fd, LOCK_EX | LOCK_NB));

	fd = open_new("ranges-mapped");
	CHECK("write lock", -1, in_the_way(fd, F_OFD_GETLK, F_RDLCK, 19, 1));
	CHECK("behind it", 0, in_the_way(fd, F_OFD_GETLK, F_WRLCK, 20, 80));
	CHECK("read lock, reader", 0, in_the_way(fd, F_OFD_GETLK, F_RDLCK, 100, 0));
	CHECK("read lock, writer", -1, in_the_way(fd, F_OFD_GETLK, F_WRLCK, 1LL << 40, 1));
	NEED(munmap(ranges, MAPPED * PAGE) == 0);
	CHECK("ranges of nothing", 0, in_the_way(fd, F_OFD_GETLK, F_WRLCK, 0, 0));

	fd = open_new("private");
	CHECK("private mapping", -1, flock(fd, LOCK_EX | LOCK_NB));
	CHECK("its page", 'x', between[PAGE]);
	NEED(munmap(between, MAPPED * PAGE) == 0);

	fd = open_new("inherited");
	CHECK("relatives' flock", -1, flock(fd, LOCK_EX | LOCK_NB));
	NEED(munmap(inherited, MAPPED * PAGE) == 0);
	CHECK("child's flock", -1, flock(fd, LOCK_EX | LOCK_NB));
	exclusive = open_new("of-child");
	CHECK("child's own", -1, flock(exclusive, LOCK_EX | LOCK_NB));
	NEED(write(unmap_now[1], "n", 1) == 1 && read(unmapped[0], &byte, 1) == 1);
	/* The private one of the child is left. */
	CHECK("nobody's flock", 0, flock(fd, LOCK_EX | LOCK_NB));
	CHECK("nobody's own", 0, flock(exclusive, LOCK_EX | LOCK_NB));
	CHECK("child's private one", -1, flock(open_new("private"), LOCK_EX | LOCK_NB));
	NEED(write(unmap_now[1], "e", 1) == 1 && waitpid(child, NULL, 0) == child);
	return verdict();
}

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);

	begin(argc, argv);
	if (!strcmp(what, "waiting"))
		return waiting();
	if (!strcmp(what, "many"))
		return many();
	if (!strcmp(what, "mapped"))
		return mapped();
	return strcmp(what, "lost") ? plain() : lost();
}
