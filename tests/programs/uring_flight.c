/*
 * io_urings with requests in flight at any moment: they complete exactly once, with the right data,
 * whenever the program is stopped. Blocks of a file are read past the page cache (O_DIRECT), NOPs and
 * reads in links, timeouts of a few milliseconds, fsync, reads by the kernel's workers
 * (IOSQE_ASYNC), reads at a file's position.
 *
 * Variants: "plain"; "deferred": only the ring's own thread takes completions in
 * (IORING_SETUP_DEFER_TASKRUN); "threads": four threads with a ring each. "idle" sleeps while 32
 * timeouts fire, which nobody takes in; then they are there, unread.
 *
 * What never completes: "pipe", reads of an empty pipe, the second linked to the first; "worker",
 * the same in a worker; "timeout", an hour; "accept".
 */
#include "program.h"
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { BLOCK = 4096, BLOCKS = 64, SLOTS = 32, ENTRIES = 64 };
enum { DIRECT, LINKED_NOP, LINKED_READ, TIMEOUT, FSYNC, ASYNC, AT_POSITION, KINDS };

struct ring {
	int fd;
	struct io_uring_params params;
	unsigned char *rings;
	struct io_uring_sqe *sqes;
};

/* One request at a time in each slot; `number` tells it from those before it in that slot. */
struct slot {
	bool busy;
	int kind, block;
	uint32_t number;
};

struct user {
	struct ring ring;
	struct slot slots[SLOTS];
	char *buffers;
	int positioned;
	unsigned at_position;	/* how many of those are in flight: one at most */
	long position;
	unsigned done, kinds[KINDS];
};

static int file, direct;
static struct __kernel_timespec few_ms = { 0, 3000000 }, hour = { 3600, 0 };

static unsigned *word(struct ring *r, unsigned offset)
{
	return (unsigned *)(r->rings + offset);
}

static void make(struct ring *r, unsigned flags)
{
	struct io_uring_params *p = &r->params;

	memset(p, 0, sizeof(*p));
	p->flags = flags;
	r->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, p);
	if (r->fd < 0 && (errno == ENOSYS || errno == EPERM))
		skip("no io_uring here");
	if (r->fd < 0 && errno == EINVAL && flags)
		skip("this kernel has no such flag of io_uring_setup");
	NEED(r->fd >= 0);
	r->rings = mmap(NULL, p->sq_off.array + p->sq_entries * sizeof(unsigned), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, p->sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	NEED(r->rings != MAP_FAILED && r->sqes != MAP_FAILED);
}

