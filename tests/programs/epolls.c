/*
 * Epoll sets: what they watch, by which numbers, with which modes, what has been told of, sets in
 * sets. Variants: "nested" (sets in sets), "family" (a set that is shared, of files that only one has),
 * "signals" (signalfds are watched, a thread waits), "flight" (sent and not received), "many" (3,000
 * watches).
 */
#include "program.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#ifndef EPOLLEXCLUSIVE
#define EPOLLEXCLUSIVE (1u << 28)
#endif
struct params {
	uint32_t usecs;
	uint16_t budget;
	uint8_t prefer, pad;
};
#define SET_PARAMS _IOW(0x8A, 0x01, struct params)
#define GET_PARAMS _IOR(0x8A, 0x02, struct params)
#define DATA(n) (0xfedcba9800000000ull + (n))

static int new_set(void)
{
	int fd = epoll_create1(0);

	NEED(fd >= 0);
	return fd;
}

static int new_event(unsigned value)
{
	int fd = eventfd(value, EFD_NONBLOCK);

	NEED(fd >= 0);
	return fd;
}

static void add(int set, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	NEED(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void rearm(int set, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	CHECK("EPOLL_CTL_MOD", 0, epoll_ctl(set, EPOLL_CTL_MOD, fd, &event));
}

static void trigger(int fd)
{
	uint64_t one = 1;

	NEED(write(fd, &one, 8) == 8);
}

static void expect_none(const char *what, int set)
{
	struct epoll_event got[8];
	int count = epoll_wait(set, got, 8, 0);

	if (count)
		fail("%s (expected no event, got %d, the first %#x of %#llx)", what, count, got[0].events,
		     (unsigned long long)got[0].data.u64);
}

/* All that is ready now, in that order. */
static void expect(const char *what, int set, const uint64_t *data, const uint32_t *events, int count)
{
	struct epoll_event got[32];
	int ready = epoll_wait(set, got, 32, 0);

	CHECK(what, count, ready);
	for (int i = 0; i < count && i < ready; i++) {
		CHECK(what, data[i], got[i].data.u64);
		CHECK(what, events[i], got[i].events);
	}
}

/* All that is ready now, in any order. */
static void expect_all(const char *what, int set, const uint64_t *data, const uint32_t *events, int count)
{
	struct epoll_event got[32];
	int ready = epoll_wait(set, got, 32, 0);

	CHECK(what, count, ready);
	for (int i = 0; i < count; i++) {
		int found = 0;

		for (int k = 0; k < ready; k++)
			found += got[k].data.u64 == data[i] && got[k].events == events[i];
		if (!found)
			fail("%s: no event %#x of %#llx", what, events[i], (unsigned long long)data[i]);
	}
}

static void expect_one(const char *what, int set, uint64_t data, uint32_t events)
{
	expect(what, set, &data, &events, 1);
}

/* The line of a watch in fdinfo says the same as when it was made, but for inodes. */
static int copy_info(int set, char *into, size_t size)
{
	char path[64], text[65536];
	char *line = text, *end;
	size_t used = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", set);
	read_file(path, text, sizeof(text));
	while ((line = strstr(line, "tfd:"))) {
		end = strstr(line, " pos:");
		NEED(end && used + (size_t)(end - line) + 2 < size);
		memcpy(into + used, line, (size_t)(end - line));
		used += (size_t)(end - line);
		into[used++] = '\n';
		line = end;
	}
	into[used] = 0;
	return (int)used;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines come in the order of the kernel's addresses. */
static void sort_lines(char *text)
{
	static char sorted[65536];
	char *lines[256], *rest = text, *line;
	size_t count = 0;

	while ((line = strsep(&rest, "\n")) && *line)
		lines[count++] = line;
	qsort(lines, count, sizeof(*lines), compare_lines);
	sorted[0] = 0;
	for (size_t i = 0; i < count; i++)
		strcat(strcat(sorted, lines[i]), "\n");
	strcpy(text, sorted);
}

static int modes(void)
{
	static char before[32768], after[32768];
	struct params params = { 64, 8, 1, 0 }, got = { 0 };
	int level, order[4], once, disabled, silent[2], told, untold, quiet, exclusive, wakeup;
	int set, same_data, ordered, edges, empty, nothing, closed, closed_copy, moved, moved_copy, other;
	int hung[2], timer, has_params, own, late;
	struct itimerspec spec = { { 0, 0 }, { 0, 1 } };
	struct epoll_event event;
	uint64_t value;

	/* Told of as long as it is ready. */
	set = new_set();
	level = new_event(1);
	add(set, level, EPOLLIN | EPOLLOUT, DATA(1));
	NEED(pipe(hung) == 0 && close(hung[1]) == 0);
	add(set, hung[0], EPOLLIN, DATA(2));
	exclusive = new_event(0);
	add(set, exclusive, EPOLLIN | EPOLLEXCLUSIVE, DATA(3));
	wakeup = new_event(0);
	add(set, wakeup, EPOLLIN | EPOLLWAKEUP, DATA(4));
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	NEED(timer >= 0 && timerfd_settime(timer, 0, &spec, NULL) == 0);
	sleep_ms(1);
	add(set, timer, EPOLLIN, DATA(5));
	/* In the order in which they were triggered. */
	ordered = new_set();
	for (int i = 0; i < 4; i++)
		add(ordered, order[i] = new_event(0), EPOLLIN, DATA(i));
	trigger(order[2]);
	trigger(order[0]);
	trigger(order[3]);
	trigger(order[1]);
	/* EPOLLONESHOT: armed, told, told where nothing is ready any more. */
	once = new_event(0);
	disabled = new_event(1);
	add(set, once, EPOLLIN | EPOLLONESHOT, DATA(6));
	same_data = new_set();
	add(same_data, disabled, EPOLLIN | EPOLLONESHOT, DATA(7));
	expect_one("set-up", same_data, DATA(7), EPOLLIN);
	NEED(pipe(silent) == 0);
	add(same_data, silent[1], EPOLLOUT | EPOLLONESHOT | EPOLLET, DATA(8));
	expect_one("set-up", same_data, DATA(8), EPOLLOUT);
	/* EPOLLET: told of what is ready, not told of it yet, nothing to be told. */
	edges = new_set();
	told = new_event(1);
	untold = new_event(0);
	quiet = new_event(0);
	add(edges, told, EPOLLIN | EPOLLET, DATA(9));
	expect_one("set-up", edges, DATA(9), EPOLLIN);
	add(edges, quiet, EPOLLIN | EPOLLET, DATA(11));
	add(edges, untold, EPOLLIN | EPOLLET, DATA(10));
	trigger(untold);
	/* Nothing of a whole set is to be told. */
	nothing = new_set();
	add(nothing, told, EPOLLIN | EPOLLOUT | EPOLLET, DATA(20));
	add(nothing, level, EPOLLIN | EPOLLET, DATA(21));
	NEED(epoll_wait(nothing, &event, 1, 0) == 1 && epoll_wait(nothing, &event, 1, 0) == 1);
	/* By numbers that are closed, or another file's, by now. */
	empty = new_set();
	closed = new_event(0);
	add(empty, closed, EPOLLIN, DATA(12));
	closed_copy = dup(closed);
	moved = new_event(0);
	add(empty, moved, EPOLLIN, DATA(13));
	moved_copy = dup(moved);
	add(empty, moved_copy, EPOLLIN | EPOLLET, DATA(14));
	other = new_event(0);
	NEED(closed_copy >= 0 && moved_copy >= 0 && close(closed) == 0 && dup2(other, moved) == moved);
	NEED(close(other) == 0 && fcntl(moved, F_SETFD, FD_CLOEXEC) == 0);
	add(empty, moved, EPOLLIN, DATA(15));
	/* By the number that is the set's own by now. */
	own = dup(empty);
	late = new_event(0);
	NEED(own > empty && dup2(late, own) == own);
	add(empty, own, EPOLLIN, DATA(16));
	NEED(dup2(empty, own) == own);
	has_params = ioctl(empty, SET_PARAMS, &params) == 0;
	NEED(fcntl(empty, F_SETFL, O_NONBLOCK) == 0);
	copy_info(empty, before, sizeof(before));
	sort_lines(before);

	ready();
	wait_until_told();

	copy_info(empty, after, sizeof(after));
	sort_lines(after);
	check_text("fdinfo of numbers that have changed", before, after);
	CHECK("O_NONBLOCK", O_RDWR | O_NONBLOCK, fcntl(empty, F_GETFL));
	if (has_params) {
		CHECK("EPIOCGPARAMS", 0, ioctl(empty, GET_PARAMS, &got));
		check_bytes("busy polling", &params, &got, sizeof(params));
	}
	expect_all("ready by level", set, (uint64_t[]){ DATA(1), DATA(2), DATA(5) },
		   (uint32_t[]){ EPOLLIN | EPOLLOUT, EPOLLHUP, EPOLLIN }, 3);
	NEED(read(level, &value, 8) == 8 && read(timer, &value, 8) == 8);
	CHECK("no more of the pipe", 0, epoll_ctl(set, EPOLL_CTL_DEL, hung[0], NULL));
	rearm(set, level, EPOLLIN, DATA(1));
	expect_none("nothing by level", set);
	trigger(once);
	expect_one("told once", set, DATA(6), EPOLLIN);
	expect_none("told once", set);
	trigger(exclusive);
	expect_one("exclusive", set, DATA(3), EPOLLIN);
	NEED(read(exclusive, &value, 8) == 8);
	CHECK("an exclusive one cannot be changed", -1,
	      epoll_ctl(set, EPOLL_CTL_MOD, exclusive, &(struct epoll_event){ .events = EPOLLIN }));
	CHECK("errno", EINVAL, errno);
	trigger(wakeup);
	expect_one("wakeup", set, DATA(4), EPOLLIN);
	expect("in order", ordered, (uint64_t[]){ DATA(2), DATA(0), DATA(3), DATA(1) },
	       (uint32_t[]){ EPOLLIN, EPOLLIN, EPOLLIN, EPOLLIN }, 4);

	trigger(disabled);
	NEED(close(silent[0]) == 0);	/* EPOLLERR, for whom it is told */
	expect_none("those that have told once", same_data);
	rearm(same_data, disabled, EPOLLIN | EPOLLONESHOT, DATA(70));
	expect_one("armed again", same_data, DATA(70), EPOLLIN);
	rearm(same_data, silent[1], EPOLLOUT | EPOLLONESHOT, DATA(80));
	expect_one("armed again", same_data, DATA(80), EPOLLOUT | EPOLLERR);

	expect_one("not told yet", edges, DATA(10), EPOLLIN);
	expect_none("told before", edges);
	trigger(told);
	expect_one("told anew", edges, DATA(9), EPOLLIN);
	trigger(quiet);
	expect_one("the quiet one", edges, DATA(11), EPOLLIN);
	expect_one("told anew, in the other set", nothing, DATA(20), EPOLLIN | EPOLLOUT);

	trigger(late);
	expect_one("by the number of the set's copy", own, DATA(16), EPOLLIN);
	NEED(read(late, &value, 8) == 8);
	trigger(closed_copy);
	expect_one("by a number that is closed", empty, DATA(12), EPOLLIN);
	NEED(read(closed_copy, &value, 8) == 8);
	trigger(moved);
	expect_one("the other file at that number", empty, DATA(15), EPOLLIN);
	NEED(read(moved, &value, 8) == 8);
	trigger(moved_copy);
	expect_all("both of the file that has moved", empty, (uint64_t[]){ DATA(13), DATA(14) },
		   (uint32_t[]){ EPOLLIN, EPOLLIN }, 2);
	return verdict();
}

/* Sets in sets; the outermost was made first. */
static int nested(void)
{
	int sets[5], edges, told, untold, inner_told, inner_untold, file;
	struct epoll_event event;

	for (int i = 0; i < 5; i++)
		sets[i] = new_set();
	file = new_event(0);
	for (int i = 0; i < 4; i++)
		add(sets[i], sets[i + 1], EPOLLIN, DATA(i));
	add(sets[4], file, EPOLLIN, DATA(4));
	/* What an inner set has is told of once, or has been. */
	edges = new_set();
	inner_told = new_set();
	inner_untold = new_set();
	add(inner_told, told = new_event(1), EPOLLIN, DATA(5));
	add(edges, inner_told, EPOLLIN | EPOLLET, DATA(6));
	expect_one("set-up", edges, DATA(6), EPOLLIN);
	add(inner_untold, untold = new_event(1), EPOLLIN, DATA(7));
	add(edges, inner_untold, EPOLLIN | EPOLLET, DATA(8));

	ready();
	wait_until_told();

	expect_none("nothing in the innermost", sets[0]);
	trigger(file);
	for (int i = 0; i < 4; i++)
		expect_one("through the sets", sets[i], DATA(i), EPOLLIN);
	expect_one("the innermost", sets[4], DATA(4), EPOLLIN);
	expect_one("not told yet of a set", edges, DATA(8), EPOLLIN);
	expect_none("told of all sets", edges);
	expect_one("in the inner set", inner_told, DATA(5), EPOLLIN);
	expect_one("in the other inner set", inner_untold, DATA(7), EPOLLIN);
	trigger(told);
	expect_one("told anew", edges, DATA(6), EPOLLIN);
	CHECK("a circle", -1, epoll_ctl(sets[4], EPOLL_CTL_ADD, sets[0], &event));
	CHECK("errno", ELOOP, errno);
	trigger(untold);
	return verdict();
}

static int shared, theirs, ours, to_child[2], to_parent[2];

static void say_to(int end)
{
	NEED(write(end, "", 1) == 1);
}

static void hear_from(int end)
{
	char byte;

	NEED(read(end, &byte, 1) == 1);
}

/* It alone has the file that it watches by the shared set, at the number of the parent's other. */
static void child(void *argument)
{
	(void)argument;
	theirs = new_event(0);
	CHECK("number in the child", ours, dup2(theirs, ours));
	add(shared, ours, EPOLLIN, DATA(1));
	child_is_ready();
	hear_from(to_child[0]);
	trigger(theirs);
	say_to(to_parent[1]);
	hear_from(to_child[0]);
	CHECK("the end of its watch", 0, epoll_ctl(shared, EPOLL_CTL_DEL, ours, NULL));
	CHECK("the end of its watch, again", -1, epoll_ctl(shared, EPOLL_CTL_DEL, ours, NULL));
}

static int family(void)
{
	uint64_t value;
	pid_t pid;

	shared = new_set();
	ours = new_event(0);
	NEED(pipe(to_child) == 0 && pipe(to_parent) == 0);
	pid = spawn(child, NULL);
	add(shared, ours, EPOLLIN, DATA(2));
	add(shared, to_parent[0], EPOLLIN | EPOLLET, DATA(3));

	ready();
	wait_until_told();

	expect_none("nothing yet", shared);
	say_to(to_child[1]);
	hear_from(to_parent[0]);
	expect_one("the child's file", shared, DATA(1), EPOLLIN);
	trigger(ours);
	expect_all("both files", shared, (uint64_t[]){ DATA(1), DATA(2) },
		   (uint32_t[]){ EPOLLIN, EPOLLIN }, 2);
	NEED(read(ours, &value, 8) == 8);
	say_to(to_child[1]);
	expect_exit("child", pid, 0);
	expect_none("the child's file is gone", shared);
	say_to(to_parent[1]);
	expect_one("the pipe", shared, DATA(3), EPOLLIN);
	return verdict();
}

static int signal_fd;

static void *take_signal(void *argument)
{
	struct signalfd_siginfo info;
	struct epoll_event got;
	int count;

	do
		count = epoll_wait(*(int *)argument, &got, 1, -1);
	while (count < 0 && errno == EINTR);
	CHECK("a thread's wait", 1, count);
	CHECK("its data", DATA(3), got.data.u64);
	CHECK("its signal", sizeof(info), read(signal_fd, &info, sizeof(info)));
	CHECK("its signal", SIGUSR2, info.ssi_signo);
	return NULL;
}

/* Whoever asks a set that watches a signalfd asks for his own signals. */
static int signals(void)
{
	int set, edges, waited, file, pending;
	struct signalfd_siginfo info;
	pthread_t thread;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	NEED(pthread_sigmask(SIG_BLOCK, &mask, NULL) == 0);
	pending = signalfd(-1, &mask, SFD_NONBLOCK);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	NEED(pthread_sigmask(SIG_BLOCK, &mask, NULL) == 0);
	signal_fd = signalfd(-1, &mask, SFD_NONBLOCK);
	file = new_event(0);
	NEED(pending >= 0 && signal_fd >= 0);
	set = new_set();
	add(set, pending, EPOLLIN, DATA(1));
	add(set, file, EPOLLIN, DATA(2));
	edges = new_set();
	add(edges, pending, EPOLLIN | EPOLLET, DATA(4));
	add(edges, file, EPOLLIN | EPOLLET, DATA(5));
	waited = new_set();
	add(waited, signal_fd, EPOLLIN, DATA(3));
	NEED(pthread_create(&thread, NULL, take_signal, &waited) == 0);
	NEED(raise(SIGUSR1) == 0);

	ready();
	wait_until_told();

	expect_one("a signal that waits", set, DATA(1), EPOLLIN);
	expect_one("not told of it yet", edges, DATA(4), EPOLLIN);
	expect_none("told of it", edges);
	CHECK("signal", sizeof(info), read(pending, &info, sizeof(info)));
	expect_none("no signal", set);
	NEED(kill(getpid(), SIGUSR1) == 0);
	expect_one("a new signal", set, DATA(1), EPOLLIN);
	expect_one("a new signal", edges, DATA(4), EPOLLIN);
	CHECK("new signal", sizeof(info), read(pending, &info, sizeof(info)));
	NEED(kill(getpid(), SIGUSR2) == 0);
	CHECK("thread", 0, pthread_join(thread, NULL));
	trigger(file);
	expect_one("another file", edges, DATA(5), EPOLLIN);
	return verdict();
}

/* Sent to oneself and not received yet: a set and what it watches, what another set watches. */
static int flight(void)
{
	struct itimerspec spec = { { 0, 0 }, { 3600, 0 } };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control = { .header = { CMSG_LEN(4 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec byte = { &(char){ 'x' }, 1 };
	struct msghdr message = { NULL, 0, &byte, 1, &control, sizeof(control), 0 };
	int ends[2], files[4], here = new_set(), event, timer, sent = new_set(), local;
	uint64_t value;

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	event = new_event(0);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	local = new_event(0);
	NEED(timer >= 0 && timerfd_settime(timer, 0, &spec, NULL) == 0);
	add(here, event, EPOLLIN, DATA(1));
	add(sent, timer, EPOLLIN, DATA(2));
	add(sent, local, EPOLLIN | EPOLLET, DATA(3));
	add(sent, event, EPOLLIN | EPOLLONESHOT, DATA(4));
	files[0] = event;
	files[1] = timer;
	files[2] = sent;
	files[3] = event;
	memcpy(CMSG_DATA(&control.header), files, sizeof(files));
	NEED(sendmsg(ends[0], &message, 0) == 1);
	NEED(close(event) == 0 && close(timer) == 0 && close(sent) == 0);

	ready();
	wait_until_told();

	expect_none("nothing yet", here);
	CHECK("recvmsg", 1, recvmsg(ends[1], &message, 0));
	memcpy(files, CMSG_DATA(&control.header), sizeof(files));
	CHECK("timerfd_gettime", 0, timerfd_gettime(files[1], &spec));
	check_between("seconds left", 3000, 3600, spec.it_value.tv_sec);
	trigger(files[3]);
	expect_one("what was in flight", here, DATA(1), EPOLLIN);
	expect_one("by what was in flight", files[2], DATA(4), EPOLLIN);
	trigger(local);
	expect_one("what was here", files[2], DATA(3), EPOLLIN);
	spec = (struct itimerspec){ { 0, 0 }, { 0, 1 } };
	NEED(timerfd_settime(files[1], 0, &spec, NULL) == 0);
	while (read(files[1], &value, 8) != 8)
		sleep_ms(1);
	NEED(timerfd_settime(files[1], 0, &spec, NULL) == 0);
	sleep_ms(2);
	expect_one("the timer", files[2], DATA(2), EPOLLIN);
	return verdict();
}

#define MANY 3000

static int many(void)
{
	static int files[MANY];
	static bool seen[MANY];
	static struct epoll_event got[MANY];
	int set = new_set(), count, told = 0;

	for (int i = 0; i < MANY; i++) {
		files[i] = eventfd((unsigned)(i % 3 == 0), EFD_NONBLOCK);
		if (files[i] < 0)
			skip("the limit of open files is too low");
		add(set, files[i], EPOLLIN | (i % 2 ? EPOLLET : 0), DATA(i));
	}
	CHECK("set-up", MANY / 3, epoll_wait(set, got, MANY, 0));
	trigger(files[1]);
	trigger(files[5]);

	ready();
	wait_until_told();

	count = epoll_wait(set, got, MANY, 0);
	for (int i = 0; i < count; i++) {
		seen[got[i].data.u64 - DATA(0)] = true;
		told++;
	}
	for (int i = 0; i < MANY; i++)
		CHECK("ready", i % 6 == 0 || i == 1 || i == 5, seen[i]);
	CHECK("each once", MANY / 6 + 2, told);
	for (int i = 0; i < MANY; i++)
		trigger(files[i]);
	CHECK("all", MANY, epoll_wait(set, got, MANY, 0));
	return verdict();
}

int main(int argc, char **argv)
{
	const char *what = variant(argc, argv);

	begin(argc, argv);
	return !strcmp(what, "nested") ? nested() : !strcmp(what, "family") ? family() :
	       !strcmp(what, "signals") ? signals() : !strcmp(what, "flight") ? flight() :
	       !strcmp(what, "many") ? many() : modes();
}
