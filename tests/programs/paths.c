/*
 * Regular files by their paths: names of any bytes, as long as can be, that end like the kernel's
 * remarks, changed since; who is signalled about one; how long its data will live.
 * Variant "root": inode flags (chattr(1)) that would forbid to open them as they are. Variants "deep"
 * and "deep-place": longer than a path can be.
 */
#include "program.h"
#include <linux/fs.h>
#include <sys/ioctl.h>

#ifndef F_SET_RW_HINT
#define F_GET_RW_HINT 1035
#define F_SET_RW_HINT 1036
#endif
#define LIFE_SHORT 2	/* RWH_WRITE_LIFE_SHORT, linux/fcntl.h */
#define LIFE_EXTREME 5

static char longest[256];

static int make(const char *name, int flags)
{
	int fd = open(name, flags | O_CREAT | O_EXCL, 0644);

	NEED(fd >= 0);
	return fd;
}

static void check_link(const char *what, int fd, const char *expected)
{
	char path[64], text[PATH_MAX] = "", whole[2 * PATH_MAX];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	NEED(readlink(path, text, sizeof(text) - 1) > 0);
	snprintf(whole, sizeof(whole), "%s/%s", test_dir, expected);
	check_text(what, whole, text);
}

/* A file whose path has PATH_MAX - 1 bytes; its name has `rest` of them. */
static int make_deep(size_t *rest)
{
	char name[256];
	size_t left = PATH_MAX - 1 - strlen(test_dir);
	int at = open(".", O_PATH), inner;

	memset(name, 'd', sizeof(name));
	while (left > 512) {
		name[255] = 0;
		NEED(mkdirat(at, name, 0755) == 0);
		inner = openat(at, name, O_PATH | O_DIRECTORY);
		NEED(inner >= 0 && close(at) == 0);
		at = inner;
		left -= 256;
	}
	name[left - 257] = 0;
	NEED(mkdirat(at, name, 0755) == 0);
	inner = openat(at, name, O_PATH | O_DIRECTORY);
	NEED(inner >= 0 && close(at) == 0);
	memset(name, 'f', sizeof(name));
	name[255] = 0;
	*rest = 255;
	at = openat(inner, name, O_RDWR | O_CREAT | O_EXCL, 0644);
	NEED(at >= 0 && close(inner) == 0);
	return at;
}

static volatile pid_t thread_id;
static volatile bool looked;

static void *wait_for_end(void *argument)
{
	(void)argument;
	thread_id = tid_of_caller();
	while (!looked)
		sleep_ms(1);
	return NULL;
}

static void set_owner(int fd, int type, pid_t pid, int number)
{
	struct f_owner_ex owner = { type, pid };

	NEED(fcntl(fd, F_SETOWN_EX, &owner) == 0 && fcntl(fd, F_SETSIG, number) == 0);
}

static void check_owner(const char *what, int fd, int type, pid_t pid, int number)
{
	struct f_owner_ex owner = { -1, -1 };

	NEED(fcntl(fd, F_GETOWN_EX, &owner) == 0);
	CHECK(what, type, owner.type);
	CHECK(what, pid, owner.pid);
	CHECK(what, number, fcntl(fd, F_GETSIG));
}

static void set_life(int fd, uint64_t life)
{
	NEED(fcntl(fd, F_SET_RW_HINT, &life) == 0);
}

static void check_life(const char *what, int fd, uint64_t expected)
{
	uint64_t life = 77;

	NEED(fcntl(fd, F_GET_RW_HINT, &life) == 0);
	CHECK(what, expected, life);
}

static void by_name(void)
{
	int strange, longest_fd, deleted_name, renamed, moved, deep, through, owned, grouped;
	int signalled, ghost;
	char path[PATH_MAX], text[PATH_MAX];
	pthread_t thread;
	size_t rest;

	memset(longest, 'x', 255);
	strange = make("new\nline \\040 \xff\xc3 tab\t\"quotes\"", O_RDWR);
	longest_fd = make(longest, O_RDWR);
	deleted_name = make("not gone (deleted)", O_RDWR);
	renamed = make("old", O_RDWR);
	NEED(rename("old", "new") == 0 && mkdir("one", 0755) == 0 && mkdir("two", 0755) == 0);
	moved = make("one/file", O_RDWR);
	NEED(rename("one", "two/three") == 0);
	NEED(symlink("two", "link") == 0);
	through = open("link/three/file", O_RDONLY);
	deep = make_deep(&rest);
	owned = make("owned", O_RDWR);
	grouped = make("grouped", O_RDWR);
	signalled = make("signalled", O_RDWR);
	ghost = make("ghost", O_RDWR);
	NEED(through >= 0 && unlink("ghost") == 0);
	NEED(pthread_create(&thread, NULL, wait_for_end, NULL) == 0);
	while (!thread_id)
		sleep_ms(1);
	set_owner(owned, F_OWNER_TID, thread_id, 40);
	set_owner(grouped, F_OWNER_PGRP, getpgrp(), 0);
	NEED(fcntl(signalled, F_SETSIG, 41) == 0);
	set_life(ghost, LIFE_SHORT);
	set_life(owned, LIFE_EXTREME);

	ready();
	wait_until_told();

	check_link("bytes of any kind", strange, "new\nline \\040 \xff\xc3 tab\t\"quotes\"");
	check_link("as long as a name can be", longest_fd, longest);
	check_link("a name that ends like a remark", deleted_name, "not gone (deleted)");
	check_link("renamed", renamed, "new");
	check_link("in a directory that was renamed", moved, "two/three/file");
	check_link("through a symbolic link", through, "two/three/file");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", deep);
	CHECK("as long as a path can be", PATH_MAX - 1, readlink(path, text, sizeof(text)));
	CHECK("its last name", rest, strspn(text + PATH_MAX - 1 - rest, "f"));
	NEED(write(deep, "deep", 4) == 4);
	check_owner("a thread", owned, F_OWNER_TID, thread_id, 40);
	check_owner("a group", grouped, F_OWNER_PGRP, getpgrp(), 0);
	check_owner("nobody, by a signal", signalled, F_OWNER_TID, 0, 41);
	check_life("life of a deleted file", ghost, LIFE_SHORT);
	check_life("life of a file", owned, LIFE_EXTREME);
	check_life("life that nobody spoke of", grouped, 0);
	looked = true;
	NEED(pthread_join(thread, NULL) == 0);
}

