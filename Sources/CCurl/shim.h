#ifndef SLUICE_SHIM_CCurl
#define SLUICE_SHIM_CCurl
#include <curl/curl.h>
#endif
