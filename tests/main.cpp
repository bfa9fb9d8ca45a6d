// The main function of every doctest binary: doctest's own, compiled once.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

// doctest's own thread-local objects, in tests that link no transport.
#if defined(__MINGW32__)
#include "transport/windows/thread_storage.hpp"
#endif
