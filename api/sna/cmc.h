/* sna/cmc.h: the CPI-C header where Unix products installed it. */
#ifndef COLLOQUY_SNA_CMC_H
#define COLLOQUY_SNA_CMC_H

#include "../cmc.h"

#endif
