/*
 * Always at work on state that has to be of one moment: memory of all kinds, positions, what is in
 * pipes, counters in registers. Each step changes all of it, and each page is looked at in full
 * before it is written again: a page of another moment would be found within one round.
 *
 *   (none)    one thread, and one more that waits for children of any kind all the time
 *   threads   eight threads at work
 *   tree      a parent and its child, which pass a number to and fro, and a grandchild
 *   group     it ends its own process group at times, having ignored the signal itself
 *   huge      its memory is on huge pages
 *   shared    a child that shares its memory (CLONE_VM)
 *   usual, usual-tree
 *             one thread, a tree, that wait for children as programs do, without __WALL
 *
 * After "go", it does two more rounds. It must not hear or see of any child but its own.
 */
#include "program.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#define PAGE_WORDS 512
#define PAGES 1536		/* of private memory, 6 MiB */
#define ODD 16			/* of each kind that a child does not get */
#define THREADS 8
#define QUEUED 5

struct work {
	uint64_t (*own)[PAGE_WORDS], (*unforked)[PAGE_WORDS], (*wiped)[PAGE_WORDS];
	uint64_t (*common)[PAGE_WORDS], (*locked)[PAGE_WORDS];
	size_t pages;
	uint64_t seed;
	int file, queue[2];
	volatile uint64_t rounds;
	volatile bool stop, waits;
};

static volatile int heard;	/* SIGCHLD */
static bool with_children, usual;

static void on_child(int signal UNUSED)
{
	heard++;
}

static void fill(uint64_t *page, uint64_t seed, uint64_t step)
{
	for (size_t i = 0; i < PAGE_WORDS; i++)
		page[i] = seed * 0x9e3779b97f4a7c15 ^ (step + i * 0xbf58476d1ce4e5b9);
}

static void look(const char *what, const uint64_t *page, uint64_t seed, uint64_t step)
{
	for (size_t i = 0; i < PAGE_WORDS; i++) {
		uint64_t is = seed * 0x9e3779b97f4a7c15 ^ (step + i * 0xbf58476d1ce4e5b9);

		if (page[i] != is) {
			fail("%s: word %zu of step %llu is of step %lld", what, i,
			     (unsigned long long)step,
			     (long long)((page[i] ^ seed * 0x9e3779b97f4a7c15) -
					 i * 0xbf58476d1ce4e5b9));
			_exit(1);
		}
	}
}

static void rewrite(const char *what, uint64_t (*pages)[PAGE_WORDS], size_t count, uint64_t seed,
		    uint64_t step)
{
	uint64_t *page = pages[step % count];

	look(what, page, seed, step - count);
	fill(page, seed, step);
}

static void *map(size_t pages, int flags, int advice)
{
	void *memory = map_anonymous(NULL, pages * 4096, flags);

	if (advice)
		NEED(madvise(memory, pages * 4096, advice) == 0);
	return memory;
}

/* Each page as if its step of the round before step 0 had just been done. */
static void build(uint64_t (*pages)[PAGE_WORDS], size_t count, uint64_t seed)
{
	for (size_t i = 0; i < count; i++)
		fill(pages[i], seed, i - count);
}

static void prepare(struct work *work, size_t pages, uint64_t seed, bool huge)
{
	char path[64];

	work->pages = pages;
	work->seed = seed;
	work->own = map(pages, MAP_PRIVATE, 0);
	if (huge)
		NEED(madvise(work->own, pages * 4096, MADV_HUGEPAGE) == 0);
	work->unforked = map(ODD, MAP_PRIVATE, MADV_DONTFORK);
	work->wiped = map(ODD, MAP_PRIVATE, MADV_WIPEONFORK);
	work->common = map(ODD, MAP_SHARED, 0);
	work->locked = map(ODD, MAP_PRIVATE, 0);
	build(work->own, pages, seed);
	build(work->unforked, ODD, seed);
	build(work->wiped, ODD, seed);
	build(work->common, ODD, seed);
	build(work->locked, ODD, seed);
	snprintf(path, sizeof(path), "file%llu", (unsigned long long)seed);
	work->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	NEED(work->file >= 0 && pipe2(work->queue, O_CLOEXEC) == 0);
	for (uint64_t i = 0; i < QUEUED; i++) {
		uint64_t before = i - QUEUED;

		NEED(write(work->queue[1], &before, 8) == 8);
	}
}

