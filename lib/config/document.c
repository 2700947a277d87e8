/* Reads hostile XML with libxml2; see document.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/document.h"

#include "base/str.h"
#include "config/artifact.h"

#include <libxml/parser.h>
#include <string.h>

static void stop_at_doctype(void *ctx, const xmlChar *name, const xmlChar *external,
                            const xmlChar *system)
{
    (void)name;
    (void)external;
    (void)system;
    ((xmlParserCtxtPtr)ctx)->_private = ctx; /* read_document sees that we were here */
    xmlStopParser(ctx);
}

static void quiet(void *ctx, const char *msg, ...)
{
    (void)ctx;
    (void)msg;
}

enum cs_rc document_read(struct cs_bytes xml, xmlDocPtr *out, struct cs_err *err)
{
    if (xml.len > CS_ARTIFACT_MAX_XML)
        return cs_err_code(err, CS_LIMIT, "artifact_configuration.too_large",
                           "the artifact configuration has %zu bytes, at most %d are accepted",
                           xml.len, CS_ARTIFACT_MAX_XML);
    xmlParserCtxtPtr ctx = xmlNewParserCtxt();
    if (ctx == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    ctx->sax->internalSubset = stop_at_doctype;
    xmlSetGenericErrorFunc(NULL, quiet);
    xmlDocPtr doc = xmlCtxtReadMemory(ctx, (const char *)xml.ptr, (int)xml.len, NULL, NULL,
                                      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    enum cs_rc rc = CS_OK;
    if (ctx->_private != NULL) {
        rc = cs_err_code(err, CS_INVALID, "artifact_configuration.xml",
                         "line 1: a DOCTYPE is refused: leave it out, entities are not expanded");
        xmlFreeDoc(doc);
        doc = NULL;
    } else if (doc == NULL || ctx->wellFormed == 0) {
        const xmlError *e = xmlCtxtGetLastError(ctx);
        char why[160];
        cs_ignore(cs_strf(why, sizeof(why), NULL, "%.*s",
                          e == NULL ? 0 : (int)strcspn(e->message, "\n"),
                          e == NULL ? "" : e->message),
                  "a long reason is cut");
        rc = cs_err_code(err, CS_INVALID, "artifact_configuration.xml", "line %d, column %d: %s",
                         e == NULL ? 1 : e->line, e == NULL ? 1 : e->int2,
                         why[0] == '\0' ? "not XML" : why);
        xmlFreeDoc(doc);
        doc = NULL;
    }
    xmlFreeParserCtxt(ctx);
    if (rc == CS_OK)
        *out = doc;
    return rc;
}
