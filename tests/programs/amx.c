/* The AMX tiles of a thread (XSAVE components 17 and 18), for which a process has to ask first. */
#include "program.h"
#include <cpuid.h>

#define ARCH_REQ_XCOMP_PERM 0x1023	/* asm/prctl.h */
#define XFEATURE_XTILEDATA 18		/* arch/x86/include/asm/fpu/types.h */

int main(int argc, char **argv)
{
	static unsigned char config[64] __attribute__((aligned(64)));
	static unsigned char tile[1024], got[1024], got_config[64] __attribute__((aligned(64)));
	unsigned a, b, c, d;
	long stride = 64, access_result = -1;
	struct timespec pause_time = { 0, 2000000 };

	begin(argc, argv);
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 24 & 1))
		skip("this CPU has no AMX tiles");
	NEED(syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0);
	fill_pattern(tile, sizeof(tile), 5);
	config[0] = 1;		/* palette 1: tile 3 has 16 rows of 64 bytes */
	config[16 + 2 * 3] = 64;
	config[48 + 3] = 16;
	ready();
	/* Raw system calls in between: a library might use the tiles. */
	__asm__ volatile("ldtilecfg (%0)\n tileloadd (%1, %2, 1), %%tmm3" : : "r"(config), "r"(tile), "r"(stride) : "memory");
	while (access_result) {
		__asm__ volatile("syscall" : "=a"(access_result)
				 : "a"(SYS_nanosleep), "D"(&pause_time), "S"(0) : "rcx", "r11", "memory");
		__asm__ volatile("syscall" : "=a"(access_result)
				 : "a"(SYS_access), "D"(go_path), "S"(F_OK) : "rcx", "r11", "memory");
	}
	__asm__ volatile("sttilecfg (%0)\n tilestored %%tmm3, (%1, %2, 1)\n tilerelease"
			 : : "r"(got_config), "r"(got), "r"(stride) : "memory");
	check_bytes("tile configuration", config, got_config, sizeof(config));
	check_bytes("tile", tile, got, sizeof(tile));
	return verdict();
}
