/*
 * A 32-bit program, built without a C library: it waits in epoll_wait, which answers EINTR to a
 * mere stop, and never sees one. It speaks program.h's protocol.
 */
static int call(int number, int a, int b, int c, int d)
{
	int result;

	__asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
	return result;
}

/* asm/unistd_32.h */
enum { EXIT = 1, WRITE = 4, CHDIR = 12, ACCESS = 33, EPOLL_CREATE = 254, EPOLL_WAIT = 256 };

static void say(const char *text, int length)
{
	call(WRITE, 1, (int)text, length, 0);
}

__attribute__((used, noreturn)) static void run(int *stack)
{
	char event[12];
	int fd = -1, got = -1;

	if (stack[0] >= 2 && call(CHDIR, stack[2], 0, 0, 0) == 0)
		fd = call(EPOLL_CREATE, 1, 0, 0, 0);
	if (fd < 0) {
		say("BROKEN: epoll_create\n", 21);
		call(EXIT, 2, 0, 0, 0);
	}
	say("READY\n", 6);
	do
		got = call(EPOLL_WAIT, fd, (int)event, 1, 100);
	while (got == 0 && call(ACCESS, (int)"go", 0, 0, 0) != 0);
	if (got == 0)
		say("PASS\n", 5);
	else
		say("FAIL: epoll_wait\n", 17);
	call(EXIT, got != 0, 0, 0, 0);
	__builtin_unreachable();
}

__asm__(".globl _start\n_start: mov %esp, %eax\n push %eax\n call run\n");