static void set_flag(const char *name, int flag, bool on)
{
	int fd = open(name, O_RDONLY), flags;

	NEED(fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
	flags = on ? flags | flag : flags & ~flag;
	NEED(ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0 && close(fd) == 0);
}

static int flags_of(int fd)
{
	int flags = 0;

	NEED(ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
	return flags & (FS_IMMUTABLE_FL | FS_APPEND_FL);
}

static void by_flags(void)
{
	int frozen, again, grown, appended, directory;
	char text[16] = "";

	write_file("frozen", "frozen", 6);
	write_file("grown", "grown", 5);
	frozen = open("frozen", O_RDWR | O_SYNC);
	again = open("frozen", O_WRONLY | O_APPEND);
	grown = open("grown", O_RDWR);
	appended = open("grown", O_WRONLY | O_APPEND);
	NEED(mkdir("fixed", 0755) == 0);
	directory = open("fixed", O_RDONLY | O_DIRECTORY);
	NEED(frozen >= 0 && again >= 0 && grown >= 0 && appended >= 0 && directory >= 0);
	NEED(lseek(frozen, 4, SEEK_SET) == 4 && lseek(grown, 2, SEEK_SET) == 2);
	set_flag("frozen", FS_IMMUTABLE_FL, true);
	set_flag("grown", FS_APPEND_FL, true);
	set_flag("fixed", FS_IMMUTABLE_FL, true);

	ready();
	wait_until_told();

	CHECK("still immutable", FS_IMMUTABLE_FL, flags_of(frozen));
	CHECK("still append-only", FS_APPEND_FL, flags_of(grown));
	CHECK("a directory too", FS_IMMUTABLE_FL, flags_of(directory));
	CHECK("opened for both", O_RDWR | O_SYNC, fcntl(frozen, F_GETFL) & (O_ACCMODE | O_SYNC));
	CHECK("opened to append", O_WRONLY | O_APPEND, fcntl(again, F_GETFL) & (O_ACCMODE | O_APPEND));
	CHECK("opened for both", O_RDWR, fcntl(grown, F_GETFL) & (O_ACCMODE | O_APPEND));
	CHECK("position", 4, lseek(frozen, 0, SEEK_CUR));
	CHECK("position", 2, lseek(grown, 0, SEEK_CUR));
	CHECK("it can be read", 6, pread(frozen, text, sizeof(text), 0));
	CHECK("it grows", 1, write(appended, "+", 1));
	CHECK("it cannot be opened so again", -1, open("grown", O_RDWR));
	set_flag("frozen", FS_IMMUTABLE_FL, false);
	set_flag("grown", FS_APPEND_FL, false);
	set_flag("fixed", FS_IMMUTABLE_FL, false);
	NEED(write(frozen, "EN", 2) == 2 && write(grown, "OWN", 3) == 3);
	CHECK("once it may change", 6, pread(frozen, text, sizeof(text), 0));
	check_text("once it may change", "frozEN", text);
	CHECK("once it may shrink", 6, pread(grown, text, sizeof(text), 0));
	check_text("once it may shrink", "grOWN+", text);
}

/* Beyond what any path can be, for a file or for the working directory. */
static void too_deep(bool is_place)
{
	char name[256] = "";
	int fd;

	memset(name, 'd', 255);
	for (int i = 0; i < 17; i++)
		NEED(mkdir(name, 0755) == 0 && chdir(name) == 0);
	fd = is_place ? -1 : make("file", O_RDWR);
	if (!is_place)
		NEED(chdir(test_dir) == 0);

	ready();
	wait_until_told();

	if (is_place)
		CHECK("the working directory", true, make("file", O_RDWR) >= 0);
	else
		CHECK("it is open", 1, write(fd, "x", 1));
	NEED(chdir(test_dir) == 0);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "root"))
		by_flags();
	else if (!strncmp(variant(argc, argv), "deep", 4))
		too_deep(!strcmp(variant(argc, argv), "deep-place"));
	else
		by_name();
	return verdict();
}
