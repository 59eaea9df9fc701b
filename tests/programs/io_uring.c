/*
 * io_urings that are idle: submissions that were not made yet, completions that nobody has read, the
 * counters and every word of the rings, registered files and buffers, a ring that a child has too, one that is
 * not mapped. Variants are flags of io_uring_setup: "plain", "no_sqarray", "large" (big entries),
 * "issuer" (a single issuer, deferred work), "small" (many requests through few entries). "poll" has
 * a request in flight, "closed" a registered file that is open nowhere else, "eventfd" one of those, "sqpoll" a
 * thread of the kernel's; "confined" is not allowed any more what it has made them with.
 */
#include "program.h"
#include "seccomp.h"
#include <linux/io_uring.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

struct ring {
	int fd;
	struct io_uring_params params;
	unsigned char *rings, *sqes;
	size_t rings_size, sqes_size, sqe_size, cqe_size;
};

static struct ring one, bare;
static int file, event, poll_pipe[2], registered[4];
static char *buffers;

static unsigned *word(struct ring *r, unsigned offset)
{
	return (unsigned *)(r->rings + offset);
}

static unsigned get(struct ring *r, unsigned offset)
{
	return __atomic_load_n(word(r, offset), __ATOMIC_ACQUIRE);
}

static void make(struct ring *r, unsigned entries, unsigned flags)
{
	r->params.flags = flags;
	r->fd = (int)syscall(SYS_io_uring_setup, entries, &r->params);
	if (r->fd < 0 && (errno == ENOSYS || errno == EPERM))
		skip("no io_uring here");
	if (r->fd < 0 && errno == EINVAL && flags)
		skip("this kernel has no such flag of io_uring_setup");
	NEED(r->fd >= 0);
}

