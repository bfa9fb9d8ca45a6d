/* Every public header, as any C program may include them. Only compiled. */
#include <cmc.h>
#include <colloquy/colloquy.h>
#include <colloquy/event.h>
#include <colloquy/window.h>
#include <cpic.h>
#include <sna/cmc.h>
#include <wincpic.h>

unsigned colloquy_all_headers(void);
unsigned colloquy_all_headers(void)
{
    return (unsigned)(sizeof(clq_options) + sizeof(clq_plan_line) + sizeof(clq_int64) + sizeof(WCPICDATA));
}
