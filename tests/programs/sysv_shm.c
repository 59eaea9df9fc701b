/*
 * System V shared memory: with and without a key, marked for removal, read-only, executable, at two
 * addresses, unmapped in part, protected in part, shared with a child, in huge pages; counts of
 * attachments, ids, owners, modes and every word.
 */
#include "program.h"
#include <sys/ipc.h>
#include <sys/shm.h>

#define PAGE 4096ul
#define PAGES 16
#define SIZE (PAGES * PAGE)
#define HUGE (2ul << 20)

struct segment {
	int id;
	struct shmid_ds before;
	unsigned long attached;
};

static struct segment keyed, marked, locked, large, idle;
static char *first, *second, *constant, *gone, *protected_, *pinned, *huge;
static key_t key;

static void *attach(struct segment *s, void *at, int flags)
{
	void *p = shmat(s->id, at, flags);

	NEED(p != (void *)-1);
	return p;
}

static void note(struct segment *s)
{
	NEED(shmctl(s->id, IPC_STAT, &s->before) == 0);
	s->attached = s->before.shm_nattch;
}

static void check(const char *name, struct segment *s)
{
	struct shmid_ds now;
	char what[64];

	if (shmctl(s->id, IPC_STAT, &now)) {
		fail("%s: segment %d is gone (errno %d)", name, s->id, errno);
		return;
	}
#define SAME(field) snprintf(what, sizeof(what), "%s: " #field, name); CHECK(what, s->before.field, now.field)
	SAME(shm_perm.__key);
	SAME(shm_perm.uid);
	SAME(shm_perm.gid);
	SAME(shm_perm.cuid);
	SAME(shm_perm.cgid);
	SAME(shm_perm.mode);
	SAME(shm_segsz);
	SAME(shm_nattch);
}

static void child(void *argument)
{
	char *own;

	(void)argument;
	/* Inherited attachments: one more, one less, one moved. */
	NEED(shmdt(second) == 0);
	own = attach(&marked, NULL, 0);
	first = mremap(first, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x320000000);
	NEED(first == (void *)0x320000000);
	child_is_ready();
	wait_until_told();
	check_pattern("in the child", own, PAGE, 20);
	while (__atomic_load_n((int *)(first + 9 * PAGE), __ATOMIC_SEQ_CST) != 1)
		sleep_ms(1);
	__atomic_store_n((int *)(first + 10 * PAGE), 2, __ATOMIC_SEQ_CST);
	CHECK("the child detaches a moved one", 0, shmdt(first));
	CHECK("the child detaches its own", 0, shmdt(own));
}

