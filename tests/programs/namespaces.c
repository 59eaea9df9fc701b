/*
 * Descriptors of namespaces: all that the process is in, one opened twice, one of its time namespace.
 * "mounted": a network namespace of its own, mounted as ip-netns(8) does it.
 */
#include "program.h"
#include <sys/ioctl.h>
#include <sys/mount.h>

#define NS_GET_NSTYPE 0xb703

static const struct {
	const char *name;
	int type;
} KINDS[] = {
	{ "cgroup", CLONE_NEWCGROUP }, { "ipc", CLONE_NEWIPC }, { "mnt", CLONE_NEWNS },
	{ "net", CLONE_NEWNET }, { "pid", CLONE_NEWPID }, { "user", CLONE_NEWUSER },
	{ "uts", CLONE_NEWUTS },
};

static void check_same(const char *what, int fd, const char *path)
{
	struct stat is, wanted;

	NEED(fstat(fd, &is) == 0 && stat(path, &wanted) == 0);
	CHECK(what, wanted.st_ino, is.st_ino);
	CHECK(what, wanted.st_dev, is.st_dev);
}

static int mounted(void)
{
	char path[PATH_MAX];
	int own, fd, home;

	/* Of this process alone: it mounts. */
	NEED(snprintf(path, sizeof(path), "%s/netns", test_dir) < (int)sizeof(path));
	write_file(path, "", 0);
	home = open("/proc/self/ns/net", O_RDONLY);
	NEED(home >= 0);
	if (unshare(CLONE_NEWNET))
		skip("no network namespace can be made here");
	NEED(mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) == 0);
	own = open(path, O_RDONLY | O_CLOEXEC);
	NEED(own >= 0 && setns(home, CLONE_NEWNET) == 0);

	ready();
	wait_until_told();

	check_same("the mounted one", own, path);
	check_same("home", home, "/proc/self/ns/net");
	CHECK("type", CLONE_NEWNET, ioctl(own, NS_GET_NSTYPE));
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(own, F_GETFD));
	CHECK("going there", 0, setns(own, CLONE_NEWNET));
	fd = open("/proc/self/ns/net", O_RDONLY);
	check_same("there", fd, path);
	CHECK("and back", 0, setns(home, CLONE_NEWNET));
	NEED(umount2(path, MNT_DETACH) == 0);
	return verdict();
}

int main(int argc, char **argv)
{
	int fds[COUNT(KINDS)], again, same, time;
	char path[64];

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "mounted"))
		return mounted();
	for (size_t i = 0; i < COUNT(KINDS); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", KINDS[i].name);
		fds[i] = open(path, O_RDONLY);
		NEED(fds[i] >= 0);
	}
	again = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	same = dup2(again, 400);
	time = open("/proc/self/ns/time", O_RDONLY);
	NEED(again >= 0 && same == 400 && time >= 0);

	ready();
	wait_until_told();

	for (size_t i = 0; i < COUNT(KINDS); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", KINDS[i].name);
		check_same(KINDS[i].name, fds[i], path);
		CHECK(KINDS[i].name, KINDS[i].type, ioctl(fds[i], NS_GET_NSTYPE));
		CHECK(KINDS[i].name, 0, fcntl(fds[i], F_GETFD));
	}
	check_same("time", time, "/proc/self/ns/time");
	CHECK("time", CLONE_NEWTIME, ioctl(time, NS_GET_NSTYPE));
	check_same("opened again", again, "/proc/self/ns/uts");
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(again, F_GETFD));
	CHECK("close-on-exec of its copy", 0, fcntl(same, F_GETFD));
	CHECK("one open file", 0, syscall(SYS_kcmp, getpid(), getpid(), 0, again, same));
	CHECK("another one", true, syscall(SYS_kcmp, getpid(), getpid(), 0, again, fds[6]) > 0);
	return verdict();
}
