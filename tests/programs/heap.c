/* The heap of malloc, in use before and after, by threads with arenas of their own as well. */
#include "program.h"

#define BLOCKS 2000

struct owner {
	char *blocks[BLOCKS];
	size_t sizes[BLOCKS];
	uint64_t seed;
	volatile bool built;
};

static void build(struct owner *owner)
{
	for (size_t i = 0; i < BLOCKS; i++) {
		owner->sizes[i] = 16 + (pattern(owner->seed, i) % (i % 100 ? 512 : 300000)) / 8 * 8;
		owner->blocks[i] = malloc(owner->sizes[i]);
		NEED(owner->blocks[i]);
		fill_pattern(owner->blocks[i], owner->sizes[i], i);
	}
	for (size_t i = 0; i < BLOCKS; i += 3) {
		free(owner->blocks[i]);
		owner->blocks[i] = NULL;
	}
	owner->built = true;
}

static void check(struct owner *owner)
{
	for (size_t i = 0; i < BLOCKS; i++) {
		if (!owner->blocks[i])
			NEED(owner->blocks[i] = calloc(1, owner->sizes[i]));
		else
			check_pattern("block", owner->blocks[i], owner->sizes[i], i);
	}
	for (size_t i = 0; i < BLOCKS; i++) {
		NEED(owner->blocks[i] = realloc(owner->blocks[i], owner->sizes[i] + 1000));
		if (i % 3)
			check_pattern("block, moved", owner->blocks[i], owner->sizes[i], i);
		else
			check_filled("block from calloc", owner->blocks[i], 0, owner->sizes[i]);
		free(owner->blocks[i]);
	}
}

static void *run(void *argument)
{
	build(argument);
	wait_until_told();
	check(argument);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct owner owners[3] = { { .seed = 1 }, { .seed = 2 }, { .seed = 3 } };
	pthread_t threads[2];

	begin(argc, argv);
	build(&owners[2]);
	for (int i = 0; i < 2; i++) {
		NEED(pthread_create(&threads[i], NULL, run, &owners[i]) == 0);
		while (!owners[i].built)
			sleep_ms(1);
	}

	ready();
	wait_until_told();

	check(&owners[2]);
	for (int i = 0; i < 2; i++)
		NEED(pthread_join(threads[i], NULL) == 0);
	return verdict();
}
