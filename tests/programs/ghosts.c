/*
 * Deleted files: with holes, owner, mode and times; opened twice independently; read-only; shared
 * with a child; empty. Variants: "occupied" (another file has the name by now) and "link" (it has
 * another name left: needs --link-remap).
 */
#include "program.h"
#include <sys/time.h>

#define PAGE 4096l

static int holes, twice[2], constant, empty, shared;

static void make_holes(void)
{
	struct timespec times[2] = { { 1000000000, 123 }, { 1100000000, 456000 } };

	holes = open("holes", O_RDWR | O_CREAT | O_EXCL, 0640);
	NEED(holes >= 0 && ftruncate(holes, 1000 * PAGE + 17) == 0);
	NEED(pwrite(holes, "start", 5, 0) == 5 && pwrite(holes, "middle", 6, 500 * PAGE) == 6);
	NEED(lseek(holes, 3, SEEK_SET) == 3);
	NEED(fchmod(holes, 02751) == 0 && (getuid() || fchown(holes, 11, 22) == 0));
	NEED(futimens(holes, times) == 0 && unlink("holes") == 0);
}

static void check_holes(const struct stat *before)
{
	struct stat now;
	char text[8] = "";

	NEED(fstat(holes, &now) == 0);
	CHECK("size", before->st_size, now.st_size);
	CHECK("mode", before->st_mode, now.st_mode);
	CHECK("owner", before->st_uid, now.st_uid);
	CHECK("group", before->st_gid, now.st_gid);
	CHECK("links", 0, now.st_nlink);
	CHECK("seconds of mtime", before->st_mtim.tv_sec, now.st_mtim.tv_sec);
	CHECK("nanoseconds of mtime", before->st_mtim.tv_nsec, now.st_mtim.tv_nsec);
	check_between("blocks on the disk", 0, before->st_blocks + 16, now.st_blocks);
	CHECK("position", 3, lseek(holes, 0, SEEK_CUR));
	CHECK("first hole", PAGE, lseek(holes, 0, SEEK_HOLE));
	CHECK("data after it", 500 * PAGE, lseek(holes, PAGE, SEEK_DATA));
	CHECK("second hole", 501 * PAGE, lseek(holes, 500 * PAGE, SEEK_HOLE));
	NEED(pread(holes, text, 6, 500 * PAGE) == 6);
	check_text("content", "middle", text);
	NEED(pread(holes, text, 8, 700 * PAGE) == 8);
	check_filled("content of a hole", text, 0, 8);
}

static void child(void *argument)
{
	(void)argument;
	child_is_ready();
	wait_until_told();
	CHECK("position in the child", 6, lseek(shared, 0, SEEK_CUR));
	NEED(write(shared, " and the child", 14) == 14);
}

static int with_link(void)
{
	struct stat before, now;
	char text[16] = "";
	int fd;

	write_file("first", "linked", 6);
	NEED(link("first", "second") == 0);
	fd = open("first", O_RDWR);
	NEED(fd >= 0 && unlink("first") == 0 && fstat(fd, &before) == 0);
	ready();
	wait_until_told();
	NEED(fstat(fd, &now) == 0);
	CHECK("inode", before.st_ino, now.st_ino);
	CHECK("links", 1, now.st_nlink);
	NEED(pwrite(fd, "LINKED", 6, 0) == 6 && read(open("second", O_RDONLY), text, 6) == 6);
	check_text("through the other name", "LINKED", text);
	CHECK("the name that was deleted", -1, access("first", F_OK));
	return verdict();
}

int main(int argc, char **argv)
{
	bool occupied = !strcmp(variant(argc, argv), "occupied");
	struct stat before;
	char text[64] = "";
	pid_t pid;

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "link"))
		return with_link();
	make_holes();
	NEED(fstat(holes, &before) == 0);
	twice[0] = open("twice", O_RDWR | O_CREAT, 0600);
	twice[1] = open("twice", O_RDONLY);
	NEED(twice[0] >= 0 && twice[1] >= 0 && write(twice[0], "one and the same", 16) == 16 && !unlink("twice"));
	if (occupied)
		write_file("twice", "another", 7);
	write_file("constant", "read-only", 9);
	constant = open("constant", O_RDONLY);
	NEED(constant >= 0 && chmod("constant", 0) == 0 && unlink("constant") == 0);
	empty = open("empty", O_WRONLY | O_CREAT | O_APPEND, 0600);
	NEED(empty >= 0 && unlink("empty") == 0);
	shared = open("shared", O_RDWR | O_CREAT, 0600);
	NEED(shared >= 0 && write(shared, "parent", 6) == 6 && unlink("shared") == 0);
	pid = spawn(child, NULL);

	ready();
	wait_until_told();

	check_holes(&before);
	CHECK("position of the writer", 16, lseek(twice[0], 0, SEEK_CUR));
	CHECK("position of the reader", 0, lseek(twice[1], 0, SEEK_CUR));
	NEED(pwrite(twice[0], "ONE", 3, 0) == 3 && read(twice[1], text, 16) == 16);
	check_text("one file behind both", "ONE and the same", text);
	if (occupied) {
		NEED(read(open("twice", O_RDONLY), text, 8) == 7);
		check_bytes("the file that has its name", "another", text, 7);
	}
	NEED(read(constant, text, 9) == 9);
	check_bytes("read-only", "read-only", text, 9);
	CHECK("a write", -1, write(constant, "x", 1));
	NEED(write(empty, "x", 1) == 1 && fstat(empty, &before) == 0);
	CHECK("size of the once empty one", 1, before.st_size);
	expect_exit("child", pid, 0);
	memset(text, 0, sizeof(text));
	NEED(pread(shared, text, 63, 0) == 20);
	check_text("written by both", "parent and the child", text);
	CHECK("a name came back", -1, access("holes", F_OK) & access("constant", F_OK) & access("shared", F_OK));
	CHECK("the name of what was opened twice", occupied ? 0 : -1, access("twice", F_OK));
	return verdict();
}
