// A function that JavaScript sees.
#ifndef PEERLANE_EXPORT_H
#define PEERLANE_EXPORT_H

#include <node_api.h>

struct Export {
  const char *name;
  napi_callback callback;
};

#endif
