/*
 * inotify queues: masks, watch descriptors with gaps, marks of all sorts of inodes, and what comes
 * after a restore; "numbers": descriptors above 100,000, and 2,000 watches. "unread": events that
 * nobody has read come back as lost.
 */
#include "program.h"
#include <sys/inotify.h>
#include <sys/ioctl.h>

static char buffer[1 << 16];

static int make(int flags)
{
	int fd = inotify_init1(flags);

	NEED(fd >= 0);
	return fd;
}

static int watch(int fd, const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(fd, path, mask);

	NEED(wd > 0);
	return wd;
}

static void expect_nothing(const char *what, int fd)
{
	int unread = -1;

	NEED(ioctl(fd, FIONREAD, &unread) == 0);
	CHECK(what, 0, unread);
}

/* The next event, of which the names differ in length. */
static void expect_event(const char *what, int fd, int wd, uint32_t mask, const char *name)
{
	struct inotify_event *event = (void *)buffer;
	ssize_t got = 0;

	for (int size = 16; size <= 512 && got <= 0; size *= 2) {
		got = read(fd, buffer, (size_t)size);	/* too small for one: EINVAL */
		if (got < 0 && errno != EINVAL)
			break;
	}
	if (got < (ssize_t)sizeof(*event)) {
		fail("%s: no event (errno %d)", what, errno);
		return;
	}
	CHECK(what, wd, event->wd);
	CHECK(what, mask, event->mask);
	check_text(what, name, event->len ? event->name : "");
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	NEED(fd >= 0 && close(fd) == 0);
}

/* What fdinfo says, without the handles, which a ghost's new inode has others of. */
static void check_watches(const char *what, int fd, int count, const int *numbers, const uint32_t *masks)
{
	char path[64], text[65536], *line;
	int found = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	read_file(path, text, sizeof(text));
	for (line = strstr(text, "inotify "); line; line = strstr(line + 1, "inotify ")) {
		unsigned int wd = 0, mask = 0;

		NEED(sscanf(line, "inotify wd:%x ino:%*x sdev:%*x mask:%x", &wd, &mask) == 2);
		for (int i = 0; i < count; i++) {
			if (numbers[i] == (int)wd) {
				found++;
				CHECK(what, masks[i], mask);
			}
		}
	}
	CHECK(what, count, found);
}

static int shared;

static void child(void *unused)
{
	(void)unused;
	child_is_ready();
	wait_until_told();
	CHECK("the child's flags", O_NONBLOCK, fcntl(shared, F_GETFL) & O_NONBLOCK);
	touch("dir/by the child");
}

