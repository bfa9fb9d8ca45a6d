/* COLLOQUY_API for the sources of api/. The header that is installed stands in colloquy/, beside the others. */
#ifndef COLLOQUY_API_EXPORT_H
#define COLLOQUY_API_EXPORT_H

#include "colloquy/export.h"

#endif
