/*
 * A System V segment whose id and content are as DIR/segment says: attaches it, waits, and tells
 * what is in it. The test makes and removes the segment.
 */
#include "program.h"
#include <sys/shm.h>

int main(int argc, char **argv)
{
	char text[32], path[PATH_MAX + 16], *memory;
	int expected;

	begin(argc, argv);
	snprintf(path, sizeof(path), "%s/segment", test_dir);
	read_file(path, text, sizeof(text));
	memory = shmat(atoi(text), NULL, 0);
	NEED(memory != (char *)-1);
	expected = memory[0];

	ready();
	wait_until_told();

	if (!strcmp(variant(argc, argv), "shared"))
		expected = 'z';		/* who shares it wrote that meanwhile */
	CHECK("content", expected, memory[0]);
	CHECK("detach", 0, shmdt(memory));
	return verdict();
}
