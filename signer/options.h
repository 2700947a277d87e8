/* The worker's option tables. SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "service/options.h"

extern const struct cs_option *const signer_options[];
