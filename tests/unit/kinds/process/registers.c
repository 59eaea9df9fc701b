/* Fills the registers with known values, says so on stdout and spins: for test_registers.py.
 * Argument: the widest vectors to use, 128, 256 or 512. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

static uint64_t pattern[32][8] __attribute__((aligned(64)));

__attribute__((target("avx512f,avx512bw"), noinline)) static void fill_512(void)
{
#define Z(n) asm volatile("vmovdqa64 %0, %%zmm" #n : : "m"(pattern[n]) : "xmm" #n)
	Z(0); Z(1); Z(2); Z(3); Z(4); Z(5); Z(6); Z(7); Z(8); Z(9); Z(10); Z(11); Z(12); Z(13);
	Z(14); Z(15); Z(16); Z(17); Z(18); Z(19); Z(20); Z(21); Z(22); Z(23); Z(24); Z(25); Z(26);
	Z(27); Z(28); Z(29); Z(30); Z(31);
#define K(n) asm volatile("kmovq %0, %%k" #n : : "r"(0x0123456789abcdefULL * (n + 1)) : "k" #n)
	K(0); K(1); K(2); K(3); K(4); K(5); K(6); K(7);
}

__attribute__((target("avx"), noinline)) static void fill_256(void)
{
#define Y(n) asm volatile("vmovdqa %0, %%ymm" #n : : "m"(pattern[n]) : "xmm" #n)
	Y(0); Y(1); Y(2); Y(3); Y(4); Y(5); Y(6); Y(7); Y(8); Y(9); Y(10); Y(11); Y(12); Y(13);
	Y(14); Y(15);
}

__attribute__((noinline)) static void fill_128(void)
{
#define X(n) asm volatile("movdqa %0, %%xmm" #n : : "m"(pattern[n]) : "xmm" #n)
	X(0); X(1); X(2); X(3); X(4); X(5); X(6); X(7); X(8); X(9); X(10); X(11); X(12); X(13);
	X(14); X(15);
}

int main(int argc, char **argv)
{
	int width = argc > 1 ? atoi(argv[1]) : 128;
	uint32_t mxcsr = 0x5f80;	/* round down */

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 32; i++)
		for (int j = 0; j < 8; j++)
			pattern[i][j] = 0x1111111111111111ULL * (i % 15 + 1) ^ (uint64_t)j << 32;
	write(1, "r", 1);
	asm volatile("fldpi\n\tfldl2e\n\tfldz" ::: "st");
	asm volatile("ldmxcsr %0" : : "m"(mxcsr));
	if (width == 512)
		fill_512();
	else if (width == 256)
		fill_256();
	else
		fill_128();
	asm volatile("movq $0x5a5a, %%r15\n\tmovq %%rsp, %%r14\n0:\tpause\n\tjmp 0b" : : : "r15", "r14");
	return 0;
}
