#ifndef SLUICE_SHIM_CLibUV
#define SLUICE_SHIM_CLibUV
#include <uv.h>
#endif
