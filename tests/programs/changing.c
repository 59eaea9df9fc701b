/*
 * Memory that changes between the rounds of incremental dumps. Each step is done when DIR/step-N is
 * there, and those that are left when it is told to check; "DONE N" says so.
 *
 *   changing            one thread; areas are written, moved, replaced, given up, grown, protected
 *   changing writer     a thread writes pages at about 100 MiB a second until it is told to check
 *   changing threads    four such threads
 *   changing tree       a child is born in each step, and changes what it has inherited
 *   changing huge       the areas are on huge pages, transparent ones and reserved ones
 */
#include "program.h"
#include <sys/uio.h>

#define PAGE 4096ul
#define PAGES 256ul
#define SIZE (PAGES * PAGE)
#define STEPS 4
#define HUGE (2ul << 20)
#define SEED(area, page, step) ((uint64_t)(area) << 40 | (uint64_t)(page) << 8 | (uint64_t)(step))

/* What the page of an area has to hold: the step in which it was last written, ZERO or GONE. */
enum { ZERO = 200, OF_FILE = 201, GONE = 202 };

struct area {
	const char *name;
	char *at;
	size_t pages;
	int number;
	unsigned char step[2 * PAGES];
};

enum { PLAIN, MOVED, REPLACED, DROPPED, GROWN, SILENT, MAPPED, FILLED, READ_ONLY, AREAS };
static struct area areas[AREAS] = {
	[PLAIN] = { .name = "written" },
	[MOVED] = { .name = "moved" },
	[REPLACED] = { .name = "unmapped and mapped at the same place" },
	[DROPPED] = { .name = "given up" },
	[GROWN] = { .name = "grown" },
	[SILENT] = { .name = "not accessible" },
	[MAPPED] = { .name = "of a file" },
	[FILLED] = { .name = "filled by the kernel" },
	[READ_ONLY] = { .name = "read-only" },
};
static pid_t children[STEPS + 1];
static char *huge_pages;

static void write_page(struct area *a, size_t page, int step)
{
	fill_pattern(a->at + page * PAGE, PAGE, SEED(a->number, page, step));
	a->step[page] = (unsigned char)step;
}

static void set_pages(struct area *a, size_t first, size_t count, int step)
{
	memset(a->step + first, step, count);
}

static void check_area(const struct area *a)
{
	static const char zeros[PAGE];
	char what[128];

	for (size_t page = 0; page < a->pages; page++) {
		const char *at = a->at + page * PAGE;
		int step = a->step[page];

		snprintf(what, sizeof(what), "memory %s, page %zu of step %d", a->name, page, step);
		if (step == ZERO)
			check_bytes(what, zeros, at, PAGE);
		else if (step == OF_FILE)
			check_pattern(what, at, PAGE, SEED(99, page, 0));
		else if (step != GONE)
			check_pattern(what, at, PAGE, SEED(a->number, page, step));
	}
}

static void check_areas(void)
{
	struct area *silent = &areas[SILENT];

	NEED(mprotect(silent->at, SIZE, PROT_READ) == 0);
	for (int i = 0; i < AREAS; i++)
		check_area(&areas[i]);
	NEED(mprotect(silent->at, SIZE, PROT_NONE) == 0);
}

static void build_areas(bool huge)
{
	int fd;

	fd = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	NEED(fd >= 0);
	for (size_t page = 0; page < PAGES; page++) {
		uint64_t words[PAGE / 8];

		fill_pattern(words, PAGE, SEED(99, page, 0));
		NEED(write(fd, words, PAGE) == (ssize_t)PAGE);
	}
	for (int i = 0; i < AREAS; i++) {
		struct area *a = &areas[i];

		a->number = i + 1;
		a->pages = PAGES;
		if (i == MAPPED) {
			a->at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
			NEED(a->at != MAP_FAILED);
			set_pages(a, 0, PAGES, OF_FILE);
			for (size_t page = 0; page < PAGES; page += 2)
				write_page(a, page, 0);
			continue;
		}
		/* Apart from each other, so that no two become one. */
		a->at = (char *)map_anonymous(NULL, 4 * HUGE, MAP_PRIVATE | MAP_NORESERVE);
		NEED(munmap(a->at, HUGE) == 0);
		a->at = (char *)(((uintptr_t)a->at + 2 * HUGE) & -HUGE);
		NEED(munmap(a->at + SIZE, HUGE - SIZE) == 0);
		NEED(madvise(a->at, SIZE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) == 0);
		for (size_t page = 0; page < PAGES; page++)
			write_page(a, page, 0);
	}
	close(fd);
	NEED(mprotect(areas[SILENT].at, SIZE, PROT_NONE) == 0);
	NEED(mprotect(areas[READ_ONLY].at, SIZE, PROT_READ) == 0);
}

