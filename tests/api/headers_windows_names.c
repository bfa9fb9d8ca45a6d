/*
 * The names of Windows and the headers behind them in C89, beside the CPI-C headers, with every warning an error. The
 * compiler is the test; no function here runs.
 */
#include "colloquy/windows_names.h"
#include "wincpic.h"

typedef char dword_has_4_bytes[sizeof(DWORD) == 4 ? 1 : -1];
typedef char word_has_2_bytes[sizeof(WORD) == 2 ? 1 : -1];
typedef char lparam_holds_a_pointer[sizeof(LPARAM) == sizeof(void *) && (LPARAM)-1 < 0 ? 1 : -1];
typedef char wparam_holds_a_pointer[sizeof(WPARAM) == sizeof(void *) && (WPARAM)-1 > 0 ? 1 : -1];
#if CLQ_WAIT_TIMEOUT != 258 || MAXIMUM_WAIT_OBJECTS != 64 || WAIT_OBJECT_0 != 0
#error "programs compute with these"
#endif

static LRESULT CALLBACK procedure(HWND window, UINT message, WPARAM wParam, LPARAM lParam) {
    switch (message) {
    case WM_CREATE:
        if (((LPCREATESTRUCT)lParam)->lpCreateParams == NULL)
            return -1;
        return SetWindowLongPtr(window, GWLP_USERDATA, lParam) == 0 ? 0 : -1;
    case WM_PAINT:
    case WM_TIMER:
    case WM_COMMAND:
        return LOWORD(wParam) + HIWORD(lParam);
    case WM_CLOSE:
        DestroyWindow(window);
        return 0;
    case WM_DESTROY:
        PostQuitMessage(0);
        return 0;
    }
    return DefWindowProc(window, message, wParam, lParam);
}

int colloquy_windows_names_calls(HINSTANCE instance, int show);
int colloquy_windows_names_calls(HINSTANCE instance, int show)
{
    WNDCLASS wc;
    MSG msg;
    HWND window;
    HANDLE events[2];
    DWORD which;
    LPVOID parameter = NULL;

    wc.style = CS_HREDRAW | CS_VREDRAW;
    wc.lpfnWndProc = procedure;
    wc.cbClsExtra = 0;
    wc.cbWndExtra = 0;
    wc.hInstance = instance;
    wc.hIcon = LoadIcon(NULL, IDI_APPLICATION);
    wc.hCursor = LoadCursor(NULL, IDC_ARROW);
    wc.hbrBackground = (HBRUSH)GetStockObject(WHITE_BRUSH);
    wc.lpszMenuName = NULL;
    wc.lpszClassName = "Names";
    if (!RegisterClass(&wc))
        return FALSE;
    window = CreateWindow("Names", "Title", WS_OVERLAPPEDWINDOW, CW_USEDEFAULT, CW_USEDEFAULT, CW_USEDEFAULT,
                          CW_USEDEFAULT, NULL, NULL, instance, parameter);
    ShowWindow(window, show);
    UpdateWindow(window);
    if (!IsWindow(window) || !PostMessage(window, RegisterWindowMessage("WinAsyncCPIC"), CM_OK, (LPARAM)&msg))
        return FALSE;
    events[0] = CreateEvent(NULL, TRUE, FALSE, NULL);
    events[1] = CreateEvent(NULL, FALSE, TRUE, NULL);
    which = WaitForMultipleObjects(2, events, FALSE, INFINITE);
    if (which == WAIT_TIMEOUT || which == WAIT_FAILED || WaitForSingleObject(events[which - WAIT_OBJECT_0], 0) != 0)
        return FALSE;
    if (!SetEvent(events[0]) || !ResetEvent(events[0]) || !CloseHandle(events[0]))
        return FALSE;
    while (PeekMessage(&msg, NULL, 0, 0, PM_REMOVE | PM_NOYIELD)) {
        TranslateMessage(&msg);
        DispatchMessage(&msg);
    }
    while (GetMessage(&msg, NULL, 0, 0)) {
        TranslateMessage(&msg);
        DispatchMessage(&msg);
    }
    return UnregisterClass("Names", instance) ? (int)msg.wParam : -1;
}
