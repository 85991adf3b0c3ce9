#ifndef SLUICE_SHIM_CMicroHTTPD
#define SLUICE_SHIM_CMicroHTTPD
#include <microhttpd.h>
#endif
