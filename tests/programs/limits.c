/*
 * All resource limits, soft and hard, each with its own values below those it began with. Variant
 * "soft": only soft ones, which may be raised again up to the hard ones.
 */
#include "program.h"
#include <sys/resource.h>

#define LIMITS 16

/* Small enough for the ends of any hard limit, large enough to live with. */
static const struct rlimit64 wanted[LIMITS] = {
	[RLIMIT_CPU] = { 10000, 20000 },
	[RLIMIT_FSIZE] = { 1 << 26, 1ull << 40 },
	[RLIMIT_DATA] = { 1ull << 38, 1ull << 39 },
	[RLIMIT_STACK] = { 3 << 20, 5 << 20 },
	[RLIMIT_CORE] = { 4096, 8192 },
	[RLIMIT_RSS] = { 1ull << 33, 1ull << 34 },
	[RLIMIT_NPROC] = { 2000, 3000 },
	[RLIMIT_NOFILE] = { 33, 77 },
	[RLIMIT_MEMLOCK] = { 4096 * 5, 4096 * 9 },
	[RLIMIT_AS] = { 1ull << 41, 1ull << 42 },
	[RLIMIT_LOCKS] = { 7, 9 },
	[RLIMIT_SIGPENDING] = { 111, 222 },
	[RLIMIT_MSGQUEUE] = { 4000, 8000 },
	[RLIMIT_NICE] = { 0, 0 },
	[RLIMIT_RTPRIO] = { 0, 0 },
	[RLIMIT_RTTIME] = { 300000, 400000 },
};

int main(int argc, char **argv)
{
	bool soft_only = !strcmp(variant(argc, argv), "soft");
	struct rlimit64 before[LIMITS], got;
	char what[64];

	begin(argc, argv);
	for (int i = 0; i < LIMITS; i++) {
		NEED(prlimit64(0, i, NULL, &before[i]) == 0);
		if (wanted[i].rlim_max > before[i].rlim_max)
			continue;
		before[i].rlim_cur = wanted[i].rlim_cur;
		if (!soft_only)
			before[i].rlim_max = wanted[i].rlim_max;
		NEED(prlimit64(0, i, &before[i], NULL) == 0);
	}

	ready();
	wait_until_told();

	for (int i = 0; i < LIMITS; i++) {
		NEED(prlimit64(0, i, NULL, &got) == 0);
		snprintf(what, sizeof(what), "soft limit %d", i);
		CHECK(what, before[i].rlim_cur, got.rlim_cur);
		snprintf(what, sizeof(what), "hard limit %d", i);
		CHECK(what, before[i].rlim_max, got.rlim_max);
		if (soft_only) {
			got.rlim_cur = got.rlim_max;
			CHECK("raise the soft one", 0, prlimit64(0, i, &got, NULL));
		}
	}
	return verdict();
}
