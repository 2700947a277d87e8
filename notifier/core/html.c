/* The HTML rendering of a document: tables and inline styles, because that is what mail programs
 * understand, and a style sheet for those that know dark mode.
 * SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "base/guard.h"

#include <string.h>

#define FONT                                                                                       \
    "font-family:-apple-system,'Segoe UI',Roboto,'Noto Sans','Helvetica Neue',Arial,sans-serif;"
#define MONO "font-family:ui-monospace,'SF Mono','Cascadia Mono',Menlo,Consolas,monospace;"
#define INK "color:#1a1f29;"
#define SOFT "color:#545d6d;"

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static enum cs_rc put(struct cs_buf *out, const char *text, struct cs_err *err)
{
    for (; *text != '\0'; text++) {
        const char *e = CS_GUARD("mail-html-escape") ? entity(*text) : NULL;
        CS_TRY(e != NULL ? cs_buf_add_str(out, e, err) : cs_buf_add(out, text, 1, err));
    }
    return CS_OK;
}

/* Markup, foreign text, markup: the text is escaped here and nowhere else. */
static enum cs_rc around(struct cs_buf *out, const char *before, const char *text,
                         const char *after, struct cs_err *err)
{
    CS_TRY(cs_buf_add_str(out, before, err));
    CS_TRY(put(out, text, err));
    return cs_buf_add_str(out, after, err);
}

#define ROW "<tr><td colspan=\"2\" class=\"ink\" style=\"" FONT INK

static enum cs_rc fact(struct cs_buf *out, const struct block *b, struct cs_err *err)
{
    const char *value =
        b->kind == BLOCK_DIGEST
            ? "<td class=\"ink\" valign=\"top\" style=\"" MONO INK
              "font-size:12px;line-height:20px;padding:2px 0;word-break:break-all\">"
            : "<td class=\"ink\" valign=\"top\" style=\"" FONT INK
              "font-size:15px;line-height:22px;padding:2px 0;word-break:break-word\">";
    CS_TRY(around(out,
                  "<tr><td class=\"soft\" valign=\"top\" width=\"130\" style=\"" FONT SOFT
                  "font-size:13px;line-height:22px;padding:2px 16px 2px 0;word-break:break-word\">",
                  b->a, "</td>", err));
    return around(out, value, b->b, "</td></tr>\n", err);
}

static enum cs_rc code_cell(struct cs_buf *out, const char *words, const char *code,
                            const char *style, struct cs_err *err)
{
    CS_TRY(around(out, "<td align=\"center\" style=\"padding:14px 8px;border-radius:10px;", style,
                  "\">", err));
    CS_TRY(around(out, "<div style=\"" FONT "font-size:13px;line-height:18px\">", words, "</div>",
                  err));
    return around(out,
                  "<div style=\"" MONO
                  "font-size:22px;line-height:30px;font-weight:700;letter-spacing:2px;"
                  "white-space:nowrap\">",
                  code, "</div></td>", err);
}

static enum cs_rc codes(struct cs_buf *out, const struct block *b, struct cs_err *err)
{
    CS_TRY(cs_buf_add_str(out,
                          "<tr><td colspan=\"2\" style=\"padding:8px 0 4px\">"
                          "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" "
                          "cellspacing=\"0\" border=\"0\"><tr>",
                          err));
    CS_TRY(code_cell(out, "Code to approve", b->a,
                     "width:48%;background:#e5f4ec;color:#14694a;border:1px solid #14694a", err));
    CS_TRY(cs_buf_add_str(out, "<td style=\"width:4%\">&nbsp;</td>", err));
    CS_TRY(code_cell(out, "Code to deny", b->b,
                     "width:48%;background:#fcebe9;color:#a8261d;border:1px solid #a8261d", err));
    return cs_buf_add_str(out, "</tr></table></td></tr>\n", err);
}

static enum cs_rc button(struct cs_buf *out, const struct block *b, struct cs_err *err)
{
    CS_TRY(around(out, "<tr><td colspan=\"2\" style=\"padding:16px 0 8px\"><a href=\"", b->b,
                  "\" style=\"display:inline-block;" FONT
                  "font-size:16px;font-weight:600;line-height:22px;padding:12px 24px;"
                  "background:#2456c8;color:#ffffff;text-decoration:none;border-radius:8px\">",
                  err));
    return around(out, "", b->a, "</a></td></tr>\n", err);
}

