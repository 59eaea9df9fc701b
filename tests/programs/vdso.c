/* The vDSO: calls by addresses taken before, clocks that go on, and its place in memory. */
#include "program.h"
#include <sys/auxv.h>
#include <sys/time.h>
#include <dlfcn.h>
#include <link.h>

typedef int (*gettime)(clockid_t, struct timespec *);

static gettime find(const char *name)
{
	/* By hand, from the ELF file in memory: its symbols are few. */
	char *base = (char *)getauxval(AT_SYSINFO_EHDR), *names = NULL;
	ElfW(Ehdr) *header = (void *)base;
	ElfW(Phdr) *segments = (void *)(base + header->e_phoff);
	ElfW(Sym) *symbols = NULL;
	gettime found = NULL;
	unsigned count = 0;

	for (int i = 0; i < header->e_phnum; i++) {
		if (segments[i].p_type != PT_DYNAMIC)
			continue;
		for (ElfW(Dyn) *d = (void *)(base + segments[i].p_offset); d->d_tag != DT_NULL; d++) {
			if (d->d_tag == DT_SYMTAB)
				symbols = (void *)(base + d->d_un.d_ptr);
			if (d->d_tag == DT_STRTAB)
				names = base + d->d_un.d_ptr;
		}
	}
	NEED(symbols && names && (char *)symbols < names);
	count = (unsigned)((names - (char *)symbols) / (long)sizeof(*symbols));
	for (unsigned i = 0; i < count; i++) {
		if (!strcmp(names + symbols[i].st_name, name)) {
			char *address = base + symbols[i].st_value;

			memcpy(&found, &address, sizeof(found));
		}
	}
	NEED(found);
	return found;
}

static int64_t by(gettime get, clockid_t clock)
{
	struct timespec t;

	NEED(get(clock, &t) == 0);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t by_system_call(clockid_t clock)
{
	struct timespec t;

	NEED(syscall(SYS_clock_gettime, clock, &t) == 0);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void check_clock(gettime get, clockid_t clock)
{
	int64_t low = by_system_call(clock), middle = by(get, clock), high = by_system_call(clock);

	check_between("clock by the vDSO", low - 10000000, high + 10000000, middle);
}

int main(int argc, char **argv)
{
	static const clockid_t clocks[] = {
		CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI,
		CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
	};
	int64_t before[COUNT(clocks)];
	struct timeval now;
	gettime get;

	begin(argc, argv);
	get = find("__vdso_clock_gettime");
	for (size_t i = 0; i < COUNT(clocks); i++)
		before[i] = by(get, clocks[i]);

	ready();
	/* Calls all the time: the dump may catch one in the middle. */
	while (!told()) {
		int64_t last = by(get, CLOCK_MONOTONIC);

		for (int i = 0; i < 20000; i++) {
			int64_t t = by(get, CLOCK_MONOTONIC);

			if (t < last)
				fail("the clock went back (from %lld to %lld)", (long long)last, (long long)t);
			last = t;
		}
	}
	for (size_t i = 0; i < COUNT(clocks); i++) {
		check_between("a clock since", before[i], LLONG_MAX, by(get, clocks[i]));
		check_clock(get, clocks[i]);
		check_clock(clock_gettime, clocks[i]);
	}
	NEED(gettimeofday(&now, NULL) == 0);
	check_between("gettimeofday", by_system_call(CLOCK_REALTIME) / 1000000000 - 1, LLONG_MAX, now.tv_sec);
	check_between("time", now.tv_sec - 1, now.tv_sec + 2, time(NULL));
	check_between("getcpu", 0, sysconf(_SC_NPROCESSORS_CONF) - 1, sched_getcpu());
	CHECK("the vDSO is where it was", get, find("__vdso_clock_gettime"));
	return verdict();
}
