/* Which pages of several processes are one page: page frames, as /proc/PID/pagemap has them
 * (Documentation/admin-guide/mm/pagemap.rst). Part of crtools._kernel, after kernel.c. */
#include <stdlib.h>

#define PM_FRAME ((1ull << 55) - 1)
#define PM_EXCLUSIVE (1ull << 56) /* mapped by this process alone */
#define PM_FILE (1ull << 61)
#define PM_SWAP (1ull << 62)
#define PM_PRESENT (1ull << 63)
/* Swap types above stand for something else than a place in swap: pages that are being moved, or
 * that cannot be read (linux/swap.h: MAX_SWAPFILES is 32 less nine of them). */
#define SWAP_TYPES 20
#define WORDS 8192

struct frame {
	uint64_t key;	/* 0: the slot is free */
	uint64_t place; /* where the page is written to */
};

struct frames {
	struct frame *slots;
	uint64_t mask; /* their number, a power of two, less one */
	uint64_t used;
};

/* Addresses, and where the pages of the run are: each page's place is one more than the last's. */
struct frame_run {
	uint64_t start, end, place;
};

/* What two pages have in common if and only if they are one; 0 for a page that is nobody else's, or
 * whose frame we are not told (that takes CAP_SYS_ADMIN). */
static uint64_t frame_key(uint64_t word)
{
	uint64_t frame = word & PM_FRAME;

	if (!frame || word & (PM_EXCLUSIVE | PM_FILE))
		return 0;
	if (word & PM_PRESENT)
		return frame << 1 | 1;
	if (word & PM_SWAP && (frame & 31) < SWAP_TYPES)
		return frame << 1;
	return 0;
}

static struct frame *frame_slot(const struct frames *frames, uint64_t key)
{
	uint64_t at = (key * 0x9e3779b97f4a7c15ull >> 20) & frames->mask;

	while (frames->slots[at].key && frames->slots[at].key != key)
		at = (at + 1) & frames->mask;
	return frames->slots + at;
}

unsigned long crt_frames_new(void)
{
	struct frames *frames = calloc(1, sizeof(*frames));

	if (frames) {
		frames->mask = 4095;
		frames->slots = calloc(frames->mask + 1, sizeof(struct frame));
		if (!frames->slots) {
			free(frames);
			frames = 0;
		}
	}
	return (unsigned long)frames;
}

void crt_frames_free(unsigned long given)
{
	struct frames *frames = (struct frames *)given;

	free(frames->slots);
	free(frames);
}

static int frames_grow(struct frames *frames)
{
	struct frames larger = {.mask = frames->mask * 2 + 1, .used = frames->used};

	larger.slots = calloc(larger.mask + 1, sizeof(struct frame));
	if (!larger.slots)
		return -ENOMEM;
	for (uint64_t at = 0; at <= frames->mask; at++)
		if (frames->slots[at].key)
			*frame_slot(&larger, frames->slots[at].key) = frames->slots[at];
	free(frames->slots);
	*frames = larger;
	return 0;
}

/* The words of the pages from `start` on, WORDS at most; how many, or -errno. */
static long frame_words(int pagemap, uint64_t start, uint64_t end, uint64_t *words)
{
	uint64_t wanted = (end - start) / 4096, got = 0;

	if (wanted > WORDS)
		wanted = WORDS;
	while (got < wanted) {
		ssize_t more = pread(pagemap, words + got, (wanted - got) * 8,
				     (off_t)(start / 4096 + got) * 8);

		if (more < 0)
			return -errno;
		if (more < 8 || more % 8)
			return -EIO;
		got += (uint64_t)more / 8;
	}
	return (long)wanted;
}

/* Looks up the pages of `count` ranges, (start, end) each. Writes runs of those that are known, at
 * `found`, which has room for as many as there are pages. How many runs, or -errno. */
long crt_frames_find(unsigned long given, int pagemap, unsigned long ranges, unsigned long count,
		     unsigned long found)
{
	const struct frames *frames = (struct frames *)given;
	const uint64_t *range = (const uint64_t *)ranges;
	struct frame_run *first = (struct frame_run *)found, *run = first;
	uint64_t words[WORDS];

	for (; count--; range += 2) {
		for (uint64_t at = range[0]; at < range[1];) {
			long pages = frame_words(pagemap, at, range[1], words);

			if (pages < 0)
				return pages;
			for (long i = 0; i < pages; i++, at += 4096) {
				uint64_t key = frame_key(words[i]);
				const struct frame *slot = key ? frame_slot(frames, key) : 0;

				if (!slot || !slot->key)
					continue;
				if (run > first && run[-1].end == at &&
				    run[-1].place + (at - run[-1].start) / 4096 == slot->place) {
					run[-1].end += 4096;
					continue;
				}
				*run++ = (struct frame_run){at, at + 4096, slot->place};
			}
		}
	}
	return run - first;
}

/* Takes note of the pages of `count` runs that somebody else may have too. How many, or -errno. */
long crt_frames_add(unsigned long given, int pagemap, unsigned long runs, unsigned long count)
{
	struct frames *frames = (struct frames *)given;
	uint64_t words[WORDS];
	long added = 0;

	for (const struct frame_run *run = (struct frame_run *)runs; count--; run++) {
		for (uint64_t at = run->start; at < run->end;) {
			long pages = frame_words(pagemap, at, run->end, words);

			if (pages < 0)
				return pages;
			for (long i = 0; i < pages; i++, at += 4096) {
				uint64_t key = frame_key(words[i]);
				struct frame *slot;

				if (!key)
					continue;
				if (frames->used * 2 > frames->mask && frames_grow(frames))
					return -ENOMEM;
				slot = frame_slot(frames, key);
				if (slot->key)
					continue;
				*slot = (struct frame){key, run->place + (at - run->start) / 4096};
				frames->used++;
				added++;
			}
		}
	}
	return added;
}

/* Whether each page that is noted as lying in one of `count` runs has still the frame that it had:
 * 1, or 0, or -errno. How many of them there are is `expected`. */
long crt_frames_check(unsigned long given, int pagemap, unsigned long runs, unsigned long count,
		      unsigned long expected)
{
	const struct frames *frames = (struct frames *)given;
	uint64_t words[WORDS];
	unsigned long there = 0;

	for (const struct frame_run *run = (struct frame_run *)runs; count--; run++) {
		for (uint64_t at = run->start; at < run->end;) {
			long pages = frame_words(pagemap, at, run->end, words);

			if (pages < 0)
				return pages;
			for (long i = 0; i < pages; i++, at += 4096) {
				uint64_t key = frame_key(words[i]);

				there += key && frame_slot(frames, key)->key == key &&
					 frame_slot(frames, key)->place ==
						 run->place + (at - run->start) / 4096;
			}
		}
	}
	return there == expected;
}
