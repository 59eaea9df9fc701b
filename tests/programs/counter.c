/* One task whose progress shows: it counts into a file (at its position) and into memory. */
#include "program.h"

static char page[3 * 4096];

int main(int argc, char **argv)
{
	char line[32], text[1 << 20];
	unsigned long n;
	size_t used = 0, size;
	int fd;

	begin(argc, argv);
	fd = open("counter.out", O_RDWR | O_CREAT | O_TRUNC, 0644);
	NEED(fd >= 0);
	memset(page, 0x5a, sizeof(page));
	for (n = 1; n <= 3 || !told(); n++) {
		int length = snprintf(line, sizeof(line), "%lu\n", n);

		NEED(write(fd, line, (size_t)length) == length);
		page[n % sizeof(page)] = (char)n;
		if (n == 3)
			ready();
		sleep_ms(2);
	}
	size = read_file("counter.out", text, sizeof(text));
	for (unsigned long i = 1; i < n; i++) {
		int length = snprintf(line, sizeof(line), "%lu\n", i);

		if (strncmp(text + used, line, (size_t)length)) {
			fail("counter.out: line %lu (expected %lu, got %.8s)", i, i, text + used);
			break;
		}
		used += (size_t)length;
	}
	CHECK("size of counter.out", used, size);
	CHECK("position in counter.out", size, lseek(fd, 0, SEEK_CUR));
	for (unsigned long i = 0; i < sizeof(page) && i < n; i++)
		CHECK("memory", (char)(i ? i : 0x5a), page[i]);
	return verdict();
}