static void map(struct ring *r)
{
	struct io_uring_params *p = &r->params;

	r->sqe_size = p->flags & IORING_SETUP_SQE128 ? 128 : 64;
	r->cqe_size = p->flags & IORING_SETUP_CQE32 ? 32 : 16;
	r->rings_size = p->cq_off.cqes + p->cq_entries * r->cqe_size;
	if (!(p->flags & IORING_SETUP_NO_SQARRAY))
		r->rings_size = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	r->sqes_size = p->sq_entries * r->sqe_size;
	r->rings = mmap(NULL, r->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, r->sqes_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	NEED(r->rings != MAP_FAILED && r->sqes != MAP_FAILED);
}

static struct io_uring_sqe *put(struct ring *r, uint8_t op, uint64_t data)
{
	unsigned tail = get(r, r->params.sq_off.tail), mask = r->params.sq_entries - 1;
	struct io_uring_sqe *sqe = (void *)(r->sqes + (tail & mask) * r->sqe_size);

	memset(sqe, 0, r->sqe_size);
	sqe->opcode = op;
	sqe->user_data = data;
	if (!(r->params.flags & IORING_SETUP_NO_SQARRAY))
		word(r, r->params.sq_off.array)[tail & mask] = tail & mask;
	__atomic_store_n(word(r, r->params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	return sqe;
}

static long enter(struct ring *r, unsigned submit, unsigned complete)
{
	return syscall(SYS_io_uring_enter, r->fd, submit, complete, complete ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
}

static struct io_uring_cqe *completion(struct ring *r)
{
	unsigned head = get(r, r->params.cq_off.head);

	if (head == get(r, r->params.cq_off.tail))
		return NULL;
	return (void *)(r->rings + r->params.cq_off.cqes + (head & (r->params.cq_entries - 1)) * r->cqe_size);
}

static void expect(const char *what, struct ring *r, uint64_t data, int result)
{
	struct io_uring_cqe *cqe = completion(r);

	if (!cqe) {
		fail("%s: there is no completion", what);
		return;
	}
	CHECK(what, data, cqe->user_data);
	CHECK(what, result, cqe->res);
	__atomic_store_n(word(r, r->params.cq_off.head), get(r, r->params.cq_off.head) + 1, __ATOMIC_RELEASE);
}

static void nop(struct ring *r, uint64_t data)
{
	put(r, IORING_OP_NOP, data);
	CHECK("submit", 1, enter(r, 1, 1));
}

static struct io_uring_sqe *read_block(struct ring *r, uint64_t data, int fixed)
{
	struct io_uring_sqe *sqe = put(r, fixed < 0 ? IORING_OP_READ : IORING_OP_READ_FIXED, data);

	sqe->fd = file;
	sqe->addr = (uint64_t)(buffers + 4096 * (fixed < 0 ? 0 : fixed));
	sqe->len = 4096;
	sqe->off = 0;
	if (fixed >= 0)
		sqe->buf_index = (uint16_t)fixed;
	return sqe;
}

static void child(void *argument)
{
	(void)argument;
	child_is_ready();
	wait_until_told();
	while (get(&one, one.params.cq_off.tail) == 0)
		sleep_ms(1);
	while (access("parent-done", F_OK))
		sleep_ms(1);
	if (one.params.flags & IORING_SETUP_SINGLE_ISSUER)
		return;
	nop(&one, 900);
	expect("the child's request", &one, 900, 0);
}

int main(int argc, char **argv)
{
	unsigned flags = 0, entries = 8, count = 1000, unread = 5, sq_head, sq_tail, cq_head, cq_tail;
	struct io_uring_sqe *sqe;
	struct iovec vectors[3];
	const char *how;
	char block[4096];
	pid_t pid;

	begin(argc, argv);
	how = variant(argc, argv);
	if (!strcmp(how, "no_sqarray"))
		flags = IORING_SETUP_NO_SQARRAY | IORING_SETUP_SUBMIT_ALL;
	if (!strcmp(how, "large"))
		flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
	if (!strcmp(how, "issuer"))
		flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN;
	if (!strcmp(how, "small")) {
		entries = 4;
		count = 50001;
	}
	one.params.cq_entries = 32;
	memset(block, 'b', sizeof(block));
	write_file("data", block, sizeof(block));
	file = open("data", O_RDONLY);
	NEED(file >= 0 && pipe(poll_pipe) == 0);
	buffers = map_anonymous(NULL, 4 * 4096, MAP_PRIVATE);
	make(&bare, 16, !strcmp(how, "sqpoll") ? IORING_SETUP_SQPOLL : 0);
	make(&one, entries, flags | IORING_SETUP_CQSIZE);
	map(&one);
	registered[0] = poll_pipe[1];
	registered[1] = -1;
	registered[2] = file;
	registered[3] = !strcmp(how, "closed") ? open("/dev/zero", O_RDONLY) : file;
	NEED(syscall(SYS_io_uring_register, one.fd, IORING_REGISTER_FILES, registered, 4) == 0);
	if (!strcmp(how, "closed"))
		close(registered[3]);
	if (!strcmp(how, "eventfd")) {
		event = eventfd(0, 0);
		NEED(syscall(SYS_io_uring_register, one.fd, IORING_REGISTER_EVENTFD, &event, 1) == 0);
		close(event);
	}
	vectors[0] = (struct iovec){ buffers, 4096 };
	vectors[1] = (struct iovec){ NULL, 0 };
	vectors[2] = (struct iovec){ buffers + 8192, 8192 };
	NEED(syscall(SYS_io_uring_register, one.fd, IORING_REGISTER_BUFFERS, vectors, 3) == 0);

	for (unsigned i = 0; i < count; i++) {
		nop(&one, i);
		expect("at first", &one, i, 0);
	}
	/* Some requests complete silently. */
	for (unsigned i = 0; i < 7; i++) {
		put(&one, IORING_OP_NOP, 1)->flags = IOSQE_CQE_SKIP_SUCCESS;
		NEED(enter(&one, 1, 0) == 1);
	}
	for (unsigned i = 0; i < unread; i++)
		nop(&one, 100 + i);
	read_block(&one, 200, -1);
	read_block(&one, 201, 2);
	if (!strcmp(how, "poll")) {
		sqe = put(&one, IORING_OP_POLL_ADD, 300);
		sqe->fd = poll_pipe[0];
		sqe->poll32_events = 1;	/* POLLIN */
		NEED(enter(&one, 3, 2) == 3);
	}
	pid = spawn(child, NULL);
	if (!strcmp(how, "confined")) {
		static const struct rule forbidden[] = {
			{ SYS_io_uring_setup, -1, SECCOMP_RET_KILL_PROCESS },
			{ SYS_socketpair, -1, SECCOMP_RET_KILL_PROCESS },
			{ SYS_munmap, -1, SECCOMP_RET_KILL_PROCESS },
		};

		NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
		NEED(install(forbidden, COUNT(forbidden), SECCOMP_RET_ALLOW, 0) == 0);
	}
	sq_head = get(&one, one.params.sq_off.head);
	sq_tail = get(&one, one.params.sq_off.tail);
	cq_head = get(&one, one.params.cq_off.head);
	cq_tail = get(&one, one.params.cq_off.tail);

	ready();
	wait_until_told();

	CHECK("submission head", sq_head, get(&one, one.params.sq_off.head));
	CHECK("submission tail", sq_tail, get(&one, one.params.sq_off.tail));
	CHECK("completion head", cq_head, get(&one, one.params.cq_off.head));
	CHECK("completion tail", cq_tail, get(&one, one.params.cq_off.tail));
	CHECK("mask", one.params.cq_entries - 1, get(&one, one.params.cq_off.ring_mask));
	CHECK("dropped", 0, get(&one, one.params.sq_off.dropped));
	CHECK("overflow", 0, get(&one, one.params.cq_off.overflow));
	for (unsigned i = 0; i < unread; i++)
		expect("unread", &one, 100 + i, 0);
	memset(buffers, 0, 4 * 4096);
	if (strcmp(how, "poll"))
		CHECK("submit what was put", 2, enter(&one, 2, 2));
	expect("read", &one, 200, 4096);
	expect("read into a registered buffer", &one, 201, 4096);
	check_filled("what was read", buffers, 'b', !strcmp(how, "poll") ? 0 : 4096);
	if (!strcmp(how, "poll")) {
		NEED(write(poll_pipe[1], "", 1) == 1);
		CHECK("wait", 0, enter(&one, 0, 1));
		expect("poll", &one, 300, 1);
	}
	read_block(&one, 210, 1);
	CHECK("submit to a slot without buffer", 1, enter(&one, 1, 1));
	expect("slot without buffer", &one, 210, -EFAULT);
	memset(buffers, 0, 4096);
	sqe = read_block(&one, 220, -1);
	sqe->fd = 2;
	sqe->flags = IOSQE_FIXED_FILE;
	CHECK("submit for a registered file", 1, enter(&one, 1, 1));
	expect("registered file", &one, 220, 4096);
	check_filled("what was read of it", buffers, 'b', 4096);
	CHECK("files are registered", -1, syscall(SYS_io_uring_register, one.fd, IORING_REGISTER_FILES, registered, 4));
	CHECK("errno", EBUSY, errno);
	for (unsigned i = 0; i < 300; i++) {
		nop(&one, 400 + i);
		expect("goes on", &one, 400 + i, 0);
	}
	/* Two rounds of the completion ring without reading: what is there stays, the rest waits. */
	for (unsigned i = 0; i < one.params.cq_entries; i++)
		nop(&one, 2000 + i);
	for (unsigned i = 0; i < one.params.cq_entries; i++)
		expect("full ring", &one, 2000 + i, 0);
	CHECK("buffers are registered", -1, syscall(SYS_io_uring_register, one.fd, IORING_REGISTER_BUFFERS, vectors, 3));
	CHECK("errno", EBUSY, errno);
	if (strcmp(how, "sqpoll")) {
		map(&bare);
		nop(&bare, 1);
		expect("a ring that was not mapped", &bare, 1, 0);
	}
	write_file("parent-done", "", 0);
	expect_exit("child", pid, 0);
	return verdict();
}