static enum cs_rc html_block(const struct block *b, struct cs_buf *out, struct cs_err *err)
{
    switch (b->kind) {
    case BLOCK_PARAGRAPH:
        return around(out, ROW "font-size:15px;line-height:23px;padding:6px 0\">", b->a,
                      "</td></tr>\n", err);
    case BLOCK_NOTICE:
        return around(out, ROW "font-size:15px;line-height:23px;padding:6px 0;font-weight:600\">",
                      b->a, "</td></tr>\n", err);
    case BLOCK_SMALL:
        return around(out,
                      "<tr><td colspan=\"2\" class=\"soft\" style=\"" FONT SOFT
                      "font-size:13px;line-height:19px;padding:6px 0\">",
                      b->a, "</td></tr>\n", err);
    case BLOCK_HEADING:
        return around(
            out,
            "<tr><td colspan=\"2\" class=\"line\" style=\"border-bottom:1px solid "
            "#d9dde4;padding:16px 0 0;font-size:0;line-height:0\">&nbsp;</td></tr>" ROW
            "padding:16px 0 6px\"><h2 style=\"margin:0;font-size:17px;line-height:24px\">",
            b->a, "</h2></td></tr>\n", err);
    case BLOCK_ITEM:
        return around(out,
                      ROW "font-size:15px;line-height:22px;padding:10px 0 2px;font-weight:600;"
                          "word-break:break-word\">",
                      b->a, "</td></tr>\n", err);
    case BLOCK_SPACE:
        return CS_OK;
    case BLOCK_FACT:
    case BLOCK_DIGEST:
        return fact(out, b, err);
    case BLOCK_LINK:
        return button(out, b, err);
    case BLOCK_CODES:
        return codes(out, b, err);
    case BLOCK_QUOTE:
        return around(out,
                      ROW "font-size:15px;line-height:23px;padding:4px 0 4px 12px;"
                          "border-left:3px solid #d9dde4\">",
                      b->a, "</td></tr>\n", err);
    }
    return cs_err_set(err, CS_FATAL, "block of kind %d", (int)b->kind);
}

static const char *bar(enum tone tone)
{
    static const char *const colours[] = {[TONE_ASK] = "#2456c8",
                                          [TONE_GOOD] = "#14694a",
                                          [TONE_BAD] = "#a8261d",
                                          [TONE_QUIET] = "#7b8494"};
    return colours[tone];
}

static enum cs_rc head(const struct document *d, struct cs_buf *out, struct cs_err *err)
{
    CS_TRY(around(out,
                  "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                  "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                  "<meta name=\"color-scheme\" content=\"light dark\">"
                  "<meta name=\"supported-color-schemes\" content=\"light dark\">"
                  "<meta name=\"format-detection\" content=\"telephone=no,date=no,address=no\">"
                  "<title>",
                  d->subject, "</title>\n", err));
    CS_TRY(
        cs_buf_add_str(out,
                       "<style>:root{color-scheme:light dark;supported-color-schemes:light dark}"
                       "@media (prefers-color-scheme:dark){.page{background:#12151b!important}"
                       ".card{background:#1b2029!important;border-left-color:#343c4a!important;"
                       "border-right-color:#343c4a!important;border-bottom-color:#343c4a!important}"
                       ".ink{color:#e9ecf2!important}.soft{color:#aab3c2!important}"
                       ".line{border-color:#343c4a!important}}</style></head>\n",
                       err));
    CS_TRY(around(out,
                  "<body class=\"page\" style=\"margin:0;padding:0;background:#f5f6f8\">"
                  "<div style=\"display:none;max-height:0;overflow:hidden\">",
                  d->preheader, "</div>\n", err));
    return around(out,
                  "<table role=\"presentation\" class=\"page\" width=\"100%\" cellpadding=\"0\" "
                  "cellspacing=\"0\" border=\"0\" style=\"background:#f5f6f8\"><tr>"
                  "<td align=\"center\" style=\"padding:24px 12px\">"
                  "<table role=\"presentation\" class=\"card\" width=\"100%\" cellpadding=\"0\" "
                  "cellspacing=\"0\" border=\"0\" style=\"max-width:600px;background:#ffffff;"
                  "border:1px solid #d9dde4;border-top:4px solid ",
                  bar(d->tone),
                  ";border-radius:12px\"><tr><td style=\"padding:24px\">"
                  "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" "
                  "border=\"0\">\n",
                  err);
}

enum cs_rc document_html(const struct document *d, struct cs_buf *out, struct cs_err *err)
{
    if (d->overflow)
        return cs_err_set(err, CS_LIMIT, "the mail's content does not fit");
    CS_TRY(head(d, out, err));
    CS_TRY(around(out,
                  ROW "padding:0 0 8px\"><h1 style=\"margin:0;font-size:22px;line-height:30px;"
                      "word-break:break-word\">",
                  d->title, "</h1></td></tr>\n", err));
    for (size_t i = 0; i < d->n; i++)
        CS_TRY(html_block(&d->blocks[i], out, err));
    CS_TRY(around(out,
                  "<tr><td colspan=\"2\" class=\"soft\" style=\"" FONT SOFT
                  "font-size:12px;line-height:18px;padding:16px 0 0\">Request: ",
                  d->request_id, " · sent by Countersign</td></tr>\n", err));
    return cs_buf_add_str(out, "</table></td></tr></table></td></tr></table></body></html>\n", err);
}