static void see_children(void)
{
	int status;
	pid_t who;

	if (with_children)
		return;
	/* A copy may show as a child that has not ended, but never as one that has. */
	who = usual ? 0 : waitpid(-1, &status, WNOHANG | __WALL);
	if (who > 0)
		fail("a child nobody begot has ended: %d (%#x)", who, status);
	CHECK("SIGCHLD", 0, heard);
	who = waitpid(-1, &status, WNOHANG);
	if (who != -1 || errno != ECHILD)
		fail("waiting for a child gave %d (errno %d)", who, errno);
}

static void steps(struct work *work)
{
	uint64_t round = 0;

	/* The step is in no memory but the stack. */
	for (uint64_t step = 0; !work->stop; step++) {
		uint64_t oldest;

		rewrite("memory", work->own, work->pages, work->seed, step);
		rewrite("memory that is not forked", work->unforked, ODD, work->seed, step);
		rewrite("memory that forks wipe", work->wiped, ODD, work->seed, step);
		rewrite("shared memory", work->common, ODD, work->seed, step);
		rewrite("more memory", work->locked, ODD, work->seed, step);
		if (step)
			CHECK("position", step - 1, lseek(work->file, 0, SEEK_CUR));
		NEED(lseek(work->file, (off_t)step, SEEK_SET) == (off_t)step);
		NEED(write(work->queue[1], &step, 8) == 8);
		NEED(read(work->queue[0], &oldest, 8) == 8);
		CHECK("oldest in its pipe", step - QUEUED, oldest);
		if (step % 64 == 0)
			see_children();
		if (step % work->pages == work->pages - 1)
			work->rounds = ++round;
		if (failures)
			_exit(1);
	}
}

static void *steps_of_thread(void *work)
{
	steps(work);
	return NULL;
}

/* Waits for children of any kind while there is none: ECHILD, at once or when a copy is gone. */
static void *wait_for_any(void *work)
{
	struct work *of = work;

	while (!of->stop) {
		int status;
		pid_t who = waitpid(-1, &status, usual ? 0 : __WALL);

		if (who > 0 || (who < 0 && errno != ECHILD && errno != EINTR))
			fail("waiting for any child gave %d (%#x, errno %d)", who, status, errno);
		of->waits = true;
		sleep_ms(1);
	}
	return NULL;
}

static void two_more_rounds(struct work *work, size_t count)
{
	uint64_t from[THREADS];

	for (size_t i = 0; i < count; i++)
		from[i] = work[i].rounds;
	for (size_t i = 0; i < count; i++)
		while (work[i].rounds < from[i] + 2)
			sleep_ms(2);
	for (size_t i = 0; i < count; i++)
		work[i].stop = true;
}

/* Passes numbers to and fro: what one has sent and the other has got belong together. */
struct game {
	int to[2], from[2];
	struct work work;
};

static void *answer(void *argument)
{
	struct game *game = argument;
	uint64_t got, expected = 1;

	while (read(game->to[0], &got, 8) == 8) {
		CHECK("number that came", expected, got);
		expected = got + 1;
		if (write(game->from[1], &got, 8) != 8 || failures)
			_exit(1);
	}
	return NULL;
}

static void *ask(void *argument)
{
	struct game *game = argument;

	for (uint64_t number = 1;; number++) {
		uint64_t got;

		if (write(game->to[1], &number, 8) != 8 || read(game->from[0], &got, 8) != 8)
			return NULL; /* it has done what it was to */
		CHECK("answer", number, got);
		if (failures)
			_exit(1);
		/* It need not take all of a processor. */
		sleep_ms(1);
	}
}

static void wait_until_at_work(struct work *work)
{
	while (!work->rounds)
		sleep_ms(1);
}

