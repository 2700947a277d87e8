/* Validates with libxml2's XML Schema; see schema.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include "artifact_xsd.h"
#include "config/document.h"

#include <libxml/xmlschemas.h>
#include <stdio.h>
#include <string.h>

struct cs_bytes cs_artifact_schema(void)
{
    return cs_bytes(artifact_xsd, artifact_xsd_len);
}

/* The first mistake; the others follow from it more often than not. */
struct mistake {
    int line;
    char text[300];
};

static void remember(void *ctx, xmlErrorPtr e)
{
    struct mistake *m = ctx;
    static const char ns[] = "{http://signpath.io/artifact-configuration/v1}";
    size_t n = 0;
    if (m->line != 0 || e->message == NULL)
        return;
    m->line = e->line > 0 ? e->line : 1;
    for (const char *p = e->message; *p != '\0' && *p != '\n' && n + 1 < sizeof(m->text);) {
        if (strncmp(p, ns, sizeof(ns) - 1) == 0) /* everything is in it: it only hides the name */
            p += sizeof(ns) - 1;
        else
            m->text[n++] = *p++;
    }
    m->text[n] = '\0';
}

static enum cs_rc judge(xmlSchemaPtr schema, xmlDocPtr doc, struct cs_err *err)
{
    struct mistake m = {.line = 0};
    xmlSchemaValidCtxtPtr v = schema == NULL ? NULL : xmlSchemaNewValidCtxt(schema);
    if (v == NULL)
        return cs_err_set(err, CS_FATAL, "the schema of artifact configurations does not compile");
    xmlSchemaSetValidStructuredErrors(v, remember, &m);
    const int rc = xmlSchemaValidateDoc(v, doc);
    xmlSchemaFreeValidCtxt(v);
    if (rc == 0)
        return CS_OK;
    return cs_err_code(err, CS_INVALID, "artifact_configuration.schema", "line %d: %s", m.line,
                       m.text);
}

enum cs_rc cs_artifact_validate(struct cs_bytes xml, struct cs_err *err)
{
    xmlDocPtr doc = NULL;
    CS_TRY(document_read(xml, &doc, err));
    xmlSchemaParserCtxtPtr p =
        xmlSchemaNewMemParserCtxt((const char *)artifact_xsd, (int)artifact_xsd_len);
    xmlSchemaPtr schema = p == NULL ? NULL : xmlSchemaParse(p);
    const enum cs_rc rc = judge(schema, doc, err);
    xmlSchemaFree(schema);
    xmlSchemaFreeParserCtxt(p);
    xmlFreeDoc(doc);
    return rc;
}
