/*
 * Files whose mounts make them hard to find. It mounts, so it is to be run in a mount namespace of
 * its own. Variants:
 *   covered   below another mount: files, a directory, the working directory, what was deleted
 *   bind      bind mounts of directories and files, read-only ones, deleted files on these
 *   overlay   every layer: plain, copied up, deleted, replaced, mapped; renamed, directories
 *   link      an overlay's file with another name: needs --link-remap
 *   hidden    an overlay whose layers cannot be seen: likewise, to tell what has no name
 *   copied    an overlay's file, mapped before it was copied up, changed in what is mapped: refused
 */
#include "program.h"
#include <sys/mount.h>
#include <sys/statvfs.h>

static void put(const char *path, const char *content)
{
	write_file(path, content, strlen(content));
}

static int get(const char *path, int flags)
{
	int fd = open(path, flags);

	NEED(fd >= 0);
	return fd;
}

static void check_content(const char *what, const char *expected, int fd)
{
	char text[64] = "";
	ssize_t got = pread(fd, text, sizeof(text) - 1, 0);

	CHECK(what, strlen(expected), got);
	check_text(what, expected, text);
}

static void check_same(const char *what, int fd, const char *path)
{
	struct stat one, two;

	NEED(fstat(fd, &one) == 0);
	CHECK(what, 0, stat(path, &two));
	CHECK(what, two.st_ino, one.st_ino);
	CHECK(what, two.st_dev, one.st_dev);
}

/* What is behind a path of /proc/self: the kernel's name for it. */
static void check_name(const char *link, const char *expected)
{
	char path[PATH_MAX], text[PATH_MAX] = "", whole[2 * PATH_MAX];

	snprintf(path, sizeof(path), "/proc/self/%s", link);
	NEED(readlink(path, text, sizeof(text) - 1) > 0);
	snprintf(whole, sizeof(whole), "%s/%s", test_dir, expected);
	check_text(link, whole, text);
}

static void covered(void)
{
	int file, directory, single, gone, inner;
	char *mapped;

	NEED(mkdir("place", 0755) == 0 && mkdir("place/inner", 0755) == 0 && mkdir("other", 0755) == 0);
	put("place/inner/file", "below");
	put("place/inner/mapped", "mapped below");
	put("single", "one file");
	put("cover", "over it");
	file = get("place/inner/file", O_RDWR | O_APPEND);
	NEED(lseek(file, 2, SEEK_SET) == 2);
	directory = get("place/inner", O_RDONLY | O_DIRECTORY);
	single = get("single", O_RDONLY);
	gone = open("place/inner/gone", O_RDWR | O_CREAT, 0600);
	NEED(gone >= 0 && write(gone, "deleted", 7) == 7 && unlink("place/inner/gone") == 0);
	NEED(mkdir("place/lost", 0700) == 0);
	inner = open("place/lost/file", O_RDWR | O_CREAT, 0600);
	NEED(inner >= 0 && write(inner, "lost", 4) == 4);
	NEED(unlink("place/lost/file") == 0 && rmdir("place/lost") == 0);
	int to_map = get("place/inner/mapped", O_RDWR);
	mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, to_map, 0);
	NEED(mapped != MAP_FAILED && close(to_map) == 0 && chdir("place") == 0);
	NEED(mount("over", "../place", "tmpfs", 0, "size=64k") == 0);
	NEED(mount("../cover", "../single", NULL, MS_BIND, NULL) == 0);

	ready();
	wait_until_told();

	check_content("a file below", "below", file);
	CHECK("its position", 2, lseek(file, 0, SEEK_CUR));
	NEED(write(file, "!", 1) == 1);
	check_content("written to", "below!", file);
	check_content("a file below a file", "one file", single);
	check_content("a deleted file below", "deleted", gone);
	check_content("one whose directory is gone as well", "lost", inner);
	check_bytes("mapped", "mapped below", mapped, 12);
	mapped[0] = 'M';
	CHECK("the working directory", 0, access("inner/file", F_OK));
	check_content("by a relative path", "Mapped below", get("inner/mapped", O_RDONLY));
	check_content("by a directory", "below!", openat(directory, "file", O_RDONLY));
	check_name("cwd", "place");
	NEED(chdir(test_dir) == 0);
	CHECK("what is above is still empty", -1, access("place/inner", F_OK));
	int above = get("single", O_RDONLY);
	check_content("what is above the file", "over it", above);
	NEED(close(above) == 0);
	/* On the mount that they were on: this one can go as soon as nothing else is on it. */
	CHECK("nothing holds the mount above", 0, umount("place"));
	check_same("the same file", file, "place/inner/file");
	check_same("the same directory", directory, "place/inner");
	CHECK("nothing holds the file above", 0, umount("single"));
	check_same("the same single file", single, "single");
	CHECK("no name came back", -1, access("place/inner/gone", F_OK) & access("place/lost", F_OK));
}

