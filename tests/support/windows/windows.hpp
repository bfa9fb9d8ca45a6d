// windows: windows.h without what 16-bit programs said of their pointers, which tests say of conversations.
#pragma once

#include <windows.h>

#undef near
#undef far
