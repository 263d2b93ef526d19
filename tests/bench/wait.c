/* SPDX-License-Identifier: BSD-3-Clause */
/* wait.c -- ready, steady */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

void wait_for_go(void)
{
	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		exit(1); /* the driver is gone */
}
