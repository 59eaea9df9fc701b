/*
 * Shows CRIU 3.17, Debian's, a kernel as it knows it: preloaded (LD_PRELOAD) into its command.
 *
 * Since Linux 6.13 the vvar area is two, [vvar] and [vvar_vclock] behind it: CRIU expects the vDSO
 * right behind [vvar] and does not start. It is shown one. Options of sockets that a family does
 * not have any more (EOPNOTSUPP; SO_BUSY_POLL and such) are shown as 0, as before.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLOCKS "[vvar_vclock]"

static int is_maps(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	return !strcmp(name, "maps") || !strcmp(name, "smaps");
}

static void need(int holds)
{
	if (!holds)
		abort();
}

/* All that can be read from `fd`, with a zero at its end. */
static char *read_all(int fd)
{
	size_t room = 1 << 16, length = 0;
	char *text = malloc(room);
	ssize_t got;

	need(text != NULL);
	while ((got = read(fd, text + length, room - length - 1)) > 0) {
		length += (size_t)got;
		if (room - length < 4096) {
			text = realloc(text, room *= 2);
			need(text != NULL);
		}
	}
	need(got == 0);
	text[length] = '\0';
	return text;
}

/* The line that begins an area, not one of smaps' facts about it: "7f00-7f01 r--p ...". */
static int begins_area(const char *line, unsigned long *start, unsigned long *end, int *length)
{
	return sscanf(line, "%lx-%lx%n", start, end, length) == 2;
}

/* The same text in a file of memory, without the second area. Takes `fd`. */
static int without_clocks(int fd)
{
	char *text = read_all(fd), *found = strstr(text, CLOCKS), *line, *next;
	unsigned long start, end, last = 0;
	int copy = memfd_create("maps", MFD_CLOEXEC), length, skipping = 0;

	need(copy >= 0);
	if (found) {
		while (found > text && found[-1] != '\n')
			found--;
		need(begins_area(found, &start, &last, &length));
	}
	for (line = text; *line; line = next) {
		next = strchr(line, '\n');
		next = next ? next + 1 : line + strlen(line);
		if (begins_area(line, &start, &end, &length)) {
			skipping = line == found;
			if (last && memmem(line, (size_t)(next - line), "[vvar]", 6)) {
				need(dprintf(copy, "%lx-%lx", start, last) > 0);
				line += length;
			}
		}
		if (!skipping)
			need(write(copy, line, (size_t)(next - line)) == next - line);
	}
	free(text);
	need(lseek(copy, 0, SEEK_SET) == 0 && close(fd) == 0);
	return copy;
}

static int open_shown(int directory, const char *path, int flags, va_list more)
{
	int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
	int fd = (int)syscall(SYS_openat, directory, path, flags, mode);

	return fd >= 0 && is_maps(path) ? without_clocks(fd) : fd;
}

#define OPEN(name)                                                                                 \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		va_list more;                                                                      \
		int fd;                                                                            \
                                                                                                   \
		va_start(more, flags);                                                             \
		fd = open_shown(AT_FDCWD, path, flags, more);                                      \
		va_end(more);                                                                      \
		return fd;                                                                         \
	}
#define OPENAT(name)                                                                               \
	int name(int directory, const char *path, int flags, ...)                                  \
	{                                                                                          \
		va_list more;                                                                      \
		int fd;                                                                            \
                                                                                                   \
		va_start(more, flags);                                                             \
		fd = open_shown(directory, path, flags, more);                                     \
		va_end(more);                                                                      \
		return fd;                                                                         \
	}
#define FOPEN(name)                                                                                \
	FILE *name(const char *path, const char *mode)                                             \
	{                                                                                          \
		FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, #name), *file;        \
		int fd;                                                                            \
                                                                                                   \
		file = real(path, mode);                                                           \
		if (!file || !is_maps(path))                                                       \
			return file;                                                               \
		fd = dup(fileno(file));                                                            \
		need(fd >= 0 && fclose(file) == 0);                                                \
		return fdopen(without_clocks(fd), mode);                                           \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
FOPEN(fopen)
FOPEN(fopen64)

int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	int done = (int)syscall(SYS_getsockopt, fd, level, name, value, length);

	if (done < 0 && errno == EOPNOTSUPP && level == SOL_SOCKET) {
		memset(value, 0, *length);
		return 0;
	}
	return done;
}
