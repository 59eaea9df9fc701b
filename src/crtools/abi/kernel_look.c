/* Many descriptors of another process at once: what fdinfo, fstat and fcntl say of each, and answers
 * to questions. Part of crtools._kernel, after kernel.c. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* A question that is put to many descriptors: a system call whose first argument is the descriptor.
 * Where bit N of `inside` is set, argument N is an offset in the descriptor's record, its address
 * is passed. The result, -errno if it fails, goes into the record at `result`, 0: nowhere. */
struct question {
	int64_t nr;
	int64_t args[5];
	int64_t inside;
	int64_t result;
};

enum {
	WRITE_ADDRESS = -1, /* nr: writes the address of offset args[1] to offset args[0] */
	SKIP_UNLESS = -2,   /* nr: the next args[2] are left out unless args[1] is the word at args[0] */
	SKIP_IF = -3,	    /* nr: they are left out if it is */
};

static inline long raw6(long nr, long a, const long *rest)
{
	register long r9 __asm__("r9") = rest[4];
	long ret;
	register long r10 __asm__("r10") = rest[2];
	register long r8 __asm__("r8") = rest[3];

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(rest[0]), "d"(rest[1]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static void put_questions(long fd, char *record, const struct question *question, long count)
{
	const struct question *end = question + count;

	for (; question < end; question++) {
		long arg[5], result;

		if (question->nr < 0) {
			char *place = record + question->args[0];
			int32_t word;

			if (question->nr == WRITE_ADDRESS) {
				*(uint64_t *)place = (uint64_t)(record + question->args[1]);
				continue;
			}
			memcpy(&word, place, sizeof(word));
			if ((word == question->args[1]) == (question->nr == SKIP_IF))
				question += question->args[2];
			continue;
		}
		for (int i = 0; i < 5; i++)
			arg[i] = question->args[i] + (question->inside >> i & 1 ? (long)record : 0);
		result = raw6(question->nr, fd, arg);
		if (question->result)
			memcpy(record + question->result, &result, sizeof(result));
	}
}

/* Takes over descriptors of the process of `pidfd`, one after the other, and puts `questions` to each.
 * Every record begins as the `head` bytes of `blank`; its first word tells whether that could be:
 * 0, or -errno. */
void crt_ask(int pidfd, unsigned long fds_at, unsigned long count, unsigned long blank_at,
	     unsigned long head, unsigned long questions_at, unsigned long questions,
	     unsigned long records_at, unsigned long record_bytes)
{
	const uint32_t *fds = (const uint32_t *)fds_at;
	char *record = (char *)records_at;

	for (; count--; fds++, record += record_bytes) {
		long fd = crt_syscall(SYS_pidfd_getfd, pidfd, *fds, 0, 0, 0, 0);

		memcpy(record, (const char *)blank_at, head);
		if (fd < 0) {
			memcpy(record, &fd, sizeof(fd));
			continue;
		}
		put_questions(fd, record, (const struct question *)questions_at, (long)questions);
		close((int)fd);
	}
}

struct look {
	int64_t text; /* bytes of fdinfo, or -errno of what failed first */
	int64_t pos, flags; /* its first two lines; flags -1: they are not what they should be */
	int32_t signal, owner_type, owner;
	int32_t failed; /* 0: fdinfo, 1: taking it over, 2: fstat */
	uint64_t life; /* of a regular file: F_GET_RW_HINT */
	struct stat stat;
};

/* Numbers and addresses. What is of `type` (of S_IFMT) is asked the questions, as crt_ask does. */
struct look_job {
	uint64_t met;  /* what crt_look says: how many are of `type` */
	uint64_t next; /* the first that nobody has begun with */
	int64_t infos, pidfd; /* the process's fdinfo directory, the process */
	uint64_t fds, count, looks, texts, text_bytes;
	uint64_t type, blank, head, questions, question_count, records, record_bytes;
};

static void read_first_lines(struct look *look, const char *text, uint64_t room)
{
	/* "pos:\t0\nflags:\t0100002\n...": always the first two lines (fs/proc/fd.c). */
	char lines[64] = {0};
	char *at = lines + 5;

	memcpy(lines, text, look->text < 63 ? (size_t)look->text : room < 63 ? room : 63);
	look->flags = -1;
	if (memcmp(lines, "pos:\t", 5))
		return;
	look->pos = strtoll(at, &at, 10);
	if (memcmp(at, "\nflags:\t", 8) == 0)
		look->flags = strtoll(at + 8, 0, 8);
}

static void look_at(struct look_job *job, uint32_t number, struct look *look, char *text,
		    char *record)
{
	struct f_owner_ex owner = {0};
	char name[16];
	int fd;

	memset(look, 0, sizeof(*look));
	snprintf(name, sizeof(name), "%u", number);
	fd = openat((int)job->infos, name, O_RDONLY | O_CLOEXEC);
	look->text = fd < 0 ? -errno : read(fd, text, job->text_bytes);
	if (fd >= 0)
		close(fd);
	if (look->text < 0)
		return;
	read_first_lines(look, text, job->text_bytes);
	look->failed = 1;
	fd = (int)syscall(SYS_pidfd_getfd, job->pidfd, number, 0);
	if (fd < 0) {
		look->text = -errno;
		return;
	}
	look->failed = 2;
	if (fstat(fd, &look->stat) == 0) {
		look->failed = 0;
	} else if (errno == ENOENT && fstat((int)job->infos, &look->stat) == 0) {
		/* /proc/PID/fd of a process that has ended (fs/proc/fd.c, proc_readfd_count). */
		look->failed = 0;
		look->stat.st_ino = 0;
	} else {
		look->text = -errno;
	}
	if (S_ISREG(look->stat.st_mode))
		fcntl(fd, F_GET_RW_HINT, &look->life);
	/* Nothing that was opened with O_PATH has an owner: EBADF. */
	if (fcntl(fd, F_GETOWN_EX, &owner) == 0) {
		look->owner_type = owner.type;
		look->owner = owner.pid;
		look->signal = fcntl(fd, F_GETSIG);
	} else if (errno != EBADF) {
		look->signal = -errno;
	}
	if ((look->stat.st_mode & S_IFMT) == job->type) {
		__atomic_fetch_add(&job->met, 1, __ATOMIC_RELAXED);
		memcpy(record, (const char *)job->blank, job->head);
		put_questions(fd, record, (const struct question *)job->questions,
			      (long)job->question_count);
	}
	close(fd);
}

/* Looks at descriptors: ten system calls each, which Python would need longer to make than the kernel
 * to answer. Two threads may do one job: each takes what the other has not begun with. */
void crt_look(unsigned long given)
{
	struct look_job *job = (struct look_job *)given;
	const uint32_t *fds = (const uint32_t *)job->fds;
	uint64_t i;

	while ((i = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED)) < job->count)
		look_at(job, fds[i], (struct look *)job->looks + i,
			(char *)job->texts + i * job->text_bytes,
			(char *)job->records + i * job->record_bytes);
}

/* A thread that looks at the next descriptors while Python reads what is said of the last ones. It has a
 * table of descriptors of its own: in one that two threads share, every call pays for that. */
static struct {
	pthread_t thread;
	volatile pid_t tid;
	unsigned long job; /* 0: there will be no more */
	int is_used, given_out;
	sem_t given, done;
	int infos, pidfd;
} ahead;

static void close_between(int first, int last)
{
	if (first <= last)
		syscall(SYS_close_range, first, last, 0);
}

static void *look_ahead(void *nothing)
{
	ahead.tid = (pid_t)syscall(SYS_gettid);
	/* What else is open in the copy would stay so when it is closed elsewhere. */
	if (unshare(CLONE_FILES) == 0) {
		int low = ahead.infos < ahead.pidfd ? ahead.infos : ahead.pidfd;
		int high = ahead.infos < ahead.pidfd ? ahead.pidfd : ahead.infos;

		close_between(0, low - 1);
		close_between(low + 1, high - 1);
		close_between(high + 1, INT32_MAX);
	}
	for (;;) {
		while (sem_wait(&ahead.given))
			;
		if (!ahead.job)
			return nothing;
		crt_look(ahead.job);
		sem_post(&ahead.done);
	}
}

/* Starts the thread, which uses these two descriptors: 0, or -errno. There is one at most, and a process
 * that dies takes it along: all that it does is to look. */
long crt_ahead_begin(int infos, int pidfd)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int error;

	if (__atomic_exchange_n(&ahead.is_used, 1, __ATOMIC_ACQUIRE))
		return -EBUSY;
	ahead.infos = infos;
	ahead.pidfd = pidfd;
	ahead.given_out = 0;
	sem_init(&ahead.given, 0, 0);
	sem_init(&ahead.done, 0, 0);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 << 10);
	/* Signals are for who waits for something. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&ahead.thread, &attributes, look_ahead, 0);
	pthread_sigmask(SIG_SETMASK, &before, 0);
	pthread_attr_destroy(&attributes);
	if (error)
		__atomic_store_n(&ahead.is_used, 0, __ATOMIC_RELEASE);
	return -error;
}

/* Has it do what crt_look does. */
void crt_ahead_give(unsigned long job)
{
	ahead.job = job;
	ahead.given_out = 1;
	sem_post(&ahead.given);
}