static struct io_uring_sqe *put(struct ring *r, uint8_t op, uint64_t data)
{
	unsigned tail = *word(r, r->params.sq_off.tail), index = tail & (r->params.sq_entries - 1);
	struct io_uring_sqe *sqe = &r->sqes[index];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op;
	sqe->user_data = data;
	sqe->fd = -1;
	word(r, r->params.sq_off.array)[index] = index;
	__atomic_store_n(word(r, r->params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	return sqe;
}

static void submit(struct ring *r)
{
	for (;;) {
		unsigned count = *word(r, r->params.sq_off.tail)
			- __atomic_load_n(word(r, r->params.sq_off.head), __ATOMIC_ACQUIRE);
		long done;

		if (!count)
			return;
		done = syscall(SYS_io_uring_enter, r->fd, count, 0, 0, NULL, 0);
		if (done < 0 && errno != EINTR && errno != EAGAIN) {
			fail("io_uring_enter: errno %d", errno);
			return;
		}
	}
}

static bool next(struct ring *r, struct io_uring_cqe *cqe)
{
	unsigned *head = word(r, r->params.cq_off.head);

	if (*head == __atomic_load_n(word(r, r->params.cq_off.tail), __ATOMIC_ACQUIRE))
		return false;
	*cqe = ((struct io_uring_cqe *)(r->rings + r->params.cq_off.cqes))[*head & (r->params.cq_entries - 1)];
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return true;
}

static void put_slot(struct user *u, unsigned index, int kind)
{
	struct slot *slot = &u->slots[index];
	char *buffer = u->buffers + index * BLOCK;
	struct io_uring_sqe *sqe;
	uint64_t data;

	slot->busy = true;
	slot->kind = kind;
	slot->number++;
	slot->block = (int)(pattern(index, slot->number) % BLOCKS);
	data = (uint64_t)slot->number << 32 | index;
	memset(buffer, 0xee, BLOCK);
	switch (kind) {
	case LINKED_NOP:
		put(&u->ring, IORING_OP_NOP, data)->flags = IOSQE_IO_LINK;
		return;
	case TIMEOUT:
		sqe = put(&u->ring, IORING_OP_TIMEOUT, data);
		sqe->addr = (uint64_t)&few_ms;
		sqe->len = 1;
		return;
	case FSYNC:
		put(&u->ring, IORING_OP_FSYNC, data)->fd = file;
		return;
	default:
		sqe = put(&u->ring, IORING_OP_READ, data);
	}
	sqe->fd = kind == ASYNC ? file : kind == AT_POSITION ? u->positioned : direct;
	sqe->addr = (uint64_t)buffer;
	sqe->len = BLOCK;
	sqe->off = (uint64_t)slot->block * BLOCK;
	if (kind == ASYNC)
		sqe->flags = IOSQE_ASYNC;
	if (kind == AT_POSITION) {
		slot->block = (int)u->position;
		u->position = (u->position + 1) % BLOCKS;
		sqe->off = (uint64_t)-1;
		u->at_position++;
		if (slot->block == 0)
			NEED(lseek(u->positioned, 0, SEEK_SET) == 0);
	}
}

static void take(struct user *u, const struct io_uring_cqe *cqe)
{
	unsigned index = (unsigned)cqe->user_data;
	struct slot *slot = &u->slots[index < SLOTS ? index : 0];

	if (index >= SLOTS || !slot->busy || slot->number != cqe->user_data >> 32) {
		fail("a completion that was not to come: %#llx", (unsigned long long)cqe->user_data);
		return;
	}
	slot->busy = false;
	u->done++;
	u->kinds[slot->kind]++;
	if (slot->kind == AT_POSITION)
		u->at_position--;
	if (slot->kind == TIMEOUT) {
		CHECK("timeout", -ETIME, cqe->res);
	} else if (slot->kind == LINKED_NOP || slot->kind == FSYNC) {
		CHECK("nop or fsync", 0, cqe->res);
	} else {
		CHECK("read", BLOCK, cqe->res);
		if (cqe->res == BLOCK)
			check_pattern("what was read", u->buffers + index * BLOCK, BLOCK, (uint64_t)slot->block + 1);
	}
}

/* Keeps all slots busy until told, and then until all are free. */
static void *churn(void *argument)
{
	struct user *u = argument;
	struct io_uring_cqe cqe;
	int64_t start;
	unsigned busy;
	int kind = 0;

	do {
		for (unsigned i = 0; i < SLOTS; i++) {
			if (u->slots[i].busy)
				continue;
			kind = (kind + 1) % KINDS;
			/* A link is of two: the NOP, and the read in the next slot. */
			if (kind == LINKED_NOP && (i + 1 == SLOTS || u->slots[i + 1].busy))
				kind = DIRECT;
			if (kind == LINKED_NOP) {
				put_slot(u, i++, LINKED_NOP);
				kind = LINKED_READ;
			}
			/* Of two at once nobody knows which is the first. */
			if (kind == AT_POSITION && u->at_position)
				kind = DIRECT;
			put_slot(u, i, kind);
		}
		submit(&u->ring);
		while (next(&u->ring, &cqe))
			take(u, &cqe);
		busy = 0;
		for (unsigned i = 0; i < SLOTS; i++)
			busy += u->slots[i].busy;
		if (busy)	/* All may have completed while this was stopped: then none will come. */
			syscall(SYS_io_uring_enter, u->ring.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	} while (!told() && !failures);
	start = now_ns(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < SLOTS && now_ns(CLOCK_MONOTONIC) - start < 10000000000; ) {
		syscall(SYS_io_uring_enter, u->ring.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
		while (next(&u->ring, &cqe))
			take(u, &cqe);
		for (i = 0; i < SLOTS && !u->slots[i].busy; i++)
			;
	}
	for (unsigned i = 0; i < SLOTS; i++)
		if (u->slots[i].busy)
			fail("request %u of kind %d does not complete", i, u->slots[i].kind);
	sleep_ms(10);
	syscall(SYS_io_uring_enter, u->ring.fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
	CHECK("one more completion", 0, next(&u->ring, &cqe));
	CHECK("overflow", 0, *word(&u->ring, u->ring.params.cq_off.overflow));
	for (kind = 0; kind < KINDS; kind++)
		if (!u->kinds[kind])
			fail("no request of kind %d was made", kind);
	return NULL;
}

static void *own_ring(void *argument)
{
	struct user *u = argument;
	unsigned flags = u->ring.params.flags;

	make(&u->ring, flags);
	u->buffers = map_anonymous(NULL, SLOTS * BLOCK, MAP_PRIVATE);
	u->positioned = open("data", O_RDONLY);
	NEED(u->positioned >= 0);
	return churn(u);
}

/* Timeouts fire while the program sleeps without ever entering the ring. */
static void idle(struct user *u)
{
	struct io_uring_cqe cqe;
	struct timespec until_told = { 0, 2000000 };

	make(&u->ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	u->buffers = map_anonymous(NULL, SLOTS * BLOCK, MAP_PRIVATE);
	for (unsigned i = 0; i < SLOTS; i++)
		put_slot(u, i, TIMEOUT);
	submit(&u->ring);
	sleep_ms(20);
	CHECK("nothing completes by itself", 0, next(&u->ring, &cqe));
	ready();
	while (!told())
		nanosleep(&until_told, NULL);
	syscall(SYS_io_uring_enter, u->ring.fd, 0, SLOTS, IORING_ENTER_GETEVENTS, NULL, 0);
	while (next(&u->ring, &cqe))
		take(u, &cqe);
	CHECK("completions", SLOTS, u->done);
}

/* What waits for something that does not come until it is told. */
static void endless(struct user *u, const char *how)
{
	int pipes[2], listener;
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	char got[2] = "";

	make(&u->ring, 0);
	NEED(pipe(pipes) == 0);
	if (!strcmp(how, "timeout")) {
		sqe = put(&u->ring, IORING_OP_TIMEOUT, 7);
		sqe->addr = (uint64_t)&hour;
		sqe->len = 1;
	} else if (!strcmp(how, "accept")) {
		listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		NEED(listener >= 0 && bind(listener, (void *)&own, sizeof(own)) == 0 && listen(listener, 1) == 0);
		put(&u->ring, IORING_OP_ACCEPT, 7)->fd = listener;
	} else {
		for (int i = 0; i < 2; i++) {
			sqe = put(&u->ring, IORING_OP_READ, (uint64_t)(7 + i));
			sqe->fd = pipes[0];
			sqe->addr = (uint64_t)(got + i);
			sqe->len = 1;
			sqe->off = (uint64_t)-1;
			sqe->flags = !strcmp(how, "worker") ? IOSQE_ASYNC : i ? 0 : IOSQE_IO_LINK;
		}
	}
	submit(&u->ring);
	sleep_ms(20);
	CHECK("it does not complete", 0, next(&u->ring, &cqe));
	ready();
	wait_until_told();
	CHECK("it has not completed", 0, next(&u->ring, &cqe));
	if (!strcmp(how, "timeout") || !strcmp(how, "accept"))
		return;
	NEED(write(pipes[1], "xy", 2) == 2);
	CHECK("wait", 0, syscall(SYS_io_uring_enter, u->ring.fd, 0, 2, IORING_ENTER_GETEVENTS, NULL, 0));
	for (int i = 0; i < 2; i++) {
		CHECK("completes", 1, next(&u->ring, &cqe));
		CHECK("result", 1, cqe.res);
	}
	CHECK("what was read", 'x' + 'y', got[0] + got[1]);
}

int main(int argc, char **argv)
{
	static struct user users[4];
	pthread_t threads[COUNT(users)];
	unsigned count = 1, flags = 0;
	const char *how;
	char *blocks;

	begin(argc, argv);
	how = variant(argc, argv);
	if (!strcmp(how, "idle")) {
		idle(users);
		return verdict();
	}
	if (strcmp(how, "plain") && strcmp(how, "deferred") && strcmp(how, "threads")) {
		endless(users, how);
		return verdict();
	}
	blocks = map_anonymous(NULL, BLOCKS * BLOCK, MAP_PRIVATE);
	for (int i = 0; i < BLOCKS; i++)
		fill_pattern(blocks + i * BLOCK, BLOCK, (uint64_t)i + 1);
	write_file("data", blocks, BLOCKS * BLOCK);
	file = open("data", O_RDWR);
	direct = open("data", O_RDONLY | O_DIRECT);
	if (direct < 0 && errno == EINVAL)
		skip("this file system has no O_DIRECT");
	NEED(file >= 0 && direct >= 0 && fsync(file) == 0);
	if (!strcmp(how, "deferred"))
		flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	if (!strcmp(how, "threads"))
		count = COUNT(users);
	for (unsigned i = 0; i < count; i++) {
		users[i].ring.params.flags = flags;
		if (i)
			NEED(pthread_create(&threads[i], NULL, own_ring, &users[i]) == 0);
	}
	ready();
	own_ring(&users[0]);
	for (unsigned i = 1; i < count; i++)
		pthread_join(threads[i], NULL);
	return verdict();
}
