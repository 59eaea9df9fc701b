/* Guard pages (MADV_GUARD_INSTALL) in every sort of area: a touch kills, what lies around is there. */
#include "program.h"
#include <setjmp.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif
#define PAGE 4096ul
#define SIZE (16 * PAGE)
#define HUGE (2ul << 20)

static sigjmp_buf back;
static char *stack;

static void on_fault(int signal)
{
	siglongjmp(back, signal);
}

/* Whether the page ends whoever reads or writes it. */
static bool is_guard(volatile char *p)
{
	volatile bool read = true, written = true;

	if (sigsetjmp(back, 1) == 0) {
		(void)*p;
		read = false;
	}
	if (sigsetjmp(back, 1) == 0) {
		*p = 1;
		written = false;
	}
	return read && written;
}

static void guard(char *p, size_t size)
{
	if (madvise(p, size, MADV_GUARD_INSTALL)) {
		NEED(errno == EINVAL);
		skip("no guard pages here (MADV_GUARD_INSTALL)");
	}
}

/* Pages 3, 4 and 9 of an area are guards, the others have a pattern of their own. */
static void make(char *area, uint64_t seed)
{
	fill_pattern(area, SIZE, seed);
	guard(area + 3 * PAGE, 2 * PAGE);
	guard(area + 9 * PAGE, PAGE);
}

static void check(const char *what, char *area, uint64_t seed, bool anonymous)
{
	for (size_t i = 0; i < 16; i++) {
		bool wanted = i == 3 || i == 4 || i == 9;

		if (is_guard(area + i * PAGE) != wanted)
			fail("%s: page %zu is %sa guard", what, i, wanted ? "not " : "");
		if (wanted)
			continue;
		for (size_t word = 1; word < PAGE / 8; word++)
			if (((uint64_t *)(area + i * PAGE))[word] != pattern(seed, i * PAGE / 8 + word)) {
				fail("%s: word %zu of page %zu", what, word, i);
				break;
			}
	}
	CHECK("removing the guards", 0, madvise(area, SIZE, MADV_GUARD_REMOVE));
	/* Private memory has lost what was there; a file or shared memory never had a guard in it. */
	if (anonymous)
		check_filled(what, area + 4 * PAGE, 0, PAGE);
}

static char *kinds[7];
static const char *const names[] = {
	"private", "locked", "locked on fault", "shared", "a file, private", "a file, shared", "no access",
};

static void child(void *unused)
{
	(void)unused;
	guard(kinds[0] + 12 * PAGE, PAGE);
	child_is_ready();
	wait_until_told();
	CHECK("the child's own guard", true, is_guard(kinds[0] + 12 * PAGE));
	NEED(madvise(kinds[0] + 12 * PAGE, PAGE, MADV_GUARD_REMOVE) == 0);
	fill_pattern(kinds[0] + 12 * PAGE, PAGE, 0);
	for (size_t i = 0; i < 16; i++)
		CHECK("a guard in the child", i == 3 || i == 4 || i == 9, is_guard(kinds[0] + i * PAGE));
}

static void *in_thread(void *unused)
{
	(void)unused;
	wait_until_told();
	CHECK("the guard of a thread's stack", true, is_guard(stack));
	CHECK("the stack above it", false, is_guard(stack + PAGE));
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_fault };
	pthread_attr_t attributes;
	pthread_t thread;
	char *huge;
	pid_t pid;
	int fd;

	begin(argc, argv);
	NEED(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0);
	fd = open("data", O_RDWR | O_CREAT, 0600);
	NEED(fd >= 0 && ftruncate(fd, SIZE) == 0);
	for (size_t i = 0; i < COUNT(kinds); i++)
		kinds[i] = map_anonymous((void *)(0x360000000 + i * 0x1000000), SIZE, MAP_FIXED | (i == 3 ? MAP_SHARED : MAP_PRIVATE));
	for (size_t i = 4; i < 6; i++)
		NEED(mmap(kinds[i], SIZE, PROT_READ | PROT_WRITE, MAP_FIXED | (i == 4 ? MAP_PRIVATE : MAP_SHARED), fd, 0) == kinds[i]);
	for (size_t i = 0; i < COUNT(kinds); i++)
		make(kinds[i], i + 1);
	close(fd);
	/* The second would have all pages present; both say ENOMEM where the first guard is. */
	NEED(mlock(kinds[1], SIZE) == -1 && errno == ENOMEM);
	NEED(syscall(SYS_mlock2, kinds[2], SIZE, MLOCK_ONFAULT) == 0);
	NEED(mprotect(kinds[6], SIZE, PROT_NONE) == 0);
	/* In the middle of a huge page, if there are such. */
	huge = map_anonymous(NULL, 2 * HUGE, MAP_PRIVATE);
	huge = (char *)(((uintptr_t)huge + HUGE - 1) & ~(HUGE - 1));
	madvise(huge, HUGE, MADV_HUGEPAGE);
	memset(huge, 5, HUGE);
	guard(huge + HUGE / 2, PAGE);
	pid = spawn(child, NULL);
	/* As newer C libraries do it with every stack. */
	stack = map_anonymous(NULL, 1 << 20, MAP_PRIVATE | MAP_STACK);
	guard(stack, PAGE);
	NEED(pthread_attr_init(&attributes) == 0 && pthread_attr_setstack(&attributes, stack, 1 << 20) == 0);
	NEED(pthread_create(&thread, &attributes, in_thread, NULL) == 0);

	ready();
	wait_until_told();

	NEED(pthread_join(thread, NULL) == 0);
	expect_exit("the child", pid, 0);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (i == 6)
			NEED(mprotect(kinds[i], SIZE, PROT_READ | PROT_WRITE) == 0);
		if (i == 1 || i == 2)
			NEED(munlock(kinds[i], SIZE) == 0);
		check(names[i], kinds[i], i + 1, i < 3 || i == 6);
	}
	check_filled("before a guard in a huge page", huge, 5, HUGE / 2);
	CHECK("a guard in a huge page", true, is_guard(huge + HUGE / 2));
	check_filled("behind a guard in a huge page", huge + HUGE / 2 + PAGE, 5, HUGE / 2 - PAGE);
	return verdict();
}