/* Waits until it has done that, and helps with what is left. */
void crt_ahead_wait(void)
{
	if (!ahead.given_out)
		return;
	crt_look(ahead.job);
	while (sem_wait(&ahead.done))
		;
	ahead.given_out = 0;
}

/* Ends it. pthread_join returns when the kernel has let go of the thread's memory, which is before it
 * lets go of its descriptors and directories (kernel/exit.c, do_exit), and of the thread: setns(2)
 * into a time namespace would fail still. */
void crt_ahead_end(void)
{
	if (ahead.given_out) { /* nobody wants to know the rest of it */
		struct look_job *job = (struct look_job *)ahead.job;

		__atomic_store_n(&job->next, job->count, __ATOMIC_RELAXED);
	}
	crt_ahead_wait();
	crt_ahead_give(0);
	pthread_join(ahead.thread, 0);
	while (syscall(SYS_tgkill, getpid(), ahead.tid, 0) == 0)
		sched_yield();
	sem_destroy(&ahead.given);
	sem_destroy(&ahead.done);
	__atomic_store_n(&ahead.is_used, 0, __ATOMIC_RELEASE);
}

/* Where the open file behind descriptor `fd` of task `tid` is among `count` others, (task, descriptor) each,
 * in the order that kcmp(2) gives; -1 less the place where it belongs if it is not one of them. What
 * kcmp answers otherwise (its errno, 3 for no order) less FIND_FAILED. */
#define FIND_FAILED (1L << 40)

long crt_find(int tid, unsigned int fd, unsigned long others, unsigned long count)
{
	const uint32_t *other = (const uint32_t *)others;
	long low = 0, high = (long)count;

	while (low < high) {
		long middle = (low + high) / 2;
		long order = crt_syscall(SYS_kcmp, tid, other[2 * middle], 0 /* KCMP_FILE */, fd,
					 other[2 * middle + 1], 0);

		if (order == 0)
			return middle;
		if (order == 1)
			high = middle;
		else if (order == 2)
			low = middle + 1;
		else
			return order - FIND_FAILED;
	}
	return -1 - low;
}
