/* Shared anonymous memory: between relatives, parts of it, with holes, at two addresses. */
#include "program.h"

#define PAGE 4096ul
#define PAGES 64

static char *shared, *alone;

static void grandchild(void *argument)
{
	(void)argument;
	/* Only the middle stays mapped here. */
	NEED(munmap(shared, 16 * PAGE) == 0 && munmap(shared + 48 * PAGE, 16 * PAGE) == 0);
	child_is_ready();
	wait_until_told();
	check_pattern("in the grandchild", shared + 20 * PAGE, PAGE, 20);
	while (__atomic_load_n((int *)(shared + 30 * PAGE), __ATOMIC_SEQ_CST) != 1)
		sleep_ms(1);
	__atomic_store_n((int *)(shared + 31 * PAGE), 2, __ATOMIC_SEQ_CST);
}

static void child(void *argument)
{
	pid_t pid;

	(void)argument;
	/* Moved: the same memory, elsewhere. */
	shared = mremap(shared, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x310000000);
	NEED(shared == (void *)0x310000000);
	pid = spawn(grandchild, NULL);
	child_is_ready();
	wait_until_told();
	check_pattern("in the child", shared, PAGE, 1);
	__atomic_store_n((int *)(shared + 30 * PAGE), 1, __ATOMIC_SEQ_CST);
	expect_exit("grandchild", pid, 0);
}

int main(int argc, char **argv)
{
	char *constant;
	pid_t pid;

	begin(argc, argv);
	shared = map_anonymous(NULL, PAGES * PAGE, MAP_SHARED);
	fill_pattern(shared, PAGE, 1);
	fill_pattern(shared + 20 * PAGE, PAGE, 20);
	fill_pattern(shared + 63 * PAGE, PAGE, 63);
	alone = map_anonymous(NULL, 4 * PAGE, MAP_SHARED);
	fill_pattern(alone + PAGE, PAGE, 2);
	constant = map_anonymous(NULL, 4 * PAGE, MAP_SHARED);
	fill_pattern(constant, 4 * PAGE, 3);
	NEED(mprotect(constant, 4 * PAGE, PROT_READ) == 0);
	pid = spawn(child, NULL);

	ready();
	wait_until_told();

	expect_exit("child", pid, 0);
	CHECK("written by the child", 1, *(int *)(shared + 30 * PAGE));
	CHECK("written by the grandchild", 2, *(int *)(shared + 31 * PAGE));
	check_pattern("first page", shared, PAGE, 1);
	check_filled("hole", shared + PAGE, 0, 19 * PAGE);
	check_pattern("a page in the middle", shared + 20 * PAGE, PAGE, 20);
	check_pattern("last page", shared + 63 * PAGE, PAGE, 63);
	check_filled("hole of one's own", alone, 0, PAGE);
	check_pattern("one's own", alone + PAGE, PAGE, 2);
	check_filled("hole of one's own", alone + 2 * PAGE, 0, 2 * PAGE);
	check_pattern("read-only", constant, 4 * PAGE, 3);
	CHECK("becomes writable", 0, mprotect(constant, PAGE, PROT_READ | PROT_WRITE));
	constant[0] = 0;
	return verdict();
}
