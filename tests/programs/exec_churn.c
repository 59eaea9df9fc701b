/*
 * Threads of which one, never the first, executes the program anew all the time: it takes the first
 * one's number, and all others end. Variant "first": the first thread does it. Variant "once": only
 * when there is a file "execute", and only once.
 */
#include "program.h"

#define THREADS 4
#define WORDS 512

static char *arguments[5], generation_text[24];
static unsigned long generation, chosen;
static volatile bool told_by_now;
static bool once;
static uint64_t content[WORDS];

static void execute(void)
{
	snprintf(generation_text, sizeof(generation_text), "%lu", generation + 1);
	execv("/proc/self/exe", arguments);
	NEED(!"execv");
}

static void *run(void *argument)
{
	unsigned long id = (unsigned long)argument;
	volatile unsigned long sum = 0;

	for (unsigned long i = 0; i < generation % 16 * 2000; i++)
		sum += i;
	while (once && id == chosen && access("execute", F_OK))
		sleep_ms(1);
	if (id == chosen && !told_by_now)
		execute();
	while (!told_by_now) {
		check_pattern("memory of a thread", content, sizeof(content), generation);
		sleep_ms(1);
	}
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	char path[PATH_MAX + 16];
	pid_t pid = getpid();
	int fd, error;

	begin(argc, argv);
	NEED(argc >= 3);
	arguments[0] = argv[0];
	arguments[1] = argv[1];
	arguments[2] = argv[2];
	arguments[3] = generation_text;
	generation = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	fill_pattern(content, sizeof(content), generation);
	once = !strcmp(argv[2], "once");
	if (generation == (once ? 0 : 20))
		ready();
	if (once && generation)
		wait_until_told();
	told_by_now = generation > (once ? 0 : 20) && told();
	chosen = strcmp(argv[2], "first") ? generation * 7 / 3 % THREADS : THREADS;
	for (unsigned long i = 0; i < THREADS; i++) {
		/* EAGAIN while another thread is about to execute (kernel/fork.c, copy_fs). */
		while ((error = pthread_create(&threads[i], NULL, run, (void *)i)) == EAGAIN)
			sleep_ms(1);
		NEED(error == 0);
	}
	if (chosen == THREADS && !told_by_now)
		execute();
	for (int i = 0; i < THREADS; i++)
		NEED(pthread_join(threads[i], NULL) == 0);

	check_pattern("memory", content, sizeof(content), generation);
	CHECK("pid", pid, tid_of_caller());
	/* What nobody closes is the same through all of it. */
	snprintf(path, sizeof(path), "%s/out", test_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK("first free descriptor", 3, fd);
	return verdict();
}
