// The exports that work on envelopes.
#ifndef PEERLANE_ENVELOPE_EXPORTS_H
#define PEERLANE_ENVELOPE_EXPORTS_H

#include "export.h"

extern const Export envelope_exports[2];

#endif