static int plain(void)
{
	int numbers[8];
	uint32_t masks[8];
	int fd, same, empty, blocking, file, ghost, gone, link;
	int count = 0, other;
	pid_t pid;

	NEED(mkdir("dir", 0700) == 0 && mkdir("dir/below", 0700) == 0 && mkdir("gone", 0700) == 0);
	touch("file");
	touch("once");
	touch("ghost");
	touch("strange \n\xff name");
	NEED(symlink("nowhere", "link") == 0);

	shared = fd = make(IN_NONBLOCK);
	same = dup3(fd, 700, O_CLOEXEC);
	NEED(same == 700);
#define ADD(path, mask) (masks[count] = (mask) & ~IN_DONT_FOLLOW, numbers[count] = watch(fd, path, mask), numbers[count++])
	ADD("dir", IN_CREATE | IN_DELETE | IN_MOVE | IN_EXCL_UNLINK);
	other = watch(fd, "file", IN_OPEN);
	NEED(inotify_rm_watch(fd, other) == 0);
	other = watch(fd, "dir/below", IN_OPEN);
	NEED(inotify_rm_watch(fd, other) == 0);
	file = ADD("file", IN_ALL_EVENTS);
	NEED(file == 4);
	ADD("once", IN_ATTRIB | IN_ONESHOT);
	link = ADD("link", IN_ATTRIB | IN_DONT_FOLLOW);
	ADD("strange \n\xff name", IN_MODIFY);
	ADD("/proc/sys/kernel/ostype", IN_ACCESS);
	/* Two without a name: open each, or their watches would be gone. */
	ghost = open("ghost", O_RDWR);
	NEED(ghost >= 0 && write(ghost, "content", 7) == 7);
	ADD("ghost", IN_MODIFY | IN_ATTRIB);
	gone = open("gone", O_RDONLY | O_DIRECTORY);
	NEED(gone >= 0);
	ADD("gone", IN_ATTRIB);
	NEED(unlink("ghost") == 0 && rmdir("gone") == 0);
	NEED(count == COUNT(numbers));
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	empty = make(IN_CLOEXEC);
	blocking = make(0);
	NEED(watch(blocking, "file", IN_ATTRIB) == 1);
	pid = spawn(child, NULL);

	ready();
	wait_until_told();

	expect_exit("the child", pid, 0);
	check_watches("watches", fd, count, numbers, masks);
	CHECK("flags", O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK("flags of a blocking one", 0, fcntl(blocking, F_GETFL) & O_NONBLOCK);
	CHECK("close-on-exec", 0, fcntl(fd, F_GETFD));
	CHECK("close-on-exec of its copy", FD_CLOEXEC, fcntl(same, F_GETFD));
	CHECK("close-on-exec of the empty one", FD_CLOEXEC, fcntl(empty, F_GETFD));
	expect_event("from the child", same, 1, IN_CREATE, "by the child");
	/* Nothing else has happened: neither the dump nor the restore is seen. */
	expect_nothing("after the restore", fd);
	expect_nothing("after the restore, blocking", blocking);

	touch("dir/below/not seen");
	expect_nothing("below", fd);
	NEED(rename("dir/by the child", "dir/renamed") == 0);
	expect_event("moved from", fd, 1, IN_MOVED_FROM, "by the child");
	expect_event("moved to", fd, 1, IN_MOVED_TO, "renamed");
	touch("file");
	expect_event("opened", fd, file, IN_OPEN, "");
	expect_event("closed", fd, file, IN_CLOSE_WRITE, "");
	NEED(chmod("once", 0640) == 0 && chmod("once", 0600) == 0);
	expect_event("once", fd, numbers[2], IN_ATTRIB, "");
	expect_event("and not again", fd, numbers[2], IN_IGNORED, "");
	NEED(lchown("link", getuid(), getgid()) == 0);
	expect_event("a link", fd, link, IN_ATTRIB, "");
	NEED(truncate("strange \n\xff name", 3) == 0);
	expect_event("a strange name", fd, numbers[4], IN_MODIFY, "");
	NEED(write(ghost, "more", 4) == 4);
	expect_event("a ghost", fd, numbers[6], IN_MODIFY, "");
	NEED(fchmod(gone, 0750) == 0);
	expect_event("a directory that is gone", fd, numbers[7], IN_ATTRIB | IN_ISDIR, "");
	NEED(chmod("file", 0640) == 0);
	expect_event("blocking", blocking, 1, IN_ATTRIB, "");
	expect_event("both", fd, file, IN_ATTRIB, "");
	expect_nothing("at the end", fd);
	CHECK("the next number", true, watch(fd, ".", IN_OPEN) > numbers[7]);
	CHECK("the empty one's", 1, watch(empty, ".", IN_OPEN));
	return verdict();
}

static int numbers(void)
{
	int fd = make(IN_NONBLOCK), first, last, wd = 0;
	char name[32];

	first = watch(fd, ".", IN_CREATE);
	touch("turns");
	while (wd < 123456) {
		NEED((wd = inotify_add_watch(fd, "turns", IN_DELETE_SELF)) > 0);
		NEED(inotify_rm_watch(fd, wd) == 0);
		if (wd % 1000 == 0)
			while (read(fd, buffer, sizeof(buffer)) > 0)
				;
	}
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		touch(name);
		last = watch(fd, name, IN_MODIFY);
	}
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;

	ready();
	wait_until_told();

	expect_event("told", fd, first, IN_CREATE, "go");
	expect_nothing("afterwards", fd);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		NEED(truncate(name, 1) == 0);
		expect_event(name, fd, last - 1999 + i, IN_MODIFY, "");
	}
	return verdict();
}

static int unread(void)
{
	int fd = make(0), wd, i = 0;
	struct inotify_event *event = (void *)buffer;
	ssize_t got;

	wd = watch(fd, ".", IN_CREATE);
	touch("one");
	touch("two");

	ready();
	wait_until_told();

	/* One way or the other: what has happened, or that something has. */
	got = read(fd, buffer, sizeof(buffer));
	NEED(got >= (ssize_t)sizeof(*event));
	if (event->mask == IN_Q_OVERFLOW) {
		CHECK("lost", -1, event->wd);
	} else {
		CHECK("the first", wd, event->wd);
		check_text("the first", "one", event->name);
		event = (void *)(buffer + sizeof(*event) + event->len);
		check_text("the second", "two", event->name);
		i = 1;
	}
	event = (void *)((char *)event + sizeof(*event) + event->len);
	CHECK("what comes then", wd, event->wd);
	check_text("what comes then", "go", event->name);
	event = (void *)((char *)event + sizeof(*event) + event->len);
	CHECK("nothing else", buffer + got - (char *)event, 0);
	touch("three");
	expect_event("the next", fd, wd, IN_CREATE, "three");
	say(i ? "all read" : "told of a loss");
	return verdict();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "numbers"))
		return numbers();
	if (!strcmp(variant(argc, argv), "unread"))
		return unread();
	return plain();
}
