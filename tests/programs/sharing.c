/*
 * Processes that share without being threads of one another: a child with its parent, a grandchild
 * with its grandparent but not with its parent, siblings with each other but not with their parent.
 * Variants: files (descriptor table), fs (working directory, umask), memory, actions (memory and
 * signal actions), all.
 */
#include "program.h"

/* Who shares, by what they have: each has a mark of its own, and what it was copied from has. */
enum family { A, M, P, T, U, V, W, FAMILIES };

struct node {
	const char *name;
	enum family family;
	int has;	/* the marks that it has, a bit for each family */
	bool marks;	/* makes the mark of its family before it begets its children */
	bool changes;	/* changes it after the restore; the rest of the family must see that */
	bool shares;	/* what it is begotten with */
	const struct node *sibling;	/* begotten with CLONE_PARENT, sharing */
	const struct node *children[6];
	enum family leaves_for;	/* leaves what it had by unshare(2), makes this mark; 0: does not */
};

static const struct node child = { "child", A, 1 << A, .shares = true };
static const struct node grandchild = { "grandchild", A, 1 << A, .shares = true };
static const struct node between = { "between", M, 1 << A | 1 << M, .shares = true, .changes = true,
				     .children = { &grandchild }, .leaves_for = M };
static const struct node between_too = { "between, too", A, 1 << A, .shares = true,
					 .children = { &grandchild } };
static const struct node twin2 = { "second twin", T, 1 << A | 1 << P | 1 << T, .shares = true };
static const struct node twin1 = { "first twin", T, 1 << A | 1 << P | 1 << T, .marks = true,
				   .changes = true, .sibling = &twin2 };
static const struct node of_twins = { "parent of twins", P, 1 << A | 1 << P, .marks = true,
				      .changes = true, .children = { &twin1 } };
static const struct node inner2 = { "second inner twin", U, 1 << A | 1 << U, .shares = true };
static const struct node inner1 = { "first inner twin", U, 1 << A | 1 << U, .marks = true,
				    .changes = true, .sibling = &inner2 };
static const struct node of_inner = { "parent of inner twins", A, 1 << A, .shares = true,
				      .children = { &inner1 } };
static const struct node left1 = { "first one left", V, 1 << A | 1 << V, .shares = true,
				   .changes = true };
static const struct node left2 = { "second one left", V, 1 << A | 1 << V, .shares = true };
static const struct node leaver = { "leaver", W, 1 << A | 1 << V | 1 << W, .changes = true,
				    .children = { &left1, &left2 }, .leaves_for = W };
/* Memory cannot be left. */
static const struct node of_unshared = { "root", A, 1 << A, .marks = true, .changes = true,
	.children = { &child, &between, &of_twins, &of_inner, &leaver } };
static const struct node of_memory = { "root", A, 1 << A, .marks = true, .changes = true,
	.children = { &child, &between_too, &of_twins, &of_inner } };

static int flags;
static int marked[FAMILIES], changed[FAMILIES];	/* memory */
static struct {
	int born, checked, done;
	volatile int stage;
} *all;

static void on_signal(int number)
{
	(void)number;
}

static void on_signal_changed(int number)
{
	(void)number;
}

static void mark(enum family family)
{
	char path[PATH_MAX + 64];
	int fd;

	if (flags & CLONE_FILES) {
		fd = open("/dev/null", O_RDONLY);
		NEED(fd >= 0 && dup2(fd, 100 + (int)family) >= 0 && close(fd) == 0);
	}
	if (flags & CLONE_FS) {
		NEED(snprintf(path, sizeof(path), "%s/dir%d", test_dir, family) > 0);
		NEED(mkdir(path, 0755) == 0 && chdir(path) == 0);
		umask((mode_t)family + 1);
	}
	marked[family]++;
	if (flags & CLONE_SIGHAND)
		NEED(signal(SIGRTMIN + (int)family, on_signal) != SIG_ERR);
}

/* umask(2) tells it by setting another, which those that share it would see. No stdio: they share the
 * allocator's memory, too. */
static unsigned own_umask(void)
{
	char status[4096] = "", *line;
	int fd = open("/proc/thread-self/status", O_RDONLY);

	NEED(fd >= 0 && read(fd, status, sizeof(status) - 1) > 0 && close(fd) == 0);
	line = strstr(status, "\nUmask:\t");
	NEED(line);
	return (unsigned)strtoul(line + 8, NULL, 8);
}

static void check_marks(const struct node *node)
{
	char cwd[PATH_MAX], path[PATH_MAX + 64], what[128];
	struct sigaction action;

	for (int family = 0; family < FAMILIES; family++) {
		bool has = node->has >> family & 1;

		snprintf(what, sizeof(what), "%s: mark of family %d", node->name, family);
		if (flags & CLONE_FILES)
			CHECK(what, has ? 0 : -1, fcntl(100 + family, F_GETFD));
		if (flags & CLONE_VM)
			CHECK(what, has, marked[family]);
		if (flags & CLONE_SIGHAND) {
			NEED(sigaction(SIGRTMIN + family, NULL, &action) == 0);
			CHECK(what, has, action.sa_handler == on_signal);
		}
	}
	if (flags & CLONE_FS) {
		CHECK(node->name, node->family + 1, own_umask());
		NEED(getcwd(cwd, sizeof(cwd)));
		NEED(snprintf(path, sizeof(path), "%s/dir%d", test_dir, node->family) > 0);
		check_text(node->name, path, cwd);
	}
}

