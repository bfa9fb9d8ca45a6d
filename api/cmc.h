/* cmc.h: the other traditional name of the CPI-C header. */
#ifndef COLLOQUY_CMC_H
#define COLLOQUY_CMC_H

#include "cpic.h"

#endif
