/*
 * A process that denies itself memory that is writable and executable (PR_SET_MDWE), with an area
 * that was both before, a thread, and a child that inherits that. Variant "no_inherit": not the
 * child.
 */
#include "program.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65	/* linux/prctl.h */
#define PR_GET_MDWE 66
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef PR_MDWE_NO_INHERIT
#define PR_MDWE_NO_INHERIT 2
#endif

#define PAGE 4096
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

static unsigned char *both, *code, *data;
static int expected;

static void check_denied(const char *who)
{
	int (*function)(void) = (int (*)(void))(void *)code;
	bool denied = expected & PR_MDWE_REFUSE_EXEC_GAIN;
	void *fresh;

	CHECK(who, expected, prctl(PR_GET_MDWE, 0, 0, 0, 0));
	CHECK("code runs", 42, function());
	both[0] = 0xc3;
	((void (*)(void))(void *)both)();
	CHECK("gain execution", denied ? -1 : 0, mprotect(data, PAGE, PROT_READ | PROT_EXEC));
	if (!denied)
		CHECK("and back", 0, mprotect(data, PAGE, PROT_READ | PROT_WRITE));
	check_filled("data", data, 0x5a, PAGE);
	fresh = mmap(NULL, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK("map both", denied, fresh == MAP_FAILED);
	if (!denied)
		munmap(fresh, PAGE);
}

static void *thread(void *argument)
{
	__atomic_store_n((int *)argument, 1, __ATOMIC_SEQ_CST);
	wait_until_told();
	check_denied("thread");
	return NULL;
}

static void child(void *argument)
{
	(void)argument;
	if (expected & PR_MDWE_NO_INHERIT)
		expected = 0;
	child_is_ready();
	wait_until_told();
	check_denied("child");
}

int main(int argc, char **argv)
{
	static const unsigned char answer[] = { 0xb8, 42, 0, 0, 0, 0xc3 };	/* mov $42, %eax; ret */
	pthread_t other;
	int started = 0;
	pid_t pid;

	begin(argc, argv);
	expected = PR_MDWE_REFUSE_EXEC_GAIN;
	if (!strcmp(variant(argc, argv), "no_inherit"))
		expected |= PR_MDWE_NO_INHERIT;
	both = mmap(NULL, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(both != MAP_FAILED);
	code = map_anonymous(NULL, PAGE, MAP_PRIVATE);
	memcpy(code, answer, sizeof(answer));
	NEED(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
	data = map_anonymous(NULL, PAGE, MAP_PRIVATE);
	memset(data, 0x5a, PAGE);
	if (prctl(PR_SET_MDWE, expected, 0, 0, 0)) {
		NEED(errno == EINVAL);
		skip("this kernel has no PR_SET_MDWE");
	}
	pid = spawn(child, NULL);
	NEED(pthread_create(&other, NULL, thread, &started) == 0);
	while (!__atomic_load_n(&started, __ATOMIC_SEQ_CST))
		sleep_ms(1);

	ready();
	wait_until_told();

	check_denied("process");
	NEED(pthread_join(other, NULL) == 0);
	expect_exit("child", pid, 0);
	return verdict();
}
