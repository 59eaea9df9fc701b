/*
 * Memory files (memfd_create): open several times, mapped with and without a descriptor, sealed.
 * "huge": of huge pages. "exec": the program itself runs from one. "future": mapped for writing
 * before F_SEAL_FUTURE_WRITE and for reading behind it.
 */
#include "program.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif
#define PAGE 4096ul
#define HUGE (2ul << 20)

static int make(const char *name, unsigned int flags, size_t size)
{
	int fd = memfd_create(name, flags);

	NEED(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

/* The same memory opened once more. */
static int open_again(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags);
	NEED(again >= 0);
	return again;
}

static void *map(int fd, size_t size, int protection, int flags)
{
	void *p = mmap(NULL, size, protection, flags, fd, 0);

	NEED(p != MAP_FAILED);
	return p;
}

static void check_link(const char *what, int fd, const char *wanted)
{
	char path[64], link[512];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	size = readlink(path, link, sizeof(link) - 1);
	NEED(size > 0);
	link[size] = 0;
	check_text(what, wanted, link);
}

static void check_stat(const char *what, int fd, mode_t mode, off_t size)
{
	struct stat facts;

	NEED(fstat(fd, &facts) == 0);
	CHECK(what, mode | S_IFREG, facts.st_mode);
	CHECK(what, size, facts.st_size);
	CHECK(what, getuid(), facts.st_uid);
	CHECK(what, 1111, facts.st_mtime);
	CHECK(what, 2222, facts.st_atime);
}

static void set_times(int fd)
{
	struct timespec times[2] = { { 2222, 0 }, { 1111, 0 } };

	NEED(futimens(fd, times) == 0);
}

/* In the child alone, and memory that both have mapped and nobody has open. */
static int only_child;
static char *shared;

static void child(void *unused)
{
	char bytes[8];

	(void)unused;
	only_child = make("the child's", MFD_CLOEXEC, 0);
	NEED(write(only_child, "of child", 8) == 8);
	child_is_ready();
	wait_until_told();
	CHECK("size of the child's", 8, lseek(only_child, 0, SEEK_CUR));
	CHECK("content of the child's", 8, pread(only_child, bytes, 8, 0));
	check_bytes("content of the child's", "of child", bytes, 8);
	CHECK("close-on-exec of the child's", FD_CLOEXEC, fcntl(only_child, F_GETFD));
	check_pattern("shared, in the child", shared, PAGE, 3);
	__atomic_store_n((int *)(shared + PAGE), 77, __ATOMIC_SEQ_CST);
}

static int plain(void)
{
	int first, same, reader, appender, path, odd, sparse, sealed, noexec, mode, empty, fd;
	char *private, *constant, *read_only, *write_sealed, bytes[64];
	struct stat facts;
	pid_t pid;

	/* One inode, four open files. */
	first = make("na me\n\xff(deleted)", MFD_ALLOW_SEALING, 16 * PAGE);
	NEED(pwrite(first, "front", 5, 0) == 5 && pwrite(first, "back", 4, 15 * PAGE) == 4);
	NEED(lseek(first, 1234, SEEK_SET) == 1234);
	same = dup(first);
	reader = open_again(first, O_RDONLY | O_CLOEXEC);
	NEED(lseek(reader, 3, SEEK_SET) == 3);
	appender = open_again(first, O_WRONLY | O_APPEND | O_NONBLOCK);
	path = open_again(first, O_PATH);
	NEED(fcntl(first, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL) == 0);
	set_times(first);

	odd = make("odd", 0, 0);
	NEED(write(odd, "five!", 5) == 5);
	sparse = make("", 0, 1ul << 42);
	NEED(pwrite(sparse, "middle", 6, 1l << 41) == 6);
	empty = make("empty", MFD_ALLOW_SEALING, 0);

	sealed = make("sealed", MFD_ALLOW_SEALING, PAGE);
	NEED(pwrite(sealed, "constant", 8, 0) == 8);
	NEED(fcntl(sealed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0);
	write_sealed = map(sealed, PAGE, PROT_READ, MAP_SHARED);

	noexec = memfd_create("noexec", MFD_NOEXEC_SEAL);
	if (noexec >= 0)
		set_times(noexec);
	mode = make("mode", MFD_ALLOW_SEALING, 3);
	NEED(fchmod(mode, 0640) == 0);
	set_times(mode);

	/* Mapped, and closed. */
	fd = make("mapped", 0, 4 * PAGE);
	shared = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	fill_pattern(shared, PAGE, 3);
	private = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	fill_pattern(private + 2 * PAGE, PAGE, 4);
	constant = map(fd, 4 * PAGE, PROT_READ, MAP_SHARED);
	reader = dup2(reader, 900);
	close(fd);
	fd = make("mapped for reading", 0, PAGE);
	NEED(pwrite(fd, "read me", 7, 0) == 7);
	read_only = map(open_again(fd, O_RDONLY), PAGE, PROT_READ, MAP_SHARED);
	close(fd);
	pid = spawn(child, NULL);

	ready();
	wait_until_told();

	expect_exit("the child", pid, 0);
	check_stat("the first", first, 0777, 16 * PAGE);
	check_link("the first", first, "/memfd:na me\n\xff(deleted) (deleted)");
	CHECK("seals of the first", F_SEAL_GROW | F_SEAL_SEAL, fcntl(first, F_GET_SEALS));
	CHECK("growing it", -1, ftruncate(first, 17 * PAGE));
	CHECK("position of the first", 1234, lseek(first, 0, SEEK_CUR));
	CHECK("position of its copy", 1240, lseek(same, 6, SEEK_CUR));
	CHECK("position of the first", 1240, lseek(first, 0, SEEK_CUR));
	CHECK("position of the reader", 3, lseek(reader, 0, SEEK_CUR));
	CHECK("flags of the reader", O_RDONLY, fcntl(reader, F_GETFL) & (O_ACCMODE | O_APPEND));
	CHECK("flags of the appender", O_WRONLY | O_APPEND | O_NONBLOCK,
	      fcntl(appender, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	CHECK("flags of the path", O_PATH, fcntl(path, F_GETFL) & O_PATH);
	NEED(fstat(path, &facts) == 0);
	CHECK("inode of the path", 16 * PAGE, facts.st_size);
	CHECK("content", 64, pread(reader, bytes, 64, 15 * PAGE));
	check_bytes("content", "back\0", bytes, 5);
	NEED(pwrite(first, "seen", 4, 8) == 4);
	CHECK("what another has written", 4, pread(reader, bytes, 4, 8));
	check_bytes("what another has written", "seen", bytes, 4);
	NEED(fstat(first, &facts) == 0);
	CHECK("blocks of the first", 16, facts.st_blocks);

	NEED(fstat(odd, &facts) == 0);
	CHECK("an odd size", 5, facts.st_size);
	NEED(ftruncate(odd, 10) == 0);
	CHECK("behind an odd size", 10, pread(odd, bytes, 64, 0));
	check_bytes("behind an odd size", "five!\0\0\0\0", bytes, 10);
	CHECK("seals of one that has none", F_SEAL_SEAL, fcntl(odd, F_GET_SEALS));
	check_link("without a name", sparse, "/memfd: (deleted)");
	CHECK("sparse", 6, pread(sparse, bytes, 6, 1l << 41));
	check_bytes("sparse", "middle", bytes, 6);
	NEED(fstat(sparse, &facts) == 0);
	CHECK("size of the sparse one", 1l << 42, facts.st_size);
	CHECK("blocks of the sparse one", 8, facts.st_blocks);
	CHECK("no seals", 0, fcntl(empty, F_GET_SEALS));
	CHECK("a seal more", 0, fcntl(empty, F_ADD_SEALS, F_SEAL_GROW));

	CHECK("all seals", F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL, fcntl(sealed, F_GET_SEALS));
	CHECK("writing to what is sealed", -1, pwrite(sealed, "x", 1, 0));
	check_bytes("what is sealed", "constant", write_sealed, 8);
	CHECK("making what is sealed writable", -1, mprotect(write_sealed, PAGE, PROT_READ | PROT_WRITE));
	if (noexec >= 0) {
		check_stat("not executable", noexec, 0666, 0);
		CHECK("seals of it", F_SEAL_EXEC, fcntl(noexec, F_GET_SEALS));
		CHECK("making it executable", -1, fchmod(noexec, 0777));
	}
	check_stat("with a mode", mode, 0640, 3);

	CHECK("written by the child", 77, *(int *)(shared + PAGE));
	CHECK("written by the child, private", 77, *(int *)(private + PAGE));
	check_pattern("private page of the file", private, PAGE, 3);
	check_pattern("private copy", private + 2 * PAGE, PAGE, 4);
	check_filled("beside a private copy", shared + 2 * PAGE, 0, PAGE);
	check_pattern("mapped for reading", constant, PAGE, 3);
	CHECK("it becomes writable", 0, mprotect(constant, PAGE, PROT_READ | PROT_WRITE));
	check_bytes("opened for reading", "read me", read_only, 7);
	CHECK("that never becomes writable", -1, mprotect(read_only, PAGE, PROT_READ | PROT_WRITE));
	return verdict();
}

static int future(void)
{
	char *writable, *constant;
	int fd;

	fd = make("future", MFD_ALLOW_SEALING, 2 * PAGE);
	writable = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	NEED(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	constant = map(fd, 2 * PAGE, PROT_READ, MAP_SHARED);
	fill_pattern(writable, PAGE, 1);

	ready();
	wait_until_told();

	CHECK("seals", F_SEAL_FUTURE_WRITE, fcntl(fd, F_GET_SEALS));
	check_pattern("mapped for reading", constant, PAGE, 1);
	fill_pattern(writable + PAGE, PAGE, 2);
	check_pattern("mapped for reading", constant + PAGE, PAGE, 2);
	CHECK("never writable", -1, mprotect(constant, PAGE, PROT_READ | PROT_WRITE));
	CHECK("still writable", 0, mprotect(writable, PAGE, PROT_READ) | mprotect(writable, PAGE, PROT_READ | PROT_WRITE));
	CHECK("a new mapping", true, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHECK("a write", -1, pwrite(fd, "x", 1, 0));
	return verdict();
}

static int huge(void)
{
	int fd = memfd_create("huge", MFD_HUGETLB | MFD_ALLOW_SEALING);
	char *mapped, *private;
	struct stat facts;

	if (fd < 0)
		skip("no memfds of huge pages here");
	NEED(ftruncate(fd, 4 * HUGE) == 0);
	mapped = mmap(NULL, 4 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	private = mmap(NULL, 4 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	NEED(mapped != MAP_FAILED && private != MAP_FAILED);
	/* Without a page in the pool this would be a SIGBUS. */
	if (madvise(mapped, HUGE, MADV_POPULATE_WRITE) || madvise(mapped + 2 * HUGE, HUGE, MADV_POPULATE_WRITE) ||
	    madvise(private + HUGE, HUGE, MADV_POPULATE_WRITE))
		skip("not enough huge pages are set aside here (vm.nr_hugepages)");
	fill_pattern(mapped, HUGE, 1);
	fill_pattern(mapped + 2 * HUGE, HUGE, 2);
	fill_pattern(private + HUGE, HUGE, 3);
	NEED(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);

	ready();
	wait_until_told();

	NEED(fstat(fd, &facts) == 0);
	CHECK("block size", HUGE, facts.st_blksize);
	CHECK("size", 4 * HUGE, facts.st_size);
	CHECK("seals", F_SEAL_SHRINK, fcntl(fd, F_GET_SEALS));
	check_pattern("first", mapped, HUGE, 1);
	check_pattern("third", mapped + 2 * HUGE, HUGE, 2);
	check_pattern("private", private + HUGE, HUGE, 3);
	check_pattern("private, of the file", private + 2 * HUGE, HUGE, 2);
	CHECK("the hole", 0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)HUGE, (off_t)HUGE));
	return verdict();
}

/* Puts itself into a memfd and goes on there. */
static int from_memory(int argc, char **argv)
{
	char link[256], program[64];
	int self, fd;
	ssize_t size;
	struct stat facts;

	if (strcmp(argv[0], "in memory")) {
		char *arguments[] = { "in memory", argv[1], argv[2], NULL };

		NEED(argc == 3);
		self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		fd = memfd_create("program", MFD_CLOEXEC);
		NEED(self >= 0 && fd >= 0 && fstat(self, &facts) == 0);
		for (off_t done = 0; done < facts.st_size;) {
			char bytes[PAGE];

			size = pread(self, bytes, sizeof(bytes), done);
			NEED(size > 0 && write(fd, bytes, (size_t)size) == size);
			done += size;
		}
		fexecve(fd, arguments, environ);
		NEED(!"fexecve");
	}
	ready();
	wait_until_told();
	size = readlink("/proc/self/exe", link, sizeof(link) - 1);
	NEED(size > 0);
	link[size] = 0;
	check_text("the executable", "/memfd:program (deleted)", link);
	fd = open("/proc/self/exe", O_RDONLY);
	CHECK("opening it", 4, read(fd, program, 4));
	check_bytes("opening it", "\177ELF", program, 4);
	return verdict();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "future"))
		return future();
	if (!strcmp(variant(argc, argv), "huge"))
		return huge();
	if (!strcmp(variant(argc, argv), "exec"))
		return from_memory(argc, argv);
	return plain();
}
