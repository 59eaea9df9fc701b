/*
 * fanotify queues: marks of inodes, of a mount and of a file system, ignored masks, reports of file
 * handles. "unread": with events that nobody has read; "decides": with permission events.
 */
#include "program.h"
#include <sys/fanotify.h>
#include <sys/ioctl.h>

#ifndef FAN_MARK_IGNORE
#define FAN_MARK_IGNORE 0x400
#endif

static char buffer[1 << 16];

static int make(unsigned int flags, unsigned int events)
{
	int fd = fanotify_init(flags, events);

	if (fd < 0 && (errno == EPERM || errno == ENOSYS))
		skip("no fanotify here");
	NEED(fd >= 0);
	return fd;
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	NEED(fd >= 0 && close(fd) == 0);
}

/* All events so far: their masks together. */
static uint64_t drain(int fd)
{
	uint64_t mask = 0;
	ssize_t got;

	while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
		struct fanotify_event_metadata *event = (void *)buffer;

		for (; FAN_EVENT_OK(event, got); event = FAN_EVENT_NEXT(event, got)) {
			mask |= event->mask;
			if (event->fd >= 0)
				close(event->fd);
		}
	}
	return mask;
}

static void read_marks(int fd, char *text, size_t size)
{
	char path[64], all[16384], *line;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	read_file(path, all, sizeof(all));
	line = strstr(all, "fanotify ");
	snprintf(text, size, "%s", line ? line : "");
}

int main(int argc, char **argv)
{
	char before[2][8192], after[8192];
	int plain, reports, ghost, unread;

	begin(argc, argv);
	NEED(mkdir("dir", 0700) == 0);
	touch("file");
	touch("ignored");
	touch("ghost");
	if (!strcmp(variant(argc, argv), "decides")) {
		plain = make(FAN_CLASS_CONTENT, O_RDONLY);
		NEED(fanotify_mark(plain, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, "ghost") == 0);
		ready();
		wait_until_told();
		CHECK("it is there", true, fcntl(plain, F_GETFD) >= 0);
		return verdict();
	}
	plain = make(FAN_CLOEXEC | FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_UNLIMITED_MARKS, O_RDWR | O_LARGEFILE | O_CLOEXEC);
	NEED(fanotify_mark(plain, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE_WRITE, AT_FDCWD, "file") == 0);
	NEED(fanotify_mark(plain, FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR | FAN_EVENT_ON_CHILD, AT_FDCWD, "dir") == 0);
	NEED(fanotify_mark(plain, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY,
			   FAN_OPEN | FAN_CLOSE_WRITE, AT_FDCWD, "ignored") == 0);
	ghost = open("ghost", O_RDWR);
	NEED(ghost >= 0 && fanotify_mark(plain, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, "ghost") == 0);
	NEED(fanotify_mark(plain, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_EXEC, AT_FDCWD, "/dev/shm") == 0);
	NEED(unlink("ghost") == 0);
	reports = make(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, 0);
	NEED(fcntl(reports, F_SETFL, O_NONBLOCK) == 0);
	NEED(fanotify_mark(reports, FAN_MARK_ADD, FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM, AT_FDCWD, "dir") == 0);
	NEED(fanotify_mark(reports, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN_EXEC, AT_FDCWD, "/dev/shm") == 0);
	if (!strcmp(variant(argc, argv), "unread"))
		touch("file");
	read_marks(plain, before[0], sizeof(before[0]));
	read_marks(reports, before[1], sizeof(before[1]));
	/* The ghost is another inode. */
	NEED(strstr(before[0], "mask:2 ignored"));

	ready();
	wait_until_told();

	NEED(ioctl(plain, FIONREAD, &unread) == 0);
	if (!strcmp(variant(argc, argv), "unread")) {
		CHECK("unread", FAN_OPEN | FAN_CLOSE_WRITE, drain(plain));
		return verdict();
	}
	CHECK("nothing has happened", 0, unread);
	read_marks(reports, after, sizeof(after));
	check_text("marks of the second", before[1], after);
	read_marks(plain, after, sizeof(after));
	for (char *line = strtok(before[0], "\n"); line; line = strtok(NULL, "\n")) {
		if (!strstr(line, " mask:2 ignored_mask:0 fhandle"))
			CHECK(line, true, strstr(after, line) != NULL);
	}
	CHECK("the ghost's", true, strstr(after, " mask:2 ignored_mask:0 fhandle") != NULL);
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(plain, F_GETFD));
	CHECK("close-on-exec of the second", 0, fcntl(reports, F_GETFD));
	CHECK("flags", O_NONBLOCK, fcntl(reports, F_GETFL) & O_NONBLOCK);
	touch("file");
	CHECK("a file", FAN_OPEN | FAN_CLOSE_WRITE, drain(plain));
	touch("dir/x");
	CHECK("in a directory", FAN_OPEN, drain(plain));
	CHECK("its name", FAN_CREATE, drain(reports));
	touch("ignored");
	CHECK("ignored", 0, drain(plain));
	NEED(write(ghost, "x", 1) == 1);
	CHECK("a ghost", FAN_MODIFY, drain(plain));
	return verdict();
}
