/* A virtual machine for system calls: it runs programs from shared memory, stores every result and
 * stops at the first one that was not expected. It knows nothing of what the calls are for.
 *
 * It uses no stack beyond a page, no globals, no floating point (the task's own stays untouched). */
#include "ops.h"

#define FUTEX_WAITERS 0x80000000u    /* linux/futex.h */
#define FUTEX_OWNER_DIED 0x40000000u /* linux/futex.h */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define SYS_close 3
#define SYS_futex 202
#define EINTR 4
#define PAGE 4096ul
#define IOV_MAX 1024u
/* A transfer's system calls move at most about this much: between two of them the orchestrator's
 * death is noticed. */
#define TRANSFER_BYTES (16ul << 20)
#define ZEROS_AHEAD (8 * PAGE)

struct iovec {
	u64 base;
	u64 len;
};

static inline s64 call(u64 nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	s64 ret;
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

void agent_main(struct slot *slot) __attribute__((noreturn, used));

/* The child starts in its own slot, on the stack that clone_args names. */
static s64 clone3(u64 args, u64 size, u64 child)
{
	s64 ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %[child], %%rdi\n\t"
			 "call agent_main\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(435ul), "D"(args), "S"(size), [child] "r"(child)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline void copy(void *to, const void *from, u64 bytes)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static int differs(const u64 *a, const u64 *b, u64 words)
{
	u64 i;

	for (i = 0; i < words; i += 4)
		if ((a[i] ^ b[i]) | (a[i + 1] ^ b[i + 1]) | (a[i + 2] ^ b[i + 2]) |
		    (a[i + 3] ^ b[i + 3]))
			return 1;
	return 0;
}

static s64 merge(u64 to, u64 from, u64 bytes)
{
	u64 at;
	s64 copied = 0;

	for (at = 0; at < bytes; at += PAGE)
		if (differs((void *)(to + at), (void *)(from + at), PAGE / 8)) {
			copy((void *)(to + at), (void *)(from + at), PAGE);
			copied++;
		}
	return copied;
}

static inline int orphaned(const struct slot *slot)
{
	return __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE) & FUTEX_OWNER_DIED;
}

/* Moves everything the vector names, whatever the kernel does at a time; the vector is used up.
 * Ends early with what it moved at the end of the file. */
static s64 transfer(struct slot *slot, u64 nr, u64 fd, struct iovec *iov, u64 count, u64 offset)
{
	s64 moved = 0;

	while (count) {
		u64 n = 0, bytes = 0;
		s64 got;

		while (n < count && n < IOV_MAX && (!n || bytes + iov[n].len <= TRANSFER_BYTES))
			bytes += iov[n++].len;
		if (orphaned(slot))
			return -EINTR;
		got = call(nr, fd, (u64)iov, n, offset + moved, 0, 0);
		if (got == -EINTR)
			continue;
		if (got < 0)
			return got;
		if (got == 0)
			return moved;
		moved += got;
		while (count && (u64)got >= iov->len) {
			got -= iov->len;
			iov++;
			count--;
		}
		if (got) {
			iov->base += got;
			iov->len -= got;
		}
	}
	return moved;
}

static int all_zero(const u64 *page)
{
	u64 i;

	for (i = 0; i < PAGE / 8; i += 4)
		if (page[i] | page[i + 1] | page[i + 2] | page[i + 3])
			return 0;
	return 1;
}

/* Sets the bits, which are clear, of the pages that are all zero. The pages have to be there. */
static s64 zeros(struct slot *slot, const struct iovec *iov, u64 count, u8 *bits, u64 step)
{
	u64 at, page = 0, looked = 0;
	s64 found = 0;

	for (; count; iov++, count--)
		for (at = 0; at < iov->len; at += PAGE, page++) {
			const u64 *words = (const u64 *)(iov->base + at);

			if ((looked += PAGE) > step) {
				if (orphaned(slot))
					return -EINTR;
				looked = 0;
			}
			/* Of most pages one word is read, from memory that no cache has: the words
			 * of several pages come at the same time if they are asked for ahead. */
			if (at + ZEROS_AHEAD < iov->len)
				__builtin_prefetch((const u8 *)words + ZEROS_AHEAD);
			if (!*words && all_zero(words)) {
				bits[page / 8] |= 1u << page % 8;
				found++;
			}
		}
	return found;
}

static int expected(const struct insn *in, s64 result)
{
	u64 set;

	switch (in->expect) {
	case EXPECT_ANY:
		return 1;
	case EXPECT_VALUE:
		return (u64)result == in->expected;
	case EXPECT_ERRNOS:
		for (set = in->expected; set; set >>= 8)
			if (result == -(s64)(set & 0xff))
				return 1;
		/* fall through */
	default:
		return (u64)result < -4095ul;
	}
}

static void run(struct slot *slot)
{
	struct insn *program = (struct insn *)slot->program;
	u64 data = slot->data;
	u32 at, count = slot->count;

	for (at = 0; at < count; at++) {
		struct insn *in = program + at;
		u64 arg[6];
		s64 result = 0;
		u32 i;

		/* Whether we are orphaned is looked at in transfers alone: what a few instructions do
		 * together (close a descriptor, forget its number) is never cut in two. */
		for (i = 0; i < 6; i++) {
			u64 v = in->arg[i];

			switch ((in->kinds >> (4 * i)) & 15) {
			case ARG_DATA:
				v += data;
				break;
			case ARG_RESULT:
				v = (u64)program[v].result;
				break;
			case ARG_LOAD64:
				v = *(volatile u64 *)(data + v);
				break;
			case ARG_LOAD32:
				v = (u64)(s64) * (volatile int *)(data + v);
				break;
			case ARG_AREA:
				v += slot->area;
				break;
			case ARG_AREA32:
				v = (u64)(s64) * (volatile int *)(slot->area + v);
				break;
			}
			arg[i] = v;
		}
		switch (in->op) {
		case OP_SYSCALL:
			if (slot->careful && orphaned(slot)) {
				slot->stopped = at;
				return;
			}
			result = call(in->nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
			break;
		case OP_TRANSFER:
			result = transfer(slot, in->nr, arg[0], (void *)arg[1], arg[2], arg[3]);
			break;
		case OP_CLONE:
			result = clone3(arg[0], arg[1], arg[2]);
			break;
		case OP_MERGE:
			result = merge(arg[0], arg[1], arg[2]);
			break;
		case OP_COPY:
			copy((void *)arg[0], (void *)arg[1], arg[2]);
			break;
		case OP_SKIP_IF:
			if (arg[0] == arg[1])
				at += (u32)arg[2];
			break;
		case OP_VALUE:
			result = (s64)arg[0];
			break;
		case OP_ZEROS:
			result = zeros(slot, (void *)arg[0], arg[1], (void *)arg[2], arg[3]);
			break;
		case OP_TILES:
			/* ldtilecfg (%rdi); tilezero %tmm0; tilerelease, spelled for old assemblers */
			__asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0x07\n\t"
					 ".byte 0xc4, 0xe2, 0x7b, 0x49, 0xc0\n\t"
					 ".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0"
					 :
					 : "D"(arg[0])
					 : "memory");
			break;
		case OP_FLAGS:
			/* below the red zone */
			__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
					 "pushfq\n\t"
					 "or %0, (%%rsp)\n\t"
					 "popfq\n\t"
					 "lea 128(%%rsp), %%rsp"
					 :
					 : "r"(arg[0])
					 : "memory", "cc");
			break;
		}
		in->result = result;
		if (in->store_bytes) {
			u64 to = in->store_at +
				 (in->store_bytes & STORE_IN_AREA ? slot->area : data);

			if (in->store_bytes & 8)
				*(volatile u64 *)to = (u64)result;
			else
				*(volatile u32 *)to = (u32)result;
		}
		if (!expected(in, result))
			break;
	}
	slot->stopped = at;
}

