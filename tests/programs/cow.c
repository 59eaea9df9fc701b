/*
 * Copy-on-write memory of relatives: 64 MiB that a parent has filled, of which each of four children
 * and a grandchild changed a few pages. Root also sees whether what nobody changed is still shared
 * (the frame numbers of /proc/PID/pagemap).
 */
#include "program.h"

#define PAGE 4096ul
#define PAGES (64ul << 20 >> 12)
#define CHILDREN 4

static char *area;
static pid_t *pids;

static bool changed_by(long i, unsigned long page)
{
	return page % 1000 == (unsigned long)i * 17 + 3;
}

static void change(long i)
{
	for (unsigned long page = 0; page < PAGES; page++)
		if (changed_by(i, page))
			*(uint64_t *)(area + page * PAGE) = ~pattern((uint64_t)i, page);
}

static void check(long i, bool also_four)
{
	for (unsigned long page = 0; page < PAGES && failures < 5; page++) {
		uint64_t *words = (uint64_t *)(area + page * PAGE), expected = pattern(7, page);

		if (i && changed_by(i, page))
			expected = ~pattern((uint64_t)i, page);
		else if (also_four && changed_by(CHILDREN, page))
			expected = ~pattern(CHILDREN, page);
		CHECK("first word of a page", expected, words[0]);
		CHECK("last word of a page", page, words[511]);
	}
}

static void hold(void)
{
	sigset_t set;
	int sig;

	pids[0]++;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	child_is_ready();
	while (sigwait(&set, &sig))
		;
}

static void grandchild(void *argument)
{
	(void)argument;
	change(5);
	pids[5] = getpid();
	hold();
	check(5, true);
}

static void child(void *argument)
{
	long i = (long)argument;
	pid_t pid = 0;

	change(i);
	if (i == CHILDREN)
		pid = spawn(grandchild, NULL);
	hold();
	check(i, false);
	if (pid) {
		NEED(kill(pid, SIGUSR1) == 0);
		expect_exit("grandchild", pid, 0);
	}
}

static uint64_t *frames(pid_t pid)
{
	static uint64_t of_parent[PAGES], of_child[PAGES];
	uint64_t *into = pid == getpid() ? of_parent : of_child;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY);
	NEED(fd >= 0 && pread(fd, into, sizeof(of_parent), (off_t)((unsigned long)area / PAGE * 8)) == sizeof(of_parent));
	close(fd);
	return into;
}

/* In the kernel's own words (Documentation/admin-guide/mm/pagemap.rst): bits 0-54, bit 63. */
static void check_shared(long i)
{
	uint64_t *mine = frames(getpid()), *its = frames(pids[i]), mask = (1ull << 55) - 1;
	unsigned long same = 0, expected = 0;

	if (!(mine[0] & mask))
		return;	/* the kernel tells root alone */
	for (unsigned long page = 0; page < PAGES; page++) {
		bool changed = changed_by(i, page) || (i == 5 && changed_by(CHILDREN, page));

		expected += !changed;
		same += (mine[page] & mask) == (its[page] & mask) && mine[page] >> 63;
	}
	if (same != expected)
		fail("pages shared by the root and its relative %ld (expected %lu, got %lu)", i, expected, same);
}

int main(int argc, char **argv)
{
	sigset_t set;

	begin(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	pids = map_anonymous(NULL, 4096, MAP_SHARED);
	area = map_anonymous(NULL, PAGES * PAGE, MAP_PRIVATE);
	NEED(madvise(area, PAGES * PAGE, MADV_NOHUGEPAGE) == 0 || errno == EINVAL);
	for (unsigned long page = 0; page < PAGES; page++) {
		((uint64_t *)(area + page * PAGE))[0] = pattern(7, page);
		((uint64_t *)(area + page * PAGE))[511] = page;
	}
	for (long i = 1; i <= CHILDREN; i++)
		pids[i] = spawn(child, (void *)i);
	for (long i = 1; i <= CHILDREN + 1; i++)
		check_shared(i);
	NEED(!failures);

	ready();
	wait_until_told();

	for (long i = 1; i <= CHILDREN + 1; i++)
		check_shared(i);
	check(0, false);
	for (long i = 1; i <= CHILDREN; i++) {
		NEED(kill(pids[i], SIGUSR1) == 0);
		expect_exit("child", pids[i], 0);
	}
	check(0, false);
	return verdict();
}
