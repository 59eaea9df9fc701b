/*
 * Memory whose faults the program answers itself (userfaultfd): what is registered, missing, zero,
 * write-protected; two descriptors, one of them at two numbers; a thread that waits for faults.
 * "inherited": a child has the descriptors as well.
 */
#include "program.h"
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define PAGE 4096ul
#define PAGES 64
#define SIZE (PAGES * PAGE)

static int first, second, copy, mute;
static char *area, *other, *shared, *locked;
static volatile int missing_faults[2], protected_faults;
static volatile unsigned long last_fault;

static int make(int flags, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = (int)syscall(SYS_userfaultfd, flags);

	if (fd < 0 && errno == EPERM)
		fd = (int)syscall(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		skip("no userfaultfd here");
	NEED(fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0);
	return fd;
}

static void enroll(int fd, char *start, size_t size, uint64_t modes)
{
	struct uffdio_register what = { { (uintptr_t)start, size }, modes, 0 };

	NEED(ioctl(fd, UFFDIO_REGISTER, &what) == 0);
}

static void protect(int fd, char *start, size_t size, uint64_t mode)
{
	struct uffdio_writeprotect what = { { (uintptr_t)start, size }, mode };

	NEED(ioctl(fd, UFFDIO_WRITEPROTECT, &what) == 0);
}

/* A missing page gets the number of its descriptor everywhere; a protected one is freed. */
static void answer(int index, int fd)
{
	static char page[PAGE] __attribute__((aligned(4096)));
	struct uffd_msg message;

	while (read(fd, &message, sizeof(message)) == sizeof(message)) {
		char *at = (char *)(message.arg.pagefault.address & ~(PAGE - 1));

		NEED(message.event == UFFD_EVENT_PAGEFAULT);
		last_fault = (unsigned long)at;
		if (message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
			protected_faults++;
			protect(fd, at, PAGE, 0);
		} else {
			struct uffdio_copy fill = { (uintptr_t)at, (uintptr_t)page, PAGE, 0, 0 };

			memset(page, 100 + index, PAGE);
			missing_faults[index]++;
			NEED(ioctl(fd, UFFDIO_COPY, &fill) == 0);
		}
	}
}

static void *handler(void *unused)
{
	struct pollfd wait[2] = { { first, POLLIN, 0 }, { second, POLLIN, 0 } };

	(void)unused;
	for (;;) {
		if (poll(wait, 2, -1) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (wait[i].revents & POLLIN)
				answer(i, wait[i].fd);
	}
	return NULL;
}

static void expect_fault(const char *what, volatile char *at, int index, int byte)
{
	int before = missing_faults[index];

	CHECK(what, byte, *at);
	CHECK(what, before + 1, missing_faults[index]);
	CHECK(what, (unsigned long)at & ~(PAGE - 1), last_fault);
}

/* Has the descriptors, which are for its parent's memory. */
static void child(void *unused)
{
	(void)unused;
	child_is_ready();
	wait_until_told();
}

int main(int argc, char **argv)
{
	struct uffdio_zeropage zero = { 0 };
	struct uffdio_register probe = { 0 };
	pthread_t thread;

	begin(argc, argv);
	first = make(O_NONBLOCK | O_CLOEXEC, UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID);
	second = make(O_NONBLOCK, 0);
	copy = fcntl(first, F_DUPFD, 500);
	mute = (int)syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY);
	NEED(copy >= 500 && mute >= 0);

	/* So aligned, and advised, that a huge page may come with one page's restore. */
	area = map_anonymous((void *)0x390000000, 4ul << 20, MAP_PRIVATE | MAP_FIXED);
	madvise(area, 4ul << 20, MADV_HUGEPAGE);
	NEED(madvise(area, 4ul << 20, MADV_DONTNEED) == 0);
	enroll(first, area, 4ul << 20, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
	other = map_anonymous((void *)0x391000000, SIZE, MAP_PRIVATE | MAP_FIXED);
	enroll(second, other, SIZE, UFFDIO_REGISTER_MODE_MISSING);
	shared = map_anonymous((void *)0x392000000, SIZE, MAP_SHARED | MAP_FIXED);
	memset(shared, 7, PAGE);
	enroll(second, shared, SIZE, UFFDIO_REGISTER_MODE_MISSING);
	/* Locking makes all pages present; these are given back. */
	locked = map_anonymous((void *)0x393000000, 8 * PAGE, MAP_PRIVATE | MAP_FIXED);
	NEED(mlock(locked, 8 * PAGE) == 0 && madvise(locked, 8 * PAGE, MADV_DONTNEED_LOCKED) == 0);
	enroll(second, locked, 8 * PAGE, UFFDIO_REGISTER_MODE_MISSING);
	if (!strcmp(variant(argc, argv), "inherited"))
		spawn(child, NULL);
	NEED(pthread_create(&thread, NULL, handler, NULL) == 0);
	area[0] = 1;
	area[5 * PAGE] = 2;
	area[9 * PAGE] = 3;
	protect(first, area + 5 * PAGE, PAGE, UFFDIO_WRITEPROTECT_MODE_WP);
	zero.range.start = (uintptr_t)area + 7 * PAGE;
	zero.range.len = PAGE;
	NEED(ioctl(first, UFFDIO_ZEROPAGE, &zero) == 0);
	/* Where nothing is, this may leave a mark in the page tables. */
	protect(first, area + 20 * PAGE, 2 * PAGE, UFFDIO_WRITEPROTECT_MODE_WP);
	CHECK("faults before", 3, missing_faults[0]);
	other[3 * PAGE] = 4;
	locked[2 * PAGE] = 8;

	ready();
	wait_until_told();

	missing_faults[0] = missing_faults[1] = protected_faults = 0;
	CHECK("what is there", 1, area[0]);
	CHECK("what is there", 100, area[1]);
	CHECK("what is there and protected", 2, area[5 * PAGE]);
	CHECK("zero", 0, area[7 * PAGE]);
	CHECK("what is there", 3, area[9 * PAGE]);
	CHECK("what is there, of the other", 4, other[3 * PAGE]);
	CHECK("what is there, shared", 7, shared[0]);
	CHECK("what is there, locked", 8, locked[2 * PAGE]);
	area[9 * PAGE] = 5;
	CHECK("no fault so far", 0, missing_faults[0] + missing_faults[1] + protected_faults);
	area[5 * PAGE] = 6;
	CHECK("a protected page", 1, protected_faults);
	area[5 * PAGE] = 7;
	CHECK("a page no longer protected", 1, protected_faults);
	expect_fault("a missing page", area + 1 * PAGE, 0, 100);
	expect_fault("a missing page beside the zero page", area + 8 * PAGE, 0, 100);
	expect_fault("a missing page with a mark", area + 20 * PAGE, 0, 100);
	expect_fault("the last page", area + (4ul << 20) - PAGE, 0, 100);
	expect_fault("a missing page of the other", other, 1, 101);
	expect_fault("a missing page of locked memory", locked + 3 * PAGE, 1, 101);
	expect_fault("a missing page of shared memory", shared + 5 * PAGE, 1, 101);
	CHECK("close-on-exec of the first", FD_CLOEXEC, fcntl(first, F_GETFD));
	CHECK("close-on-exec of its copy", 0, fcntl(copy, F_GETFD));
	CHECK("flags of the first", O_NONBLOCK, fcntl(first, F_GETFL) & O_NONBLOCK);
	CHECK("flags of one that is not in use", 0, fcntl(mute, F_GETFL) & O_NONBLOCK);
	probe.range.start = (uintptr_t)area;
	probe.range.len = 4ul << 20;
	probe.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
	CHECK("the area is another's", -1, ioctl(second, UFFDIO_REGISTER, &probe));
	CHECK("and that of its copy", 0, ioctl(copy, UFFDIO_REGISTER, &probe));
	return verdict();
}
