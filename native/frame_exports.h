// The exports that work on frames.
#ifndef PEERLANE_FRAME_EXPORTS_H
#define PEERLANE_FRAME_EXPORTS_H

#include <node_api.h>

struct Export {
  const char *name;
  napi_callback callback;
};

extern const Export frame_exports[6];

#endif
