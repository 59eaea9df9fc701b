/* TASKS processes with MIB mebibytes of private memory in all, on PAGES (small or huge), that hold
 * CONTENT: random (every page differs), repeated (all are equal) or zero (written to, all zero).
 *   memory FILE MIB PAGES CONTENT RATE TASKS
 * With a RATE above 0, a thread of the first writes to its pages one after the other, RATE MiB a
 * second. Unless FILE is "-", another one looks at the clock without end: FILE holds the longest time
 * in ns that it saw pass between two looks, as with gap. */
#include <pthread.h>
#include <string.h>

#include "bench.h"

#define PAGE 4096u
#define HUGE_PAGE (2u << 20)

static volatile uint64_t *longest;
static uint64_t *memory, bytes, rate;

static void *look(void *unused)
{
	uint64_t last = now_ns();

	for (;;) {
		uint64_t now = now_ns();

		if (now - last > *longest)
			*longest = now - last;
		last = now;
	}
	return unused;
}

static void *dirty(void *unused)
{
	uint64_t begun = now_ns(), done = 0;

	for (;; done++) {
		uint64_t due = begun + done * PAGE * 1000u / rate * 1000000u / (1u << 20);

		while (now_ns() < due) {
			struct timespec nap = {0, 200000};

			nanosleep(&nap, NULL);
		}
		memory[done % (bytes / PAGE) * (PAGE / 8)] ^= done + 1;
	}
	return unused;
}

static void fill_with(const char *content)
{
	if (strcmp(content, "random") == 0) {
		fill(memory, bytes);
	} else if (strcmp(content, "repeated") == 0) {
		for (uint64_t at = 0; at < bytes; at += PAGE)
			fill(memory + at / 8, PAGE);
	} else {
		NEED(strcmp(content, "zero") == 0);
		memset(memory, 0, bytes);
	}
}

int main(int argc, char **argv)
{
	uint64_t tasks, done = 0;
	int ends[2];
	char *room;

	NEED(argc == 7);
	tasks = strtoull(argv[6], NULL, 10);
	bytes = (strtoull(argv[2], NULL, 10) << 20) / tasks / PAGE * PAGE;
	rate = strtoull(argv[5], NULL, 10);
	NEED(pipe(ends) == 0);
	for (uint64_t task = 1; task < tasks; task++) {
		pid_t pid = fork();

		NEED(pid >= 0);
		if (pid == 0) {
			tasks = 0;
			break;
		}
	}
	room = map(bytes + HUGE_PAGE);
	memory = (uint64_t *)(((uintptr_t)room + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
	NEED(madvise(memory, bytes,
		     strcmp(argv[3], "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE) == 0);
	fill_with(argv[4]);
	if (!tasks) {
		NEED(write(ends[1], "R", 1) == 1);
		close(ends[0]);
		close(ends[1]);
		for (;;)
			pause();
	}
	close(ends[1]);
	for (; done < tasks - 1; done++) {
		char byte;

		NEED(read(ends[0], &byte, 1) == 1);
	}
	close(ends[0]);
	if (strcmp(argv[1], "-")) {
		int fd = open(argv[1], O_RDWR);
		pthread_t thread;

		NEED(fd >= 0);
		longest = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		NEED(longest != MAP_FAILED);
		close(fd);
		NEED(pthread_create(&thread, NULL, look, NULL) == 0);
	}
	if (rate) {
		pthread_t thread;

		NEED(pthread_create(&thread, NULL, dirty, NULL) == 0);
	}
	ready();
	for (;;)
		pause();
}