static void start(void *(*body)(void *), void *argument, pthread_t *thread)
{
	NEED(pthread_create(thread, NULL, body, argument) == 0);
}

static void at_work(struct work *work)
{
	pthread_t thread;

	prepare(work, PAGES, (uint64_t)getpid() | 1, false);
	start(steps_of_thread, work, &thread);
	wait_until_at_work(work);
	child_is_ready();
	wait_until_told();
	two_more_rounds(work, 1);
	pthread_join(thread, NULL);
}

static void grandchild(void *argument UNUSED)
{
	static struct work work;

	with_children = false;
	at_work(&work);
}

static void child(void *argument)
{
	struct game *game = argument;
	static struct work work;
	pthread_t thread;
	pid_t pid = spawn(grandchild, NULL);

	close(game->to[1]);
	close(game->from[0]);
	start(answer, game, &thread);
	at_work(&work);
	expect_exit("grandchild", pid, 0);
}

static int tree(void)
{
	static struct game game;
	pthread_t thread, worker;
	pid_t pid;

	with_children = true;
	signal(SIGPIPE, SIG_IGN);
	NEED(pipe2(game.to, O_CLOEXEC) == 0 && pipe2(game.from, O_CLOEXEC) == 0);
	pid = spawn(child, &game);
	close(game.to[0]);
	close(game.from[1]);
	prepare(&game.work, PAGES, 2, false);
	start(steps_of_thread, &game.work, &worker);
	start(ask, &game, &thread);
	wait_until_at_work(&game.work);
	ready();
	wait_until_told();
	two_more_rounds(&game.work, 1);
	pthread_join(worker, NULL);
	expect_exit("child", pid, 0);
	return verdict();
}

static int sharer(void *argument)
{
	steps(argument);
	return 0;
}

static int shared(struct work *work)
{
	static char stack[65536] __attribute__((aligned(16)));
	int status;
	pid_t pid;

	with_children = true;
	prepare(&work[0], PAGES, 1, false);
	prepare(&work[1], PAGES, 2, false);
	pid = clone(sharer, stack + sizeof(stack), CLONE_VM | SIGCHLD, &work[1]);
	NEED(pid > 0);
	pthread_t thread;
	start(steps_of_thread, &work[0], &thread);
	wait_until_at_work(&work[0]);
	wait_until_at_work(&work[1]);
	ready();
	wait_until_told();
	two_more_rounds(work, 2);
	pthread_join(thread, NULL);
	NEED(waitpid(pid, &status, 0) == pid);
	CHECK("status of who shares its memory", 0, status);
	return verdict();
}

int main(int argc, char **argv)
{
	static struct work work[THREADS];
	pthread_t threads[THREADS + 1];
	struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART };
	bool group, huge;
	size_t count = 1;

	begin(argc, argv);
	group = !strcmp(variant(argc, argv), "group");
	huge = !strcmp(variant(argc, argv), "huge");
	usual = !strncmp(variant(argc, argv), "usual", 5);
	if (strstr(variant(argc, argv), "tree"))
		return tree();
	if (!strcmp(variant(argc, argv), "shared"))
		return shared(work);
	NEED(sigaction(SIGCHLD, &action, NULL) == 0);
	if (!strcmp(variant(argc, argv), "threads"))
		count = THREADS;
	if (group)
		signal(SIGTERM, SIG_IGN);
	for (size_t i = 0; i < count; i++)
		prepare(&work[i], huge ? 4096 : PAGES / count, i + 1, huge);
	for (size_t i = 0; i < count; i++)
		start(steps_of_thread, &work[i], &threads[i]);
	start(wait_for_any, work, &threads[count]);
	/* A thread that has just begun has its signals blocked. */
	for (size_t i = 0; i < count; i++)
		wait_until_at_work(&work[i]);
	while (!work->waits)
		sleep_ms(1);
	ready();
	while (!told()) {
		if (group)
			kill(0, SIGTERM);
		sleep_ms(2);
	}
	two_more_rounds(work, count);
	for (size_t i = 0; i <= count; i++)
		pthread_join(threads[i], NULL);
	return verdict();
}