static void bind(void)
{
	int file, renamed, single, fixed, gone, lost, directory, path;
	struct statvfs about;
	char text[16];

	NEED(mkdir("real", 0755) == 0 && mkdir("real/sub", 0755) == 0 && mkdir("seen", 0755) == 0);
	NEED(mkdir("fixed", 0755) == 0);
	put("real/file", "file");
	put("real/name", "renamed");
	put("real/gone", "gone");
	put("real/sub/lost", "lost");
	put("one", "single");
	put("two", "");
	NEED(mount("real", "seen", NULL, MS_BIND, NULL) == 0 && mount("one", "two", NULL, MS_BIND, NULL) == 0);
	NEED(mount("real", "fixed", NULL, MS_BIND, NULL) == 0);
	NEED(mount(NULL, "fixed", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
	file = get("seen/file", O_RDWR);
	renamed = get("seen/name", O_RDONLY);
	NEED(rename("real/name", "real/sub/changed") == 0);
	single = get("two", O_RDWR);
	fixed = get("fixed/file", O_RDONLY);
	gone = get("fixed/gone", O_RDONLY);
	path = get("fixed/gone", O_PATH);
	lost = get("fixed/sub/lost", O_RDONLY);
	NEED(mkdir("real/empty", 0750) == 0);
	directory = get("fixed/empty", O_RDONLY | O_DIRECTORY);
	NEED(rename("real/sub/lost", "real/empty/lost") == 0 && unlink("real/empty/lost") == 0);
	NEED(unlink("real/gone") == 0 && rmdir("real/empty") == 0);

	ready();
	wait_until_told();

	check_content("by a bind mount", "file", file);
	check_content("renamed", "renamed", renamed);
	check_same("the same", renamed, "seen/sub/changed");
	check_content("a file that is mounted", "single", single);
	NEED(write(single, "SINGLE", 6) == 6);
	check_content("its other path", "SINGLE", get("one", O_RDONLY));
	check_content("on a read-only mount", "file", fixed);
	check_content("deleted there", "gone", gone);
	check_content("in a deleted directory there", "lost", lost);
	NEED(fstatvfs(gone, &about) == 0);
	CHECK("its mount is read-only", ST_RDONLY, about.f_flag & ST_RDONLY);
	snprintf(text, sizeof(text), "fd/%d", path);
	check_name(text, "fixed/gone (deleted)");
	snprintf(text, sizeof(text), "fd/%d", lost);
	check_name(text, "fixed/empty/lost (deleted)");
	snprintf(text, sizeof(text), "fd/%d", directory);
	check_name(text, "fixed/empty (deleted)");
	CHECK("no name came back", -1, access("real/gone", F_OK) & access("real/empty", F_OK));
	CHECK("nothing holds the mounts", 0, close(file) | close(renamed) | umount("seen"));
}

static void mount_overlay(void)
{
	char options[5 * PATH_MAX];

	NEED(mkdir("lower:1", 0755) == 0 && mkdir("lower2", 0755) == 0 && mkdir("upper", 0755) == 0);
	NEED(mkdir("work", 0755) == 0 && mkdir("merged", 0755) == 0 && mkdir("lower2/dir", 0755) == 0);
	put("lower2/plain", "plain");
	put("lower2/deleted", "deleted");
	put("lower:1/replaced", "replaced");
	put("lower2/copied", "copied");
	put("lower2/mapped", "mapped");
	put("lower2/both", "both");
	NEED(link("lower2/both", "lower2/both2") == 0);
	put("lower2/dir/renamed", "renamed");
	put("lower2/linked", "linked");
	put("upper/new", "new");
	snprintf(options, sizeof(options), "lowerdir=%s/lower\\:1:%s/lower2,upperdir=%s/upper,workdir=%s/work",
		 test_dir, test_dir, test_dir, test_dir);
	if (mount("overlay", "merged", "overlay", 0, options))
		skip("overlay file systems cannot be mounted here");
}

static void overlay(void)
{
	int plain, deleted, replaced, copied, both, new, renamed, directory, gone;
	char *mapped, *private, *own;

	mount_overlay();
	plain = get("merged/plain", O_RDWR);
	deleted = get("merged/deleted", O_RDONLY);
	replaced = get("merged/replaced", O_RDONLY);
	copied = get("merged/copied", O_RDONLY);
	both = get("merged/both", O_RDONLY);
	new = get("merged/new", O_RDWR);
	renamed = get("merged/dir/renamed", O_RDONLY);
	directory = get("merged/dir", O_RDONLY | O_DIRECTORY);
	int to_map = get("merged/mapped", O_RDONLY);
	mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, to_map, 0);
	private = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, deleted, 0);
	/* Copied up after it was mapped, and changed only where this process has pages of its own. */
	own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, copied, 0);
	NEED(mapped != MAP_FAILED && private != MAP_FAILED && own != MAP_FAILED && close(to_map) == 0);
	strcpy(own, "own");
	NEED(unlink("merged/deleted") == 0 && unlink("merged/both") == 0 && unlink("merged/new") == 0);
	put("merged/another", "another");
	NEED(rename("merged/another", "merged/replaced") == 0);
	int more = get("merged/copied", O_WRONLY | O_APPEND);
	NEED(write(more, " up", 3) == 3 && close(more) == 0);
	NEED(rename("merged/dir/renamed", "merged/changed") == 0);
	gone = open("merged", O_TMPFILE | O_RDWR, 0600);
	NEED(gone >= 0 && write(gone, "unborn", 6) == 6);
	NEED(mkdir("merged/work", 0755) == 0 && chdir("merged/work") == 0);

	ready();
	wait_until_told();

	NEED(chdir("..") == 0);
	check_content("plain", "plain", plain);
	check_same("plain", plain, "plain");
	check_content("deleted", "deleted", deleted);
	check_content("replaced", "replaced", replaced);
	check_content("what replaced it", "another", get("replaced", O_RDONLY));
	check_content("copied up", "copied up", copied);
	check_same("copied up", copied, "copied");
	check_content("hard-linked in its layer", "both", both);
	check_content("its other name", "both", get("both2", O_RDONLY));
	check_content("of the upper layer", "new", new);
	check_content("renamed", "renamed", renamed);
	check_same("renamed", renamed, "changed");
	check_same("a directory", directory, "dir");
	check_content("without a name", "unborn", gone);
	check_bytes("mapped", "mapped", mapped, 6);
	check_bytes("mapped and deleted", "deleted", private, 7);
	check_text("written to", "own", own);
	CHECK("no name came back", -1, access("deleted", F_OK) & access("new", F_OK));
	NEED(chdir("..") == 0);
}

