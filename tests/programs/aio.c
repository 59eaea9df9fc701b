/*
 * Asynchronous I/O contexts (io_setup): at their addresses, with completions that nobody has read, in
 * rings that were filled and emptied before, of one page and of several; a thread that waits in
 * io_getevents; a child that has its parent's ring and one of its own; a request that completes after
 * all the rest, with O_DIRECT.
 */
#include "program.h"
#include <linux/aio_abi.h>

struct ring {
	unsigned id, nr, head, tail, magic, compat, incompat, header;
	struct io_event events[];
};

static aio_context_t empty, turned, large, waited, direct, childs;
static int null, file, go_pipe[2];
static char block[4096] __attribute__((aligned(4096)));
static struct iocb last;
static volatile pid_t waiter_tid;

static aio_context_t make(unsigned events)
{
	aio_context_t made = 0;

	NEED(syscall(SYS_io_setup, events, &made) == 0);
	return made;
}

/* A read that is done at once; its data comes back with its event. */
static void submit(aio_context_t context, uint64_t data)
{
	struct iocb request = { .aio_data = data, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = (unsigned)null };
	struct iocb *list = &request;

	NEED(syscall(SYS_io_submit, context, 1L, &list) == 1);
}

static void expect(const char *what, aio_context_t context, uint64_t first, long count)
{
	struct timespec none = { 0, 0 };
	struct io_event events[64];

	for (long i = 0; i < count; i++) {
		CHECK(what, 1, syscall(SYS_io_getevents, context, 0L, 1L, events, &none));
		CHECK(what, first + (uint64_t)i, events[0].data);
	}
	CHECK(what, 0, syscall(SYS_io_getevents, context, 0L, 1L, events, &none));
}

static void *waiter(void *argument)
{
	struct timespec limit = { 600, 0 };
	struct io_event event = { 0 };

	(void)argument;
	waiter_tid = tid_of_caller();
	CHECK("the thread's wait", 1, syscall(SYS_io_getevents, waited, 1L, 1L, &event, &limit));
	CHECK("what it waited for", 4711, event.data);
	return NULL;
}

static void child(void *argument)
{
	struct timespec none = { 0, 0 };
	struct io_event event;
	const struct ring *parents = (const struct ring *)turned;

	(void)argument;
	childs = make(4);
	submit(childs, 77);
	child_is_ready();
	wait_until_told();
	CHECK("the parent's magic, seen by the child", 0xa10a10a1, parents->magic);
	CHECK("the parent's context is not the child's", -1, syscall(SYS_io_getevents, turned, 0L, 1L, &event, &none));
	expect("in the child", childs, 77, 1);
	CHECK("destroy in the child", 0, syscall(SYS_io_destroy, childs));
}

int main(int argc, char **argv)
{
	struct iocb *list = &last;
	const struct ring *ring;
	unsigned head, tail;
	pthread_t thread;
	pid_t pid;

	begin(argc, argv);
	null = open("/dev/null", O_RDONLY);
	NEED(null >= 0 && pipe(go_pipe) == 0);
	empty = make(1);
	NEED(syscall(SYS_io_destroy, make(1)) == 0);	/* a number between them is free */
	turned = make(10);
	large = make(1000);
	waited = make(8);
	direct = make(8);

	/* Around the end of the ring: what nobody has read begins near it and ends behind its start. */
	ring = (const struct ring *)turned;
	for (unsigned i = 0; i < ring->nr - 3; i++) {
		submit(turned, i);
		expect("fill", turned, i, 1);
	}
	for (int i = 0; i < 20; i++)
		submit(turned, 1000 + (unsigned)i);
	head = ring->head;
	tail = ring->tail;
	NEED(tail < head);
	for (int i = 0; i < 300; i++)
		submit(large, 5000 + (unsigned)i);

	if (!strcmp(variant(argc, argv), "poll")) {
		last.aio_lio_opcode = IOCB_CMD_POLL;
		last.aio_fildes = (unsigned)go_pipe[0];
		last.aio_buf = 1;	/* POLLIN */
	} else {
		write_file("data", block, sizeof(block));
		file = open("data", O_RDWR | O_DIRECT);
		if (file < 0)
			file = open("data", O_RDWR);
		NEED(file >= 0);
		memset(block, 'd', sizeof(block));
		last.aio_lio_opcode = IOCB_CMD_PWRITE;
		last.aio_fildes = (unsigned)file;
		last.aio_buf = (uint64_t)block;
		last.aio_nbytes = sizeof(block);
	}
	last.aio_data = 99;
	pid = spawn(child, NULL);
	NEED(pthread_create(&thread, NULL, waiter, NULL) == 0);
	while (!waiter_tid)
		sleep_ms(1);
	wait_until_blocked(getpid(), waiter_tid, SYS_io_getevents);
	NEED(syscall(SYS_io_submit, direct, 1L, &list) == 1);

	ready();
	wait_until_told();

	CHECK("head", head, ring->head);
	CHECK("tail", tail, ring->tail);
	expect("empty", empty, 0, 0);
	expect("unread", turned, 1000, 20);
	for (unsigned i = 0; i < 3 * ring->nr; i++) {
		submit(turned, i);
		expect("goes on", turned, i, 1);
	}
	expect("many unread", large, 5000, 300);
	submit(empty, 3);
	expect("used", empty, 3, 1);
	submit(waited, 4711);
	pthread_join(thread, NULL);
	if (file) {
		struct timespec limit = { 20, 0 };
		struct io_event event = { 0 };

		CHECK("the write's event", 1, syscall(SYS_io_getevents, direct, 1L, 1L, &event, &limit));
		CHECK("the write's data", 99, event.data);
		CHECK("the write's result", sizeof(block), event.res);
	} else {
		NEED(write(go_pipe[1], "", 1) == 1);
		struct io_event event = { 0 };

		CHECK("the poll's event", 1, syscall(SYS_io_getevents, direct, 1L, 1L, &event, NULL));
		CHECK("the poll's data", 99, event.data);
	}
	expect_exit("child", pid, 0);
	CHECK("destroy", 0, syscall(SYS_io_destroy, turned) + syscall(SYS_io_destroy, large));
	return verdict();
}
