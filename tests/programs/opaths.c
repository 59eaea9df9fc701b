/* Descriptors that are not for reading: O_PATH (of a file, a directory, a symbolic link, a fifo),
   directories with a position, a directory that is gone. */
#include "program.h"
#include <dirent.h>

#define FILES 50

static void read_names(DIR *directory, bool *seen, int count)
{
	struct dirent *entry;

	while (count-- > 0 && (entry = readdir(directory))) {
		int i = atoi(entry->d_name + 1);

		if (entry->d_name[0] != 'f')
			continue;
		if (seen[i])
			fail("directory entry %d was read twice", i);
		seen[i] = true;
	}
}

int main(int argc, char **argv)
{
	int file, directory, link, fifo, listed, position_fd;
	bool seen[FILES] = { false };
	struct stat about;
	char name[32], text[64];
	off_t position;
	DIR *stream;

	begin(argc, argv);
	write_file("file", "content", 7);
	NEED(mkdir("dir", 0755) == 0 && symlink("nowhere", "link") == 0 && mkfifo("fifo", 0600) == 0);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "dir/f%d", i);
		write_file(name, "", 0);
	}
	file = open("file", O_PATH);
	directory = open("dir", O_PATH | O_DIRECTORY | O_CLOEXEC);
	link = open("link", O_PATH | O_NOFOLLOW);
	fifo = open("fifo", O_PATH);
	listed = open("dir", O_RDONLY | O_DIRECTORY);
	NEED(file >= 0 && directory >= 0 && link >= 0 && fifo >= 0 && listed >= 0);
	NEED(stream = opendir("dir"));
	read_names(stream, seen, 20);
	/* And one whose position lies in the kernel alone, with no buffer of libc's. */
	position_fd = open("dir", O_RDONLY | O_DIRECTORY);
	NEED(position_fd >= 0 && syscall(SYS_getdents64, position_fd, text, sizeof(text)) > 0);
	position = lseek(position_fd, 0, SEEK_CUR);

	ready();
	wait_until_told();

	CHECK("O_PATH", O_PATH, fcntl(file, F_GETFL) & (O_PATH | O_ACCMODE));
	CHECK("a read through O_PATH", -1, read(file, text, 1));
	CHECK("errno", EBADF, errno);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	CHECK("it can be opened again", 7, read(open(name, O_RDONLY), text, sizeof(text)));
	CHECK("openat through a directory", true, openat(directory, "f7", O_RDONLY) >= 0);
	CHECK("close-on-exec", FD_CLOEXEC, fcntl(directory, F_GETFD));
	NEED(fstat(link, &about) == 0);
	CHECK("it is a link", S_IFLNK, about.st_mode & S_IFMT);
	CHECK("readlink through it", 7, readlinkat(link, "", text, sizeof(text)));
	NEED(fstat(fifo, &about) == 0);
	CHECK("it is a fifo", S_IFIFO, about.st_mode & S_IFMT);
	read_names(stream, seen, FILES + 2);
	for (int i = 0; i < FILES; i++)
		CHECK("a directory entry was read", true, seen[i]);
	CHECK("position in a directory", position, lseek(position_fd, 0, SEEK_CUR));
	CHECK("entries go on", true, syscall(SYS_getdents64, position_fd, text, sizeof(text)) > 0);
	CHECK("fchdir", 0, fchdir(listed));
	CHECK("a relative name", 0, access("f3", F_OK));
	return verdict();
}
