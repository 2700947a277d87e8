/* Artifact configurations against the schema of the whole language (artifact.xsd, compiled in):
 * asked when a configuration is saved, so that mistakes are told to whoever makes them.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/buf.h"

/* CS_INVALID "artifact_configuration.schema" with the line and what was expected;
 * "artifact_configuration.xml" when it is not XML, or has a DOCTYPE; CS_LIMIT. Any thread. */
enum cs_rc cs_artifact_validate(struct cs_bytes xml, struct cs_err *err) CS_MUST_CHECK;
/* The schema itself, for editors. Static. */
struct cs_bytes cs_artifact_schema(void);
