/* 2,000 open files, descriptors at high numbers, and gaps between them. */
#include "program.h"
#include <sys/resource.h>

#define FILES 2000

int main(int argc, char **argv)
{
	struct rlimit limit;
	static int fds[FILES];
	int high, highest;
	char text[16];

	begin(argc, argv);
	NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_cur < FILES + 100)
		skip("the limit of open files is too low");
	write_file("data", "0123456789", 10);
	for (int i = 0; i < FILES; i++) {
		fds[i] = i % 4 == 3 ? dup(fds[i - 1]) : open("data", i % 2 ? O_RDONLY : O_RDWR | O_CLOEXEC);
		NEED(fds[i] >= 0 && (i % 4 == 3 || lseek(fds[i], i % 10, SEEK_SET) == i % 10));
	}
	for (int i = 5; i < FILES; i += 10)
		NEED(close(fds[i]) == 0);
	highest = (int)limit.rlim_cur - 1;
	high = highest > 50000 ? 50000 : highest;
	NEED(dup2(fds[0], high) == high);

	ready();
	wait_until_told();

	for (int i = 0; i < FILES; i++) {
		int origin = i % 4 == 3 ? i - 1 : i;

		if (i % 10 == 5) {
			CHECK("a closed one", -1, fcntl(fds[i], F_GETFD));
			continue;
		}
		CHECK("position", origin % 10, lseek(fds[i], 0, SEEK_CUR));
		CHECK("close-on-exec", i % 4 == 3 || i % 2 ? 0 : FD_CLOEXEC, fcntl(fds[i], F_GETFD));
		CHECK("access", origin % 2 ? O_RDONLY : O_RDWR, fcntl(fds[i], F_GETFL) & O_ACCMODE);
	}
	NEED(lseek(high, 4, SEEK_SET) == 4 && read(fds[0], text, 1) == 1);
	CHECK("read through the lowest, moved by the highest", '4', text[0]);
	return verdict();
}