/* read(2), as the kernel writes it: no instruction of ours touches the page. */
static void fill_by_kernel(struct area *a, size_t page, int step)
{
	uint64_t words[PAGE / 8];
	int ends[2];

	fill_pattern(words, PAGE, SEED(a->number, page, step));
	NEED(pipe2(ends, O_CLOEXEC) == 0);
	NEED(write(ends[1], words, PAGE) == (ssize_t)PAGE);
	if (page % 2) {
		NEED(read(ends[0], a->at + page * PAGE, PAGE) == (ssize_t)PAGE);
	} else {
		struct iovec from = { words, PAGE }, to = { a->at + page * PAGE, PAGE };

		NEED(process_vm_writev(getpid(), &from, 1, &to, 1, 0) == (ssize_t)PAGE);
	}
	close(ends[0]);
	close(ends[1]);
	a->step[page] = (unsigned char)step;
}

static void change_areas(int step)
{
	size_t some = (size_t)step * 16;
	struct area *a;
	char *place;

	for (size_t page = (size_t)step; page < PAGES; page += 7)
		write_page(&areas[PLAIN], page, step);

	/* To a place where nothing is, with some pages written before and after. */
	a = &areas[MOVED];
	write_page(a, some, step);
	place = map_anonymous(NULL, SIZE, MAP_PRIVATE);
	NEED(mremap(a->at, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
	a->at = place;
	write_page(a, some + 1, step);

	a = &areas[REPLACED];
	NEED(munmap(a->at + some * PAGE, 16 * PAGE) == 0);
	NEED(mmap(a->at + some * PAGE, 16 * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == a->at + some * PAGE);
	set_pages(a, some, 16, ZERO);
	write_page(a, some + 3, step);

	a = &areas[DROPPED];
	NEED(madvise(a->at + some * PAGE, 16 * PAGE, MADV_DONTNEED) == 0);
	set_pages(a, some, 16, ZERO);
	CHECK("a page that was given up", 0, a->at[(some + 2) * PAGE]);	/* the zero page now */
	write_page(a, some + 5, step);

	a = &areas[GROWN];
	NEED(mremap(a->at, a->pages * PAGE, (a->pages + 16) * PAGE, 0) == a->at);
	for (size_t page = a->pages; page < a->pages + 16; page += 2) {
		a->step[page + 1] = ZERO;
		write_page(a, page, step);
	}
	a->pages += 16;

	a = &areas[SILENT];
	NEED(mprotect(a->at, SIZE, PROT_READ | PROT_WRITE) == 0);
	write_page(a, some + 7, step);
	NEED(mprotect(a->at, SIZE, PROT_NONE) == 0);

	a = &areas[MAPPED];
	write_page(a, some + 1, step);
	NEED(madvise(a->at + (some + 2) * PAGE, 2 * PAGE, MADV_DONTNEED) == 0);
	set_pages(a, some + 2, 2, OF_FILE);
	write_page(a, some + 4, step);

	a = &areas[FILLED];
	for (size_t page = some; page < some + 4; page++)
		fill_by_kernel(a, page, step);

	/* By way of /proc/PID/mem, which writes what nobody may write to. */
	a = &areas[READ_ONLY];
	{
		uint64_t words[PAGE / 8];
		int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

		fill_pattern(words, PAGE, SEED(a->number, some, step));
		NEED(fd >= 0);
		NEED(pwrite(fd, words, PAGE, (off_t)(uintptr_t)(a->at + some * PAGE)) == (ssize_t)PAGE);
		a->step[some] = (unsigned char)step;
		close(fd);
	}
	if (huge_pages)
		fill_pattern(huge_pages + (size_t)(step - 1) * HUGE / 2, PAGE, (uint64_t)step);
}

/* A child has what its parent had then, and changes of its own. */
static void live_as_child(void *argument)
{
	int step = *(int *)argument;

	for (size_t page = (size_t)step + 3; page < PAGES; page += 11)
		write_page(&areas[PLAIN], page, step + 100);
	child_is_ready();
	wait_until_told();
	for (size_t page = (size_t)step + 4; page < PAGES; page += 13)
		write_page(&areas[PLAIN], page, step + 110);
	check_areas();
}

static void do_step(int step, bool tree)
{
	change_areas(step);
	if (tree)
		children[step] = spawn(live_as_child, &step);
	say("DONE %d", step);
}

/* Writers: every page is filled anew with its next generation, which is noted when it is done. */
#define WRITTEN_PAGES 8192ul
#define THREADS 4

static char *written;
static uint32_t generations[WRITTEN_PAGES];
static volatile bool stop_writing;

struct part {
	size_t first, count, pages_per_ms;
};

static void *write_pages(void *argument)
{
	const struct part *part = argument;
	uint64_t random = part->first + 1;

	while (!stop_writing) {
		for (size_t i = 0; i < part->pages_per_ms; i++) {
			size_t page;

			random = pattern(random, i);
			page = part->first + random % part->count;
			fill_pattern(written + page * PAGE, PAGE, SEED(50, page, 0) + generations[page] + 1);
			generations[page]++;
		}
		sleep_ms(1);
	}
	return NULL;
}

static void check_written(void)
{
	for (size_t page = 0; page < WRITTEN_PAGES; page++)
		check_pattern("a page of the writer", written + page * PAGE, PAGE,
			      SEED(50, page, 0) + generations[page]);
}

static int write_until_told(size_t threads)
{
	struct part parts[THREADS];
	pthread_t writers[THREADS];
	uint64_t before = 0, after = 0;

	written = map_anonymous(NULL, WRITTEN_PAGES * PAGE, MAP_PRIVATE);
	for (size_t page = 0; page < WRITTEN_PAGES; page++)
		fill_pattern(written + page * PAGE, PAGE, SEED(50, page, 0));
	for (size_t i = 0; i < threads; i++) {
		size_t count = WRITTEN_PAGES / threads;

		parts[i] = (struct part){ i * count, count, 25 / threads };
		NEED(pthread_create(&writers[i], NULL, write_pages, &parts[i]) == 0);
	}
	while (generations[0] == 0 && !told())
		sleep_ms(1);
	ready();
	wait_until_told();
	for (size_t page = 0; page < WRITTEN_PAGES; page++)
		before += __atomic_load_n(&generations[page], __ATOMIC_RELAXED);
	while (after <= before) {
		sleep_ms(1);
		after = 0;
		for (size_t page = 0; page < WRITTEN_PAGES; page++)
			after += __atomic_load_n(&generations[page], __ATOMIC_RELAXED);
	}
	stop_writing = true;
	for (size_t i = 0; i < threads; i++)
		NEED(pthread_join(writers[i], NULL) == 0);
	check_written();
	return verdict();
}

int main(int argc, char **argv)
{
	bool tree = !strcmp(variant(argc, argv), "tree");
	bool huge = !strcmp(variant(argc, argv), "huge");
	int step = 1;

	begin(argc, argv);
	if (!strcmp(variant(argc, argv), "writer"))
		return write_until_told(1);
	if (!strcmp(variant(argc, argv), "threads"))
		return write_until_told(THREADS);
	if (huge) {
		huge_pages = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
		if (huge_pages == MAP_FAILED)
			skip("no huge pages are set aside");
		fill_pattern(huge_pages, 2 * HUGE, 77);
	}
	build_areas(huge);
	ready();
	while (step <= STEPS) {
		char name[32];

		snprintf(name, sizeof(name), "step-%d", step);
		if (told() || access(name, F_OK) == 0)
			do_step(step++, tree);
		else
			sleep_ms(1);
	}
	wait_until_told();
	check_areas();
	if (huge_pages) {
		for (int i = 1; i <= STEPS; i++) {
			char *half = huge_pages + (size_t)(i - 1) * HUGE / 2;
			uint64_t *word = (uint64_t *)half;

			check_pattern("a huge page", half, PAGE, (uint64_t)i);
			for (size_t at = PAGE / 8; at < HUGE / 16; at++) {
				if (word[at] != pattern(77, (size_t)(half - huge_pages) / 8 + at)) {
					fail("the rest of a huge page, word %zu", at);
					break;
				}
			}
		}
	}
	for (int i = 1; i <= STEPS; i++)
		if (children[i])
			expect_exit("a child", children[i], 0);
	return verdict();
}