/* The orchestrator is gone: back to what the task was doing, without the descriptors it was given.
 * The way home lies outside the area, so its owner can unmap it, after the visitor has left. */
static void __attribute__((noreturn)) go_home(struct slot *slot)
{
	struct slot *visitor = (struct slot *)slot->visitor;
	volatile int *keep = (volatile int *)slot->keep;
	u64 i;

	/* What the task had opened for us and the area stay: a call that closes them is forbidden. */
	if (slot->careful & CAREFUL_HOME) {
		__asm__ volatile("mov %[home], %%rsp\n\t"
				 "mov $15, %%eax\n\t"
				 "syscall"
				 :
				 : [home] "r"(slot->home)
				 : "memory");
		__builtin_unreachable();
	}
	for (i = 0; keep && i < slot->keeps; i++)
		if (keep[i] >= 0)
			call(SYS_close, (u64)keep[i], 0, 0, 0, 0, 0);

	if (visitor)
		while (!__atomic_load_n(&visitor->left, __ATOMIC_ACQUIRE))
			call(SYS_futex, (u64)&visitor->left, FUTEX_WAIT, 0, 0, 0, 0);
	__asm__ volatile("jmp *%[home]"
			 :
			 : [home] "r"(slot->home), "D"(slot->area), "S"(slot->area_bytes)
			 : "memory");
	__builtin_unreachable();
}

void agent_main(struct slot *slot)
{
	for (;;) {
		u32 word = __atomic_load_n(&slot->word, __ATOMIC_ACQUIRE);
		u32 command = __atomic_load_n(&slot->command, __ATOMIC_ACQUIRE);

		if (word & FUTEX_OWNER_DIED)
			go_home(slot);
		if (command != slot->done) {
			run(slot);
			__atomic_store_n(&slot->done, command, __ATOMIC_RELEASE);
			if (slot->careful & CAREFUL_HOME || (slot->careful && orphaned(slot)))
				continue;
			call(SYS_futex, (u64)&slot->done, FUTEX_WAKE, 1, 0, 0, 0);
			continue;
		}
		if (slot->careful & CAREFUL_HOME) {
			__builtin_ia32_pause();
			continue;
		}
		if (!(word & FUTEX_WAITERS)) {
			__atomic_compare_exchange_n(&slot->word, &word, word | FUTEX_WAITERS, 0,
						    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
			continue;
		}
		/* No timeout: it would overwrite the restart block of a sleep that the task was in. */
		call(SYS_futex, (u64)&slot->word, FUTEX_WAIT, word, 0, 0, 0);
	}
}
