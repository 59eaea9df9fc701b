/*
 * Pages that the program has filled with zeros, next to pages that are almost zero, over whatever
 * was there before: in anonymous memory, in what a child has inherited, on huge pages, in locked and
 * in shared memory, in private mappings of a file and of a memfd, where zeros are content.
 *
 *   cleared            checks all of it when it is told to
 *   cleared steps      as well; and when DIR/step-N is there clears, fills and gives up other pages
 *   cleared scattered  every other page of four thousand is zero
 */
#include "program.h"

#define PAGE 4096ul
#define PAGES 1024ul
#define SIZE (PAGES * PAGE)
#define HUGE (2ul << 20)
#define STEPS 3

enum { PATTERN, ZEROS, FIRST_BYTE, LAST_BYTE, LAST_WORD, KINDS };

struct area {
	const char *name;
	char *at;
	unsigned char kind[PAGES];
};

enum { PLAIN, ADVISED, LOCKED, OF_FILE, OF_MEMFD, SHARED, MEMFD, INHERITED, AREAS };
static struct area areas[AREAS] = {
	[PLAIN] = { .name = "plain" },
	[ADVISED] = { .name = "on huge pages" },
	[LOCKED] = { .name = "locked" },
	[OF_FILE] = { .name = "over a file" },
	[OF_MEMFD] = { .name = "over a memfd" },
	[SHARED] = { .name = "shared" },
	[MEMFD] = { .name = "of a memfd" },
	[INHERITED] = { .name = "inherited" },
};
static volatile int *go;

static void write_page(struct area *a, size_t page, int kind)
{
	char *at = a->at + page * PAGE;

	if (kind == PATTERN)
		fill_pattern(at, PAGE, (uint64_t)(a - areas) << 32 | page);
	else
		memset(at, 0, PAGE);
	if (kind == FIRST_BYTE)
		at[0] = 1;
	if (kind == LAST_BYTE)
		at[PAGE - 1] = 1;
	if (kind == LAST_WORD)
		at[PAGE - 8] = 1;
	a->kind[page] = (unsigned char)kind;
}

/* Runs of one page and of many, at all kinds of places. */
static int kind_of(size_t page, int step)
{
	size_t run = page + (size_t)step * 37;

	if (run % 256 < 100)
		return ZEROS;
	return run % 11 < KINDS ? (int)(run % 11) : PATTERN;
}

static void write_area(struct area *a, int step)
{
	for (size_t page = 0; page < PAGES; page++)
		write_page(a, page, kind_of(page, step));
}

static void check_area(const char *who, const struct area *a)
{
	char what[128];

	for (size_t page = 0; page < PAGES; page++) {
		const char *at = a->at + page * PAGE;
		int kind = a->kind[page];

		snprintf(what, sizeof(what), "%s: %s, page %zu of kind %d", who, a->name, page, kind);
		if (kind == PATTERN) {
			check_pattern(what, at, PAGE, (uint64_t)(a - areas) << 32 | page);
			continue;
		}
		CHECK(what, kind == FIRST_BYTE, at[0]);
		check_filled(what, at + 1, 0, PAGE - 9);
		CHECK(what, kind == LAST_WORD, at[PAGE - 8]);
		check_filled(what, at + PAGE - 7, 0, 6);
		CHECK(what, kind == LAST_BYTE, at[PAGE - 1]);
	}
}

static char *map_file(const char *name, int fd, int how)
{
	char *at;

	if (fd < 0)
		fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	NEED(fd >= 0 && ftruncate(fd, 0) == 0 && ftruncate(fd, SIZE) == 0);
	at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(at != MAP_FAILED);
	memset(at, 0xab, SIZE);
	NEED(munmap(at, SIZE) == 0);
	at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, how, fd, 0);
	NEED(at != MAP_FAILED && close(fd) == 0);
	return at;
}

/* The parent has patterns where this one has zeros, and the other way round. */
static void child(void *unused)
{
	struct area *a = &areas[INHERITED];

	(void)unused;
	for (size_t page = 0; page < PAGES; page++)
		if (page % 3)
			write_page(a, page, a->kind[page] == ZEROS ? PATTERN : ZEROS);
	child_is_ready();
	while (!*go)
		sleep_ms(2);
	check_area("child", a);
}

static void build(void)
{
	char *at;

	for (int i = 0; i < AREAS; i++)
		if (i == PLAIN || i == LOCKED || i == INHERITED)
			areas[i].at = map_anonymous(NULL, SIZE, MAP_PRIVATE);
	/* Where there are no huge pages, on small ones. */
	at = map_anonymous(NULL, SIZE + HUGE, MAP_PRIVATE);
	areas[ADVISED].at = (char *)(((uintptr_t)at + HUGE - 1) & -HUGE);
	madvise(areas[ADVISED].at, SIZE, MADV_HUGEPAGE);
	areas[OF_FILE].at = map_file("file", -1, MAP_PRIVATE);
	areas[OF_MEMFD].at = map_file("", memfd_create("private", MFD_CLOEXEC), MAP_PRIVATE);
	areas[MEMFD].at = map_file("", memfd_create("shared", MFD_CLOEXEC), MAP_SHARED);
	areas[SHARED].at = map_anonymous(NULL, SIZE, MAP_SHARED);
	for (int i = 0; i < AREAS; i++)
		write_area(&areas[i], 0);
	if (mlock(areas[LOCKED].at, SIZE))
		NEED(errno == ENOMEM || errno == EPERM);
}

static void step(int number)
{
	for (int i = 0; i < AREAS; i++) {
		struct area *a = &areas[i];

		if (i == INHERITED)
			continue;
		for (size_t page = (size_t)number * 64; page < PAGES; page += page % 300 < 200 ? 1 : 90)
			write_page(a, page, kind_of(page, number));
	}
	/* Given up: zeros again, and no page at all. */
	NEED(madvise(areas[PLAIN].at + 900 * PAGE, 20 * PAGE, MADV_DONTNEED) == 0);
	memset(areas[PLAIN].kind + 900, ZEROS, 20);
}

static void wait_for_steps(void)
{
	char path[64];

	for (int number = 1; number <= STEPS; number++) {
		snprintf(path, sizeof(path), "step-%d", number);
		while (access(path, F_OK) && !told())
			sleep_ms(2);
		step(number);
		say("DONE %d", number);
	}
}

int main(int argc, char **argv)
{
	bool scattered;
	pid_t pid;

	begin(argc, argv);
	scattered = !strcmp(variant(argc, argv), "scattered");
	go = map_anonymous(NULL, PAGE, MAP_SHARED);
	build();
	if (scattered)
		for (int i = 0; i < AREAS; i++)
			for (size_t page = 0; page < PAGES; page++)
				write_page(&areas[i], page, page % 2 ? ZEROS : PATTERN);
	pid = spawn(child, NULL);
	ready();
	if (!strcmp(variant(argc, argv), "steps"))
		wait_for_steps();
	wait_until_told();
	*go = 1;
	for (int i = 0; i < AREAS; i++)
		check_area("parent", &areas[i]);
	expect_exit("child", pid, 0);
	return verdict();
}
