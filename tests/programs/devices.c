/* Character devices that hold no state, and files of /proc. */
#include "program.h"
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		int flags;
	} devices[] = {
		{ "/dev/null", O_RDWR }, { "/dev/zero", O_RDONLY }, { "/dev/urandom", O_RDONLY },
		{ "/dev/random", O_RDONLY | O_NONBLOCK }, { "/dev/full", O_RDWR | O_CLOEXEC },
	};
	/* Where they are there, and ours to open. */
	static const struct {
		const char *path;
		int flags;
	} others[] = {
		{ "/dev/loop-control", O_RDWR }, { "/dev/kvm", O_RDWR }, { "/dev/btrfs-control", O_RDWR },
		{ "/dev/kmsg", O_WRONLY }, { "/dev/userfaultfd", O_RDWR | O_CLOEXEC }, { "/dev/autofs", O_RDONLY },
		{ "/dev/rtc0", O_RDONLY },
	};
	int fds[COUNT(devices)], other[COUNT(others)], status, maps, parent, sysctl, self_dir;
	char text[16384], path[64], *zeros;
	struct stat before[COUNT(devices)], first[COUNT(others)], now;

	begin(argc, argv);
	for (size_t i = 0; i < COUNT(devices); i++) {
		fds[i] = open(devices[i].path, devices[i].flags);
		NEED(fds[i] >= 0 && fstat(fds[i], &before[i]) == 0);
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		other[i] = open(others[i].path, others[i].flags);
		if (other[i] >= 0)
			NEED(fstat(other[i], &first[i]) == 0);
	}
	status = open("/proc/self/status", O_RDONLY);
	maps = open("/proc/self/maps", O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/stat", getpid());
	parent = open(path, O_RDONLY);
	sysctl = open("/proc/sys/kernel/ostype", O_RDONLY);
	self_dir = open("/proc/self", O_RDONLY | O_DIRECTORY);
	NEED(status >= 0 && maps >= 0 && parent >= 0 && sysctl >= 0 && self_dir >= 0);
	NEED(lseek(status, 6, SEEK_SET) == 6);
	zeros = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fds[1], 0);
	NEED(zeros != MAP_FAILED);
	zeros[5] = 5;

	ready();
	wait_until_told();

	for (size_t i = 0; i < COUNT(devices); i++) {
		NEED(fstat(fds[i], &now) == 0);
		CHECK(devices[i].path, before[i].st_rdev, now.st_rdev);
		CHECK("flags", devices[i].flags & (O_ACCMODE | O_NONBLOCK), fcntl(fds[i], F_GETFL) & (O_ACCMODE | O_NONBLOCK));
		CHECK("close-on-exec", devices[i].flags & O_CLOEXEC ? FD_CLOEXEC : 0, fcntl(fds[i], F_GETFD));
	}
	for (size_t i = 0; i < COUNT(others); i++) {
		if (other[i] < 0)
			continue;
		NEED(fstat(other[i], &now) == 0);
		CHECK(others[i].path, first[i].st_rdev, now.st_rdev);
		CHECK(others[i].path, others[i].flags & O_ACCMODE, fcntl(other[i], F_GETFL) & O_ACCMODE);
		CHECK(others[i].path, others[i].flags & O_CLOEXEC ? FD_CLOEXEC : 0, fcntl(other[i], F_GETFD));
	}
	if (other[1] >= 0)
		CHECK("KVM_GET_API_VERSION", 12, ioctl(other[1], 0xae00, 0));
	CHECK("write to null", 4, write(fds[0], "null", 4));
	CHECK("read from null", 0, read(fds[0], text, 4));
	memset(text, 1, 8);
	CHECK("read from zero", 8, read(fds[1], text, 8));
	check_filled("read from zero", text, 0, 8);
	CHECK("read from urandom", 8, read(fds[2], text, 8));
	CHECK("write to full", -1, write(fds[4], "x", 1));
	CHECK("errno", ENOSPC, errno);
	CHECK("mapping of zero", 5, zeros[5]);
	check_filled("mapping of zero", zeros + 6, 0, 8000);
	CHECK("position in status", 6, lseek(status, 0, SEEK_CUR));
	memset(text, 0, sizeof(text));
	check_between("size of status", 100, sizeof(text), read(status, text, sizeof(text) - 1));
	CHECK("the name in status goes on", true, !strncmp(text, "devices\n", 8));
	check_between("size of maps", 100, sizeof(text), read(maps, text, sizeof(text)));
	memset(text, 0, sizeof(text));
	check_between("size of stat", 10, sizeof(text), read(parent, text, sizeof(text) - 1));
	CHECK("pid in stat", getpid(), atoi(text));
	memset(text, 0, sizeof(text));
	CHECK("size of a sysctl", 6, read(sysctl, text, sizeof(text)));
	check_text("sysctl", "Linux\n", text);
	CHECK("openat through /proc/self", true, openat(self_dir, "comm", O_RDONLY) >= 0);
	return verdict();
}