int main(int argc, char **argv)
{
	bool with_huge;
	char *middle;
	void *room;
	pid_t pid;

	begin(argc, argv);
	with_huge = !strcmp(variant(argc, argv), "huge");
	key = ftok(test_dir, 'k');
	NEED(key != -1);
	keyed.id = shmget(key, SIZE - 100, IPC_CREAT | IPC_EXCL | 0640);
	marked.id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0700);
	idle.id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);
	locked.id = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0777);
	NEED(keyed.id >= 0 && marked.id >= 0 && locked.id >= 0 && idle.id >= 0);

	first = attach(&keyed, NULL, 0);
	second = attach(&keyed, (void *)0x330000000, 0);
	constant = attach(&keyed, NULL, SHM_RDONLY);
	fill_pattern(first, PAGE, 1);
	fill_pattern(first + 5 * PAGE, PAGE, 5);
	fill_pattern(first + 15 * PAGE, PAGE - 104, 15);

	/* Of this one the middle is left, and something else lies where the rest was. */
	gone = attach(&marked, (void *)0x340000000, SHM_EXEC);
	fill_pattern(gone, PAGE, 20);
	fill_pattern(gone + 7 * PAGE, PAGE, 27);
	NEED(munmap(gone, 4 * PAGE) == 0 && munmap(gone + 12 * PAGE, 4 * PAGE) == 0);
	NEED(munmap(gone + 8 * PAGE, PAGE) == 0);
	map_anonymous(gone, 4 * PAGE, MAP_PRIVATE | MAP_FIXED_NOREPLACE);
	fill_pattern(gone, 4 * PAGE, 99);
	NEED(shmctl(marked.id, IPC_RMID, NULL) == 0);

	protected_ = attach(&locked, NULL, 0);
	fill_pattern(protected_, 2 * PAGE, 30);
	NEED(mprotect(protected_, PAGE, PROT_NONE) == 0);
	pinned = attach(&locked, NULL, 0);
	NEED(shmctl(locked.id, SHM_LOCK, NULL) == 0);
	NEED(shmctl(locked.id, IPC_RMID, NULL) == 0);

	if (with_huge) {
		large.id = shmget(IPC_PRIVATE, 2 * HUGE, IPC_CREAT | SHM_HUGETLB | 0600);
		if (large.id < 0) {
			shmctl(keyed.id, IPC_RMID, NULL);
			shmctl(idle.id, IPC_RMID, NULL);
			skip("no huge pages for shmget (vm.nr_hugepages)");
		}
		huge = attach(&large, NULL, 0);
		NEED(shmctl(large.id, IPC_RMID, NULL) == 0);
		fill_pattern(huge + HUGE, HUGE, 50);
	}
	pid = spawn(child, NULL);
	if (with_huge)
		note(&large);
	note(&keyed);
	note(&marked);
	note(&locked);
	note(&idle);

	ready();
	wait_until_told();

	check("keyed", &keyed);
	check("marked for removal", &marked);
	check("locked", &locked);
	check("not attached", &idle);
	CHECK("found by its key", keyed.id, shmget(key, 0, 0));
	check_pattern("first page", first, PAGE, 1);
	check_filled("hole", first + PAGE, 0, 4 * PAGE);
	check_pattern("page in the middle", first + 5 * PAGE, PAGE, 5);
	check_pattern("last page", first + 15 * PAGE, PAGE - 104, 15);
	check_pattern("at the other address", second + 5 * PAGE, PAGE, 5);
	check_pattern("read-only", constant + 5 * PAGE, PAGE, 5);
	CHECK("read-only stays so", -1, mprotect(constant, PAGE, PROT_READ | PROT_WRITE));
	check_pattern("what lies in a hole of it", gone, 4 * PAGE, 99);
	check_filled("what is left of it", gone + 4 * PAGE, 0, 3 * PAGE);
	check_pattern("what is left of it", gone + 7 * PAGE, PAGE, 27);
	room = mmap(gone + 8 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK("nothing lies in the other hole", gone + 8 * PAGE, room);
	/* mov $42, %eax; ret */
	middle = gone + 9 * PAGE;
	memcpy(middle, "\xb8\x2a\0\0\0\xc3", 6);
	CHECK("executable", 42, ((int (*)(void))middle)());
	check_pattern("protected elsewhere", pinned, 2 * PAGE, 30);
	CHECK("protected", -1, write(1, protected_, 1));
	CHECK("errno", EFAULT, errno);
	CHECK("unprotect", 0, mprotect(protected_, PAGE, PROT_READ));
	check_pattern("protected", protected_, 2 * PAGE, 30);
	if (with_huge) {
		check("huge", &large);
		check_filled("hole of huge pages", huge, 0, HUGE);
		check_pattern("huge pages", huge + HUGE, HUGE, 50);
		CHECK("detach huge pages", 0, shmdt(huge));
	}
	__atomic_store_n((int *)(second + 9 * PAGE), 1, __ATOMIC_SEQ_CST);
	expect_exit("child", pid, 0);
	CHECK("written by the child", 2, *(int *)(constant + 10 * PAGE));
	CHECK("detach what is left", 0, shmdt(gone));
	CHECK("a segment marked for removal is gone then", -1, shmctl(marked.id, IPC_STAT, &marked.before));
	CHECK("detach", 0, shmdt(constant) + shmdt(first) + shmdt(second));
	CHECK("remove", 0, shmctl(keyed.id, IPC_RMID, NULL) + shmctl(idle.id, IPC_RMID, NULL));
	return verdict();
}
