// SHA-256, and HKDF with it.
#ifndef PEERLANE_HASH_EXPORTS_H
#define PEERLANE_HASH_EXPORTS_H

#include "export.h"

extern const Export hash_exports[2];

#endif
