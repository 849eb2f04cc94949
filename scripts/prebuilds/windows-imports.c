/* Node-API for an addon on Windows without an import library of node.exe: its functions are looked up, when the
 * addon is loaded, in the program that loads it, whatever that program is called. FUNCTION(name) comes from the
 * generated list. Code compiled against a DLL calls through pointers with the prefix __imp_. */
#include <windows.h>

#define FUNCTION(name) void *__imp_##name;
#include "napi-functions.h"
#undef FUNCTION

/* FALSE makes LoadLibrary fail, which Node reports as an error of require. */
static BOOL resolve(HMODULE host) {
#define FUNCTION(name) \
  if ((__imp_##name = (void *)GetProcAddress(host, #name)) == NULL) return FALSE;
#include "napi-functions.h"
#undef FUNCTION
  return TRUE;
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved) {
  (void)instance, (void)reserved;
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  /* Some hosts have Node in a library of its own. */
  HMODULE library = GetModuleHandleW(L"libnode.dll");
  return resolve(GetModuleHandleW(NULL)) || (library != NULL && resolve(library));
}
