/* Process groups and sessions: their leaders alive, dead, and zombies. */
#include "program.h"

static struct {
	pid_t pid, group, session;
} *seen;

enum { GROUP_LEADER, GROUP_MEMBER, ORPHAN_OF_GROUP, SESSION_LEADER, SESSION_CHILD, SESSION_GROUP,
       DEAD_SESSION, MEMBERS };

static void live(int i)
{
	seen[i].pid = getpid();
	seen[i].group = getpgrp();
	seen[i].session = getsid(0);
	if (ready_fd >= 0)
		child_is_ready();
	wait_until_told();
	CHECK("pid", seen[i].pid, getpid());
	CHECK("process group", seen[i].group, getpgrp());
	CHECK("session", seen[i].session, getsid(0));
	while (access("seen", F_OK))	/* the root has looked, too */
		sleep_ms(1);
}

static void group_leader(void *argument)
{
	(void)argument;
	NEED(setpgid(0, 0) == 0);
	live(GROUP_LEADER);
}

static void join_group(void *argument)
{
	int i = *(int *)argument;

	NEED(setpgid(0, i == GROUP_MEMBER ? seen[GROUP_LEADER].pid : seen[ORPHAN_OF_GROUP].group) == 0);
	live(i);
}

static void leader_for_a_moment(void *argument)
{
	(void)argument;
	NEED(setpgid(0, 0) == 0);
	child_is_ready();
	wait_until_state(getppid(), 0);	/* killed before */
}

static void session_group(void *argument)
{
	(void)argument;
	NEED(setpgid(0, 0) == 0);
	live(SESSION_GROUP);
}

static void session_child(void *argument)
{
	(void)argument;
	live(SESSION_CHILD);
}

static void session_leader(void *argument)
{
	pid_t child, other;

	(void)argument;
	NEED(setsid() == getpid());
	child = spawn(session_child, NULL);
	other = spawn(session_group, NULL);
	live(SESSION_LEADER);
	expect_exit("child in the session", child, 0);
	expect_exit("group in the session", other, 0);
}

/* Its leader is dead and gone: the id of the session lives on in its one member. */
static void dead_session(void *argument)
{
	pid_t leader;
	int status;

	(void)argument;
	NEED(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	leader = fork();
	if (leader == 0) {
		close(ready_fd);
		ready_fd = -1;
		NEED(setsid() == getpid());
		if (fork() == 0) {
			while (getppid() == getsid(0))
				sleep_ms(1);
			live(DEAD_SESSION);
			_exit(failures ? 1 : 0);
		}
		_exit(0);
	}
	expect_exit("leader of the session", leader, 0);
	while (!((volatile pid_t *)&seen[DEAD_SESSION].session)[0])
		sleep_ms(1);
	child_is_ready();
	wait_until_told();
	NEED(waitpid(-1, &status, 0) == seen[DEAD_SESSION].pid);
	CHECK("member of the dead session", 0, status);
}

int main(int argc, char **argv)
{
	pid_t leader, member, orphan, gone, session, dead;
	int i;

	begin(argc, argv);
	seen = map_anonymous(NULL, 4096, MAP_SHARED);
	leader = spawn(group_leader, NULL);
	member = spawn(join_group, (i = GROUP_MEMBER, &i));
	gone = spawn(leader_for_a_moment, NULL);
	seen[ORPHAN_OF_GROUP].group = gone;
	orphan = spawn(join_group, (i = ORPHAN_OF_GROUP, &i));
	NEED(kill(gone, SIGKILL) == 0 && waitpid(gone, NULL, 0) == gone);
	session = spawn(session_leader, NULL);
	dead = spawn(dead_session, NULL);

	ready();
	wait_until_told();

	for (i = 0; i < MEMBERS; i++) {
		CHECK("process group, from outside", seen[i].group, getpgid(seen[i].pid));
		CHECK("session, from outside", seen[i].session, getsid(seen[i].pid));
	}
	write_file("seen", "", 0);
	CHECK("leader of the member's group", leader, seen[GROUP_MEMBER].group);
	CHECK("group of the orphan", gone, seen[ORPHAN_OF_GROUP].group);
	expect_exit("group leader", leader, 0);
	expect_exit("member of the group", member, 0);
	expect_exit("member of the leaderless group", orphan, 0);
	expect_exit("session leader", session, 0);
	expect_exit("parent of the leaderless session", dead, 0);
	return verdict();
}
