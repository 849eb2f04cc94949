// AES-128 of whole messages, and packets of discovery v5.
#ifndef PEERLANE_AES_EXPORTS_H
#define PEERLANE_AES_EXPORTS_H

#include "export.h"

extern const Export aes_exports[5];

#endif
