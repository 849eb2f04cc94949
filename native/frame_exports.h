// The exports that work on frames.
#ifndef PEERLANE_FRAME_EXPORTS_H
#define PEERLANE_FRAME_EXPORTS_H

#include "export.h"

extern const Export frame_exports[6];

#endif
