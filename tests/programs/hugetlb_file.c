/*
 * Files of huge pages (hugetlbfs), mapped shared and private: their shared content stays in the file.
 * It mounts such a file system, so it is to be run in a mount namespace of its own.
 */
#include "program.h"
#include <sys/mount.h>

#define HUGE (2ul << 20)

int main(int argc, char **argv)
{
	char *shared, *private, *constant;
	struct stat facts;
	int fd, reader;

	begin(argc, argv);
	NEED(mkdir("huge", 0755) == 0);
	if (mount("none", "huge", "hugetlbfs", 0, "pagesize=2M"))
		skip("hugetlbfs cannot be mounted here");
	fd = open("huge/file", O_RDWR | O_CREAT, 0600);
	NEED(fd >= 0 && ftruncate(fd, 4 * HUGE) == 0);
	reader = open("huge/file", O_RDONLY);
	shared = mmap(NULL, 4 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	private = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, (off_t)HUGE);
	constant = mmap(NULL, HUGE, PROT_READ, MAP_SHARED, reader, (off_t)(2 * HUGE));
	NEED(shared != MAP_FAILED && private != MAP_FAILED && constant != MAP_FAILED);
	/* Without a page in the pool this would be a SIGBUS. */
	if (madvise(shared, HUGE, MADV_POPULATE_WRITE) || madvise(shared + 2 * HUGE, HUGE, MADV_POPULATE_WRITE) ||
	    madvise(private, HUGE, MADV_POPULATE_WRITE))
		skip("not enough huge pages are set aside here (vm.nr_hugepages)");
	fill_pattern(shared, HUGE, 1);
	fill_pattern(shared + 2 * HUGE, HUGE, 2);
	fill_pattern(private, HUGE, 3);
	NEED(close(fd) == 0);

	ready();
	wait_until_told();

	check_pattern("shared", shared, HUGE, 1);
	check_pattern("shared, another page", shared + 2 * HUGE, HUGE, 2);
	check_pattern("private", private, HUGE, 3);
	check_pattern("private, of the file", private + HUGE, HUGE, 2);
	check_pattern("read-only", constant, HUGE, 2);
	shared[2 * HUGE] ^= 1;
	CHECK("written to the file", shared[2 * HUGE], constant[0]);
	CHECK("never writable", -1, mprotect(constant, HUGE, PROT_READ | PROT_WRITE));
	NEED(fstat(reader, &facts) == 0);
	CHECK("size", 4 * HUGE, facts.st_size);
	CHECK("block size", HUGE, facts.st_blksize);
	return verdict();
}