static void overlay_link(bool hidden)
{
	int linked, deleted = -1;
	struct stat about;

	mount_overlay();
	NEED(link("merged/linked", "merged/second") == 0);
	linked = get("merged/linked", O_RDWR);
	NEED(unlink("merged/linked") == 0);
	if (hidden) {
		deleted = get("merged/deleted", O_RDONLY);
		NEED(unlink("merged/deleted") == 0);
		NEED(mount("none", "lower2", "tmpfs", 0, "size=64k") == 0);
	}

	ready();
	wait_until_told();

	check_content("linked elsewhere", "linked", linked);
	check_same("its other name", linked, "merged/second");
	NEED(fstat(linked, &about) == 0);
	CHECK("links", 1, about.st_nlink);
	if (hidden)
		check_content("deleted", "deleted", deleted);
}

static void copied(void)
{
	char *mapped, *again;
	int fd, more;

	mount_overlay();
	fd = get("merged/mapped", O_RDONLY);
	mapped = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	/* What is the process's own differs by right. */
	again = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	NEED(mapped != MAP_FAILED && again != MAP_FAILED);
	again[0] = 'M';
	more = get("merged/mapped", O_WRONLY);
	NEED(write(more, "MAP", 3) == 3 && close(more) == 0);

	ready();
	wait_until_told();

	check_bytes("mapped", "mapped", mapped, 6);
	check_bytes("mapped", "Mapped", again, 6);
	check_content("the file", "MAPped", fd);
}

int main(int argc, char **argv)
{
	const char *which = variant(argc, argv);

	begin(argc, argv);
	if (!strcmp(which, "covered"))
		covered();
	else if (!strcmp(which, "bind"))
		bind();
	else if (!strcmp(which, "overlay"))
		overlay();
	else if (!strcmp(which, "copied"))
		copied();
	else
		overlay_link(!strcmp(which, "hidden"));
	return verdict();
}
