/*
 * A program whose functions somebody probes from outside (uprobes): their code has breakpoints. With
 * "hit" a probed function runs before, with "changed" the page of code has another change as well,
 * with "inside" it waits within a function. It prints where in its file the functions are and goes on
 * when "probed" is there.
 */
#include "program.h"
#include <elf.h>
#include <link.h>

#define PAGE 4096ul

#define PROBED __attribute__((noinline, noclone, used, section("probed"), aligned(64)))

PROBED static int twice(int x)
{
	__asm__ volatile("" ::: "memory");
	return x * 2;
}

/* A nop of five bytes is what newer kernels make a call of, when it has been hit. */
PROBED static int next(int x)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x44, 0x00, 0x00" ::: "memory");
	return x + 1;
}

/* As many bytes of code that is never run, for a change of the program's own. */
PROBED static int spare(int x)
{
	__asm__ volatile("nop; nop; nop; nop; nop; nop; nop; nop" ::: "memory");
	return x;
}

PROBED static int waits(int x)
{
	ready();
	wait_until_told();
	return x + 3;
}

static long base;

static int find_base(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	base = (long)info->dlpi_addr;
	return 1;
}

/* Where in the file an address is. */
static long offset_of(void *function)
{
	const ElfW(Phdr) *header = (void *)(base + (long)((ElfW(Ehdr) *)base)->e_phoff);
	long address = (long)function - base;

	for (int i = 0; i < ((ElfW(Ehdr) *)base)->e_phnum; i++)
		if (header[i].p_type == PT_LOAD && address >= (long)header[i].p_vaddr &&
		    address < (long)(header[i].p_vaddr + header[i].p_memsz))
			return address - (long)header[i].p_vaddr + (long)header[i].p_offset;
	NEED(!"a segment");
	return 0;
}

int main(int argc, char **argv)
{
	int (*volatile first)(int) = twice, (*volatile second)(int) = next, (*volatile third)(int) = spare;
	int (*volatile last)(int) = waits;
	unsigned char *code = (unsigned char *)((uintptr_t)spare & ~(PAGE - 1));

	begin(argc, argv);
	dl_iterate_phdr(find_base, NULL);
	say("PROBE %ld %ld %ld", offset_of(twice), offset_of(next) + 0, offset_of(waits));
	while (access("probed", F_OK))
		sleep_ms(1);
	if (!strcmp(variant(argc, argv), "hit")) {
		for (int i = 0; i < 10; i++)
			NEED(first(i) == 2 * i && second(i) == i + 1);
	}
	if (!strcmp(variant(argc, argv), "changed")) {
		NEED(mprotect(code, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
		for (int i = 0; i < 4; i++)	/* nops become others: xchg %ax, %ax */
			((unsigned char *)spare)[4 + i] = i % 2 ? 0x90 : 0x66;
		NEED(mprotect(code, 2 * PAGE, PROT_READ | PROT_EXEC) == 0);
	}
	if (!strcmp(variant(argc, argv), "inside")) {
		CHECK("the function that waited", 5, last(2));
		return verdict();
	}

	ready();
	wait_until_told();

	for (int i = 0; i < 10; i++) {
		CHECK("a probed function", 2 * i, first(i));
		CHECK("a probed nop", i + 1, second(i));
	}
	if (!strcmp(variant(argc, argv), "changed")) {
		CHECK("changed code", 0x66, ((unsigned char *)spare)[4]);
		CHECK("changed code runs", 4, third(4));
	}
	return verdict();
}
