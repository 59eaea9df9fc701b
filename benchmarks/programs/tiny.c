/* The least that a C program is. */
#include "bench.h"

int main(void)
{
	ready();
	for (;;)
		pause();
}
