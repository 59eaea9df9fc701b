/* COUNT open files: "files" in the directory given, "pipes" with data in them (two descriptors
 * each), "pairs" of connected sockets with data (two as well). */
#include "bench.h"
#include <string.h>
#include <sys/socket.h>

static const char data[100] = "what lies in a file, a pipe or a socket";

static void open_file(const char *directory, int number)
{
	char path[4096];

	NEED(snprintf(path, sizeof(path), "%s/%d", directory, number) < (int)sizeof(path));
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	NEED(fd >= 0 && write(fd, data, sizeof(data)) == sizeof(data));
}

static void open_pair(int is_pipe)
{
	int ends[2];

	NEED((is_pipe ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) == 0);
	NEED(write(ends[1], data, sizeof(data)) == sizeof(data));
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "pipes";
	int count = argc > 2 ? atoi(argv[2]) : 1;

	for (int i = 0; i < count; i++) {
		if (strcmp(kind, "files") == 0)
			open_file(argc > 3 ? argv[3] : ".", i);
		else
			open_pair(strcmp(kind, "pipes") == 0);
	}
	ready();
	for (;;)
		pause();
}
