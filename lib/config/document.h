/* Hostile XML into a tree: no DOCTYPE, no entities, no network, bounded. Inside lib/config only.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

#include <libxml/tree.h>

/* xmlFreeDoc it. CS_INVALID "artifact_configuration.xml" with line and column, CS_LIMIT. */
enum cs_rc document_read(struct cs_bytes xml, xmlDocPtr *out, struct cs_err *err) CS_MUST_CHECK;
