/*
 * POSIX shared memory (shm_open): files of /dev/shm, with a name and without one any more, mapped
 * twice, read-only, grown after it was mapped, shared with a child.
 */
#include "program.h"

#define PAGE 4096ul
#define SIZE (8 * PAGE)

static char *named, *again, *constant, *gone;
static char name[64], other[64];
static int named_fd, gone_fd;

static char *map(int fd, int prot)
{
	char *p = mmap(NULL, SIZE, prot, MAP_SHARED, fd, 0);

	NEED(p != MAP_FAILED);
	return p;
}

static void child(void *argument)
{
	(void)argument;
	NEED(munmap(again, SIZE) == 0);
	child_is_ready();
	wait_until_told();
	check_pattern("named, in the child", named + PAGE, PAGE, 1);
	check_pattern("without a name, in the child", gone + 2 * PAGE, PAGE, 2);
	while (__atomic_load_n((int *)(gone + 5 * PAGE), __ATOMIC_SEQ_CST) != 1)
		sleep_ms(1);
	__atomic_store_n((int *)(named + 6 * PAGE), 2, __ATOMIC_SEQ_CST);
}

int main(int argc, char **argv)
{
	struct stat facts;
	pid_t pid;

	begin(argc, argv);
	/* Pids are the same in two namespaces, the inodes of their directories are not. */
	NEED(stat(test_dir, &facts) == 0);
	snprintf(name, sizeof(name), "/crtools-test-%lu", (unsigned long)facts.st_ino);
	/* One of the same inode, whose test was killed, may have left its own. */
	shm_unlink(name);
	named_fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0640);
	NEED(named_fd >= 0 && ftruncate(named_fd, SIZE) == 0);
	named = map(named_fd, PROT_READ | PROT_WRITE);
	again = map(named_fd, PROT_READ | PROT_WRITE);
	fill_pattern(named + PAGE, PAGE, 1);
	snprintf(other, sizeof(other), "/crtools-test-gone-%lu", (unsigned long)facts.st_ino);
	shm_unlink(other);
	gone_fd = shm_open(other, O_RDWR | O_CREAT | O_EXCL, 0600);
	NEED(gone_fd >= 0 && ftruncate(gone_fd, SIZE / 2) == 0);
	gone = map(gone_fd, PROT_READ | PROT_WRITE);
	constant = map(gone_fd, PROT_READ);
	NEED(ftruncate(gone_fd, SIZE) == 0 && shm_unlink(other) == 0);
	fill_pattern(gone + 2 * PAGE, PAGE, 2);
	fill_pattern(gone + 7 * PAGE, PAGE, 7);
	pid = spawn(child, NULL);

	ready();
	wait_until_told();

	NEED(fstat(named_fd, &facts) == 0);
	CHECK("size", SIZE, facts.st_size);
	CHECK("mode", 0100640, facts.st_mode);
	NEED(fstat(gone_fd, &facts) == 0);
	CHECK("size without a name", SIZE, facts.st_size);
	CHECK("links", 0, facts.st_nlink);
	check_filled("hole", named, 0, PAGE);
	check_pattern("named", named + PAGE, PAGE, 1);
	check_pattern("at the other address", again + PAGE, PAGE, 1);
	check_pattern("without a name", gone + 2 * PAGE, PAGE, 2);
	check_pattern("read-only", constant + 7 * PAGE, PAGE, 7);
	named[3 * PAGE] = 33;
	CHECK("one memory", 33, again[3 * PAGE]);
	__atomic_store_n((int *)(gone + 5 * PAGE), 1, __ATOMIC_SEQ_CST);
	CHECK("one memory without a name", 1, *(int *)(constant + 5 * PAGE));
	expect_exit("child", pid, 0);
	CHECK("written by the child", 2, *(int *)(again + 6 * PAGE));
	CHECK("grow", 0, ftruncate(gone_fd, SIZE + PAGE));
	CHECK("remove", 0, shm_unlink(name));
	return verdict();
}