static void change(enum family family)
{
	char path[PATH_MAX + 64];

	if (flags & CLONE_FILES)
		NEED(dup2(100 + (int)family, 200 + (int)family) >= 0);
	if (flags & CLONE_FS) {
		NEED(snprintf(path, sizeof(path), "%s/new%d", test_dir, family) > 0);
		NEED(mkdir(path, 0755) == 0 && chdir(path) == 0);
	}
	changed[family]++;
	if (flags & CLONE_SIGHAND)
		NEED(signal(SIGRTMIN + (int)family, on_signal_changed) != SIG_ERR);
}

static void check_changes(const struct node *node)
{
	char cwd[PATH_MAX], path[PATH_MAX + 64], what[128];
	struct sigaction action;

	for (int family = 0; family < FAMILIES; family++) {
		bool has = family == (int)node->family;

		snprintf(what, sizeof(what), "%s: change of family %d", node->name, family);
		if (flags & CLONE_FILES)
			CHECK(what, has ? 0 : -1, fcntl(200 + family, F_GETFD));
		if (flags & CLONE_VM)
			CHECK(what, has, changed[family]);
		if (flags & CLONE_SIGHAND) {
			NEED(sigaction(SIGRTMIN + family, NULL, &action) == 0);
			CHECK(what, has, action.sa_handler == on_signal_changed);
		}
	}
	if (flags & CLONE_FS) {
		NEED(getcwd(cwd, sizeof(cwd)));
		NEED(snprintf(path, sizeof(path), "%s/new%d", test_dir, node->family) > 0);
		check_text(node->name, path, cwd);
	}
}

static void count(int *what)
{
	__atomic_add_fetch(what, 1, __ATOMIC_SEQ_CST);
}

static void wait_until_stage(int stage)
{
	while (all->stage < stage)
		sleep_ms(1);
}

/* How many processes a node is: itself, those below it, its sibling. */
static int below(const struct node *node)
{
	int number = node->sibling ? 2 : 1;

	for (int i = 0; node->children[i]; i++)
		number += below(node->children[i]);
	return number;
}

static int live(void *argument);

/* On a stack of its own: its memory may be its begetter's. Returns when all below it are ready. */
static void beget(const struct node *node, int more)
{
	char *stack = map_anonymous(NULL, 65536, MAP_PRIVATE);
	int before = __atomic_load_n(&all->born, __ATOMIC_SEQ_CST), how = more | SIGCHLD;

	if (node->shares)
		how |= flags;
	NEED(clone(live, stack + 65536, how, (void *)(uintptr_t)node) > 0);
	while (__atomic_load_n(&all->born, __ATOMIC_SEQ_CST) < before + below(node))
		sleep_ms(1);
}

/* The number of its children. */
static int be(const struct node *node)
{
	int begotten = 0;

	if (node->marks)
		mark(node->family);
	if (node == &leaver)
		mark(V);	/* for those that are left with it */
	for (int i = 0; node->children[i]; i++) {
		beget(node->children[i], 0);
		begotten += node->children[i]->sibling ? 2 : 1;
	}
	if (node->sibling)
		beget(node->sibling, CLONE_PARENT);
	if (node->leaves_for) {
		NEED(unshare(flags) == 0);
		mark(node->leaves_for);
	}
	return begotten;
}

static void check(const struct node *node)
{
	wait_until_stage(1);
	check_marks(node);
	count(&all->checked);
	wait_until_stage(2);
	if (node->changes)
		change(node->family);
	count(&all->checked);
	wait_until_stage(3);
	check_changes(node);
	count(&all->checked);
}

static void wait_for_children(const char *what, int number)
{
	int status;

	for (int i = 0; i < number; i++) {
		NEED(wait(&status) > 0);
		CHECK(what, 0, status);
	}
	CHECK(what, -1, wait(&status));
}

static int live(void *argument)
{
	const struct node *node = argument;
	int begotten = be(node);

	count(&all->born);
	check(node);
	wait_for_children(node->name, begotten);
	_exit(failures ? 1 : 0);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int flags; } variants[] = {
		{ "files", CLONE_FILES }, { "fs", CLONE_FS }, { "files-fs", CLONE_FILES | CLONE_FS },
		{ "memory", CLONE_VM }, { "actions", CLONE_VM | CLONE_SIGHAND },
		{ "all", CLONE_VM | CLONE_SIGHAND | CLONE_FILES | CLONE_FS },
	};
	const struct node *root;
	int begotten, number;

	begin(argc, argv);
	for (size_t i = 0; i < COUNT(variants); i++)
		if (!strcmp(variant(argc, argv), variants[i].name))
			flags = variants[i].flags;
	NEED(flags);
	all = map_anonymous(NULL, 4096, MAP_SHARED);
	root = flags & CLONE_VM ? &of_memory : &of_unshared;
	begotten = be(root);
	number = all->born;
	ready();
	wait_until_told();

	for (int stage = 1; stage <= 3; stage++) {
		all->stage = stage;
		if (stage == 2)
			change(root->family);
		else if (stage == 1)
			check_marks(root);
		else
			check_changes(root);
		while (__atomic_load_n(&all->checked, __ATOMIC_SEQ_CST) < stage * number)
			sleep_ms(1);
	}
	wait_for_children("root", begotten);
	return verdict();
}
