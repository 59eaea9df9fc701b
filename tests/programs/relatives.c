/*
 * Memory that relatives share copy-on-write in every way there is: at one address, at another
 * (mremap), among children only (the root has written to it since), in a file's private pages,
 * under PROT_NONE, with holes; and pages that are equal without being shared. The first child has
 * threads.
 */
#include "program.h"

#define CHILDREN 4
#define PAGE 4096ul
#define BYTES (512ul * PAGE)
#define FILE_BYTES (32ul * PAGE)

static char *everywhere, *moved, *changed, *holed, *barred, *file, *equal, *elsewhere;
static volatile int *go;

/* What each process finds where it has written something itself. */
static uint64_t seed(int who, int what)
{
	return (uint64_t)(who * 100 + what);
}

static void check_all(int who)
{
	char *at = who == 2 ? elsewhere : moved;

	check_pattern("what nobody has changed", everywhere, BYTES, 1);
	check_pattern("what the second child has moved", at, BYTES, 2);
	/* The root changes every fourth page of this after its children were begotten. */
	for (unsigned long page = 0; page < BYTES / PAGE && failures < 5; page++) {
		uint64_t own = who == 0 && page % 4 == 0 ? ~pattern(3, page) : pattern(3, page);

		CHECK("what the root has changed since", own, *(uint64_t *)(changed + page * PAGE));
	}
	if (who == 3) {
		check_pattern("before the hole", holed, 100 * PAGE, 4);
		check_filled("the hole", holed + 100 * PAGE, 0, 50 * PAGE);
		check_pattern("behind the hole", holed + 200 * PAGE, PAGE, seed(3, 4));
	} else {
		check_pattern("what the third child has holes in", holed, BYTES, 4);
	}
	if (who == 1)
		NEED(mprotect(barred, BYTES, PROT_READ) == 0);
	check_pattern("what the first child may not read", barred, BYTES, 5);
	check_pattern("a file's private pages", file, FILE_BYTES / 2, 6);
	check_filled("a file's own pages", file + FILE_BYTES / 2, 'f', FILE_BYTES / 2);
	check_pattern("what is equal and not shared", equal, BYTES / 8, 7);
	if (who >= CHILDREN)
		check_pattern("one page of its own", everywhere + BYTES, PAGE, seed(who, 8));
}

static void *idle(void *unused)
{
	(void)unused;
	while (!*go)
		sleep_ms(2);
	return NULL;
}

static void child(void *argument)
{
	int who = (int)(long)argument;
	pthread_t thread;
	pid_t pid = 0;

	if (who == 1) {
		NEED(mprotect(barred, BYTES, PROT_NONE) == 0);
		NEED(pthread_create(&thread, NULL, idle, NULL) == 0);
	}
	if (who == 2)
		NEED(mremap(moved, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere);
	if (who == 3) {
		NEED(madvise(holed + 100 * PAGE, 50 * PAGE, MADV_DONTNEED) == 0);
		NEED(munmap(holed + 150 * PAGE, 50 * PAGE) == 0);
		fill_pattern(holed + 200 * PAGE, PAGE, seed(3, 4));
	}
	if (who >= CHILDREN)
		fill_pattern(everywhere + BYTES, PAGE, seed(who, 8));
	fill_pattern(equal, BYTES / 8, 7);
	if (who == CHILDREN) {
		pid = spawn(child, (void *)(long)(CHILDREN + 1));
		wait_until_blocked(pid, pid, SYS_clock_nanosleep);
	}
	child_is_ready();
	idle(NULL);
	check_all(who);
	if (who == 1)
		NEED(pthread_join(thread, NULL) == 0);
	if (pid)
		expect_exit("grandchild", pid, 0);
}

int main(int argc, char **argv)
{
	char content[FILE_BYTES];
	pid_t pids[CHILDREN + 1];
	int fd;

	begin(argc, argv);
	memset(content, 'f', sizeof(content));
	write_file("mapped", content, sizeof(content));
	fd = open("mapped", O_RDONLY | O_CLOEXEC);
	file = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	NEED(fd >= 0 && file != MAP_FAILED && close(fd) == 0);
	fill_pattern(file, FILE_BYTES / 2, 6);
	go = map_anonymous(NULL, PAGE, MAP_SHARED);
	everywhere = map_anonymous(NULL, BYTES + PAGE, MAP_PRIVATE);
	moved = map_anonymous(NULL, BYTES, MAP_PRIVATE);
	changed = map_anonymous(NULL, BYTES, MAP_PRIVATE);
	holed = map_anonymous(NULL, BYTES, MAP_PRIVATE);
	barred = map_anonymous(NULL, BYTES, MAP_PRIVATE);
	equal = map_anonymous(NULL, BYTES / 8, MAP_PRIVATE);
	elsewhere = map_anonymous(NULL, BYTES, MAP_PRIVATE);
	fill_pattern(everywhere, BYTES, 1);
	fill_pattern(moved, BYTES, 2);
	for (unsigned long page = 0; page < BYTES / PAGE; page++)
		*(uint64_t *)(changed + page * PAGE) = pattern(3, page);
	fill_pattern(holed, BYTES, 4);
	fill_pattern(barred, BYTES, 5);
	for (long who = 1; who <= CHILDREN; who++)
		pids[who] = spawn(child, (void *)who);
	for (unsigned long page = 0; page < BYTES / PAGE; page += 4)
		*(uint64_t *)(changed + page * PAGE) = ~pattern(3, page);
	fill_pattern(equal, BYTES / 8, 7);
	/* Until then one may still be about to close its end of a pipe. */
	for (int who = 1; who <= CHILDREN; who++)
		wait_until_blocked(pids[who], pids[who], SYS_clock_nanosleep);
	ready();
	wait_until_told();
	*go = 1;
	check_all(0);
	for (int who = 1; who <= CHILDREN; who++)
		expect_exit("child", pids[who], 0);
	return verdict();
}
