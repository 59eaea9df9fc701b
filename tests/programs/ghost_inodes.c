/*
 * Deleted inodes of every type with all that an inode has: times with nanoseconds, extended
 * attributes, access control lists; opened again through /proc, for other modes and as O_PATH; in
 * directories that are gone as well; born without a name. Variant "root": attributes and inode
 * flags (chattr(1)) that only root sets, devices.
 */
#include "program.h"
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define LONG_NAME "a name of two hundred and thirty bytes\n\xff\xfe ...................................." \
	"..................................................................................................." \
	"......................................................."

static const struct timespec times[2] = { { 1234567890, 123456789 }, { -5, 987654321 } };
static bool is_root;

static int make(const char *name, int flags, mode_t mode)
{
	int fd = open(name, flags | O_CREAT | O_EXCL, mode);

	NEED(fd >= 0);
	if (flags & O_ACCMODE)
		NEED(write(fd, name, strlen(name)) == (ssize_t)strlen(name));
	return fd;
}

/* The same inode once more, as another open file. */
static int again(int fd, int flags)
{
	char path[64];
	int got;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	got = open(path, flags);
	NEED(got >= 0);
	return got;
}

static const char *path_of(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static void check_link(int fd, const char *expected)
{
	char text[2 * PATH_MAX], whole[2 * PATH_MAX];
	ssize_t length = readlink(path_of(fd), text, sizeof(text) - 1);

	NEED(length > 0);
	text[length] = 0;
	snprintf(whole, sizeof(whole), "%s/%s (deleted)", test_dir, expected);
	check_text("what /proc calls it", whole, text);
}

static void check_times(const char *what, int fd)
{
	struct stat now;

	NEED(fstat(fd, &now) == 0);
	CHECK(what, times[0].tv_sec, now.st_atim.tv_sec);
	CHECK(what, times[0].tv_nsec, now.st_atim.tv_nsec);
	CHECK(what, times[1].tv_sec, now.st_mtim.tv_sec);
	CHECK(what, times[1].tv_nsec, now.st_mtim.tv_nsec);
}

static void check_attribute(int fd, const char *name, const void *value, size_t size)
{
	char got[512];
	ssize_t length = getxattr(path_of(fd), name, got, sizeof(got));

	CHECK(name, size, length);
	if (length == (ssize_t)size)
		check_bytes(name, value, got, size);
}

static void set_attribute(int fd, const char *name, const void *value, size_t size)
{
	NEED(setxattr(path_of(fd), name, value, size, 0) == 0);
}

/* POSIX access control lists as the kernel takes them: linux/posix_acl_xattr.h. */
struct list {
	uint32_t version;
	struct { uint16_t tag, perm; uint32_t id; } entries[5];
};

static const struct list acl = { 2, { { 1, 6, -1u }, { 2, 4, 4711 }, { 4, 4, -1u }, { 16, 5, -1u }, { 32, 0, -1u } } };

/* --- What every user can have --- */

static int dressed, read_again, path_again, written_again, unborn, inner, inner_directory, listed, lost;
static int pipe_path, link_path, link_again, socket_path, strange, holed, wide;
static char wide_value[200];

static void build(void)
{
	struct sockaddr_un name = { AF_UNIX, "socket" };
	int sk;

	dressed = make("dressed", O_RDWR, 0640);
	memset(wide_value, 'w', sizeof(wide_value));
	set_attribute(dressed, "user.mark", "\0binary\xff", 8);
	set_attribute(dressed, "user.none", "", 0);
	set_attribute(dressed, "user.wide", wide_value, sizeof(wide_value));
	set_attribute(dressed, "system.posix_acl_access", &acl, sizeof(acl));
	read_again = again(dressed, O_RDONLY);
	NEED(unlink("dressed") == 0);
	path_again = again(dressed, O_PATH);
	written_again = again(dressed, O_WRONLY | O_APPEND | O_SYNC);
	NEED(lseek(read_again, 3, SEEK_SET) == 3 && lseek(dressed, 1, SEEK_SET) == 1);

	unborn = open(".", O_TMPFILE | O_RDWR, 0600);
	NEED(unborn >= 0 && write(unborn, "unborn", 6) == 6);

	NEED(mkdir("outer", 0750) == 0 && mkdir("outer/middle", 0700) == 0);
	inner = make("outer/middle/file", O_RDWR, 0600);
	inner_directory = open("outer/middle", O_RDONLY | O_DIRECTORY);
	listed = open("outer", O_RDONLY | O_DIRECTORY);
	NEED(inner_directory >= 0 && listed >= 0);
	set_attribute(listed, "user.mark", "of a directory", 14);
	set_attribute(listed, "system.posix_acl_default", &acl, sizeof(acl));
	NEED(unlink("outer/middle/file") == 0 && rmdir("outer/middle") == 0 && rmdir("outer") == 0);
	NEED(futimens(listed, times) == 0);
	NEED(mkdir("lost", 0700) == 0 && mkdir("lost/deep", 0700) == 0);
	lost = make("lost/deep/file", O_RDONLY, 0400);
	NEED(unlink("lost/deep/file") == 0 && rmdir("lost/deep") == 0 && rmdir("lost") == 0);

	NEED(mkfifo("fifo", 0620) == 0 && symlink("over the hills", "link") == 0);
	NEED(utimensat(AT_FDCWD, "link", times, AT_SYMLINK_NOFOLLOW) == 0);
	NEED(utimensat(AT_FDCWD, "fifo", times, 0) == 0);
	pipe_path = open("fifo", O_PATH);
	link_path = open("link", O_PATH | O_NOFOLLOW);
	link_again = open("link", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	sk = socket(AF_UNIX, SOCK_STREAM, 0);
	NEED(sk >= 0 && bind(sk, (struct sockaddr *)&name, sizeof(name)) == 0 && close(sk) == 0);
	NEED(chmod("socket", 0711) == 0 && utimensat(AT_FDCWD, "socket", times, 0) == 0);
	socket_path = open("socket", O_PATH);
	NEED(pipe_path >= 0 && link_path >= 0 && link_again >= 0 && socket_path >= 0);
	NEED(unlink("fifo") == 0 && unlink("link") == 0 && unlink("socket") == 0);

	strange = make(LONG_NAME, O_RDWR, 0600);
	NEED(unlink(LONG_NAME) == 0);
	wide = make("file (deleted)", O_RDWR, 0600);
	NEED(unlink("file (deleted)") == 0);
	/* Room that was reserved and not written to is no data. */
	holed = make("holed", O_RDWR, 0600);
	NEED(fallocate(holed, 0, 8192, 65536) == 0 && pwrite(holed, "end", 3, 1 << 20) == 3);
	NEED(unlink("holed") == 0);
	NEED(futimens(dressed, times) == 0 && futimens(holed, times) == 0);
}

static void look(void)
{
	char text[512] = "";
	struct stat one, two;

	check_times("times of a file", dressed);
	check_times("times of a directory", listed);
	check_times("times of a file with holes", holed);
	check_link(dressed, "dressed");
	check_link(inner, "outer/middle/file");
	check_link(lost, "lost/deep/file");
	check_link(inner_directory, "outer/middle");
	check_link(listed, "outer");
	check_link(strange, LONG_NAME);
	check_link(wide, "file (deleted)");
	check_attribute(dressed, "user.mark", "\0binary\xff", 8);
	check_attribute(dressed, "user.none", "", 0);
	check_attribute(dressed, "user.wide", wide_value, sizeof(wide_value));
	check_attribute(dressed, "system.posix_acl_access", &acl, sizeof(acl));
	check_attribute(listed, "user.mark", "of a directory", 14);
	check_attribute(listed, "system.posix_acl_default", &acl, sizeof(acl));
	NEED(fstat(dressed, &one) == 0 && fstat(path_again, &two) == 0);
	CHECK("mode", S_IFREG | 0650, one.st_mode);
	CHECK("one inode, O_PATH", one.st_ino, two.st_ino);
	NEED(fstat(read_again, &two) == 0);
	CHECK("one inode, read-only", one.st_ino, two.st_ino);
	CHECK("O_PATH", O_PATH, fcntl(path_again, F_GETFL) & (O_PATH | O_ACCMODE));
	CHECK("read-only", O_RDONLY, fcntl(read_again, F_GETFL) & O_ACCMODE);
	CHECK("its position", 3, lseek(read_again, 0, SEEK_CUR));
	CHECK("the first one's position", 1, lseek(dressed, 0, SEEK_CUR));
	CHECK("write-only", O_WRONLY | O_APPEND | O_SYNC,
	      fcntl(written_again, F_GETFL) & (O_ACCMODE | O_APPEND | O_SYNC));
	NEED(write(written_again, "+", 1) == 1);
	CHECK("all of it", 8, pread(read_again, text, sizeof(text), 0));
	check_text("content", "dressed+", text);

	NEED(linkat(AT_FDCWD, path_of(unborn), AT_FDCWD, "born", AT_SYMLINK_FOLLOW) == 0);
	CHECK("what was never linked", 6, read(open("born", O_RDONLY), text, sizeof(text)));
	NEED(unlink("born") == 0);
	CHECK("O_TMPFILE", O_TMPFILE, fcntl(unborn, F_GETFL) & O_TMPFILE);

	NEED(fstat(inner_directory, &one) == 0 && fstat(listed, &two) == 0);
	CHECK("links of a directory", 0, one.st_nlink + two.st_nlink);
	CHECK("mode of a directory", S_IFDIR | 0700, one.st_mode);
	CHECK("mode of another", S_IFDIR | 0750, two.st_mode);
	CHECK("a directory that is gone", -1, openat(inner_directory, "file", O_RDONLY));
	CHECK("its names", -1, syscall(SYS_getdents64, listed, text, sizeof(text)));
	CHECK("errno", ENOENT, errno);
	CHECK("names came back", -1, access("outer", F_OK) & access("lost", F_OK));

	NEED(fstat(pipe_path, &one) == 0);
	CHECK("mode of a fifo", S_IFIFO | 0620, one.st_mode);
	check_times("times of a fifo", pipe_path);
	CHECK("a link's target", 14, readlinkat(link_path, "", text, sizeof(text)));
	check_bytes("a link's target", "over the hills", text, 14);
	CHECK("as it was opened", O_PATH | O_NOFOLLOW, fcntl(link_path, F_GETFL) & (O_PATH | O_NOFOLLOW));
	CHECK("once more", O_PATH | O_NOFOLLOW, fcntl(link_again, F_GETFL) & (O_PATH | O_NOFOLLOW));
	CHECK("its own flag", FD_CLOEXEC, fcntl(link_again, F_GETFD));
	NEED(fstat(link_path, &one) == 0 && fstat(link_again, &two) == 0);
	CHECK("one link", one.st_ino, two.st_ino);
	NEED(fstat(socket_path, &one) == 0);
	CHECK("mode of a socket", S_IFSOCK | 0711, one.st_mode);
	check_times("times of a socket", socket_path);
	NEED(fstatat(link_path, "", &one, AT_EMPTY_PATH) == 0);
	CHECK("mtime of a link", times[1].tv_nsec, one.st_mtim.tv_nsec);
	CHECK("data", 1 << 20, lseek(holed, 4096, SEEK_DATA));
	CHECK("end", 3, pread(holed, text, 8, 1 << 20));
}

/* --- What root can have --- */

static int marked, frozen, grown, node, null, capable;
/* linux/capability.h: VFS_CAP_REVISION_2 with CAP_NET_RAW permitted. */
static const uint32_t capability[5] = { 0x02000001, 1u << 13, 0, 0, 0 };

static int flags_of(int fd)
{
	int flags = 0;

	NEED(ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
	return flags;
}

static void set_flags(int fd, int more)
{
	int flags = flags_of(fd) | more;

	NEED(ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0);
}

static void build_as_root(void)
{
	marked = make("marked", O_RDWR, 0600);
	set_attribute(marked, "trusted.mark", "trusted", 7);
	NEED(unlink("marked") == 0);
	set_flags(marked, FS_NODUMP_FL | FS_NOATIME_FL);
	frozen = make("frozen", O_RDWR, 0600);
	NEED(unlink("frozen") == 0 && futimens(frozen, times) == 0);
	set_flags(frozen, FS_IMMUTABLE_FL);
	grown = make("grown", O_RDWR, 0600);
	NEED(unlink("grown") == 0);
	set_flags(grown, FS_APPEND_FL);
	capable = make("capable", O_RDWR, 04755);
	NEED(fchown(capable, 4711, 4712) == 0 && fchmod(capable, 06755) == 0);
	set_attribute(capable, "security.capability", capability, sizeof(capability));
	NEED(unlink("capable") == 0);
	NEED(mknod("node", S_IFBLK | 0600, makedev(7, 260)) == 0 && mknod("null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	node = open("node", O_PATH);
	null = open("null", O_RDWR);
	NEED(node >= 0 && null >= 0 && unlink("node") == 0 && unlink("null") == 0);
}

static void look_as_root(void)
{
	struct stat about;
	char text[16];

	check_attribute(marked, "trusted.mark", "trusted", 7);
	CHECK("flags", FS_NODUMP_FL | FS_NOATIME_FL, flags_of(marked) & (FS_NODUMP_FL | FS_NOATIME_FL));
	CHECK("immutable", FS_IMMUTABLE_FL, flags_of(frozen) & (FS_IMMUTABLE_FL | FS_APPEND_FL));
	check_times("times of what is immutable", frozen);
	CHECK("its mode cannot be changed", -1, fchmod(frozen, 0));
	CHECK("it can be read", 6, pread(frozen, text, sizeof(text), 0));
	CHECK("append-only", FS_APPEND_FL, flags_of(grown) & (FS_IMMUTABLE_FL | FS_APPEND_FL));
	CHECK("it cannot be cut", -1, ftruncate(grown, 0));
	CHECK("open for writing all the same", O_RDWR, fcntl(frozen, F_GETFL) & O_ACCMODE);
	check_attribute(capable, "security.capability", capability, sizeof(capability));
	NEED(fstat(capable, &about) == 0);
	CHECK("owner", 4711, about.st_uid);
	CHECK("group", 4712, about.st_gid);
	CHECK("mode", S_IFREG | 06755, about.st_mode);
	NEED(fstat(node, &about) == 0);
	CHECK("a block device", S_IFBLK | 0600, about.st_mode);
	CHECK("its number", makedev(7, 260), about.st_rdev);
	NEED(fstat(null, &about) == 0);
	CHECK("the null device", makedev(1, 3), about.st_rdev);
	CHECK("it is open", 1, write(null, "x", 1));
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	is_root = !strcmp(variant(argc, argv), "root");
	umask(0);
	if (is_root)
		build_as_root();
	else
		build();

	ready();
	wait_until_told();

	if (is_root)
		look_as_root();
	else
		look();
	return verdict();
}
