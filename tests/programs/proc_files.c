/*
 * Files of /proc: of a child that has ended since, of this process, of the system, with positions;
 * files of sysfs.
 */
#include "program.h"
#include <dirent.h>

static void child(void *unused)
{
	(void)unused;
	child_is_ready();
	for (;;)
		pause();
}

static void name(int fd, char *link, size_t size)
{
	char path[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	got = readlink(path, link, size - 1);
	NEED(got > 0);
	link[got] = 0;
}

int main(int argc, char **argv)
{
	static const char *const FILES[] = { "status", "maps", "stat", "mem", "fd", "task", "cmdline", "" };
	char links[COUNT(FILES)][PATH_MAX], path[PATH_MAX], text[65536], again[PATH_MAX];
	int fds[COUNT(FILES)], answers[COUNT(FILES)], errors[COUNT(FILES)];
	int own, sysfs, directory, meminfo;
	pid_t pid;
	DIR *list;

	begin(argc, argv);
	pid = spawn(child, NULL);
	for (size_t i = 0; i < COUNT(FILES); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, FILES[i]);
		fds[i] = open(path, O_RDONLY | (i == 1 ? O_CLOEXEC : 0));
		NEED(fds[i] >= 0);
	}
	NEED(read(fds[0], text, 10) == 10);
	NEED(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	for (size_t i = 0; i < COUNT(FILES); i++) {
		name(fds[i], links[i], sizeof(links[i]));
		answers[i] = (int)pread(fds[i], text, 100, 0);
		errors[i] = errno;
	}
	own = open("/proc/thread-self/stat", O_RDONLY);
	meminfo = open("/proc/meminfo", O_RDONLY);
	sysfs = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);
	if (sysfs < 0)
		sysfs = open("/sys/kernel/uevent_seqnum", O_RDONLY);
	directory = open("/sys/kernel", O_RDONLY | O_DIRECTORY);
	NEED(own >= 0 && meminfo >= 0 && sysfs >= 0 && directory >= 0);
	NEED(read(meminfo, text, 9) == 9 && !memcmp(text, "MemTotal:", 9));

	ready();
	wait_until_told();

	for (size_t i = 0; i < COUNT(FILES); i++) {
		name(fds[i], again, sizeof(again));
		check_text(FILES[i], links[i], again);
		errno = 0;
		CHECK(FILES[i], answers[i], pread(fds[i], text, 100, 0));
		if (answers[i] < 0)
			CHECK(FILES[i], errors[i], errno);
	}
	CHECK("the task is gone", -1, kill(pid, 0));
	/* It answers no lseek(2) any more. */
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fds[0]);
	read_file(path, text, sizeof(text));
	CHECK("position", 10, atoi(text + strlen("pos:\t")));
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(fds[1], F_GETFD));
	check_between("own", 20, sizeof(text), read(own, text, sizeof(text)));
	CHECK("own pid", getpid(), atoi(text));
	CHECK("position in meminfo", 9, lseek(meminfo, 0, SEEK_CUR));
	CHECK("the rest of its line", ' ', read(meminfo, text, 1) == 1 ? text[0] : 0);
	check_between("sysfs", 1, sizeof(text), read(sysfs, text, sizeof(text)));
	list = fdopendir(directory);
	NEED(list);
	CHECK("a directory of sysfs", true, readdir(list) != NULL);
	return verdict();
}
