// Exports that programs linked for Networking Services/2 name in their import tables. They were never documented and
// no program calls them. In a file of their own, so that a program with functions of these names links with the static
// library.
#include "api/wincpic.h"

extern "C" {

CM_ENTRY allocate_memory(void) {}
CM_ENTRY free_cpic_memory(void) {}
CM_ENTRY icmssi(void) {}

}  // extern "C"
