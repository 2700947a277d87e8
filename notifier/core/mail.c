/* The words of each mail; see mail.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mail.h"

#include "document.h"
#include "sections.h"

#include "base/clock.h"
#include "base/str.h"
#include "proto/common.pb-c.h"

#include <string.h>

static const char *const names[] = {
    [MAIL_APPROVAL] = "approval", [MAIL_REMINDER] = "reminder", [MAIL_DECIDED] = "decided",
    [MAIL_SIGNED] = "signed",     [MAIL_FAILED] = "failed",     [MAIL_EXPIRED] = "expired",
    [MAIL_CANCELED] = "canceled"};
enum { KINDS = sizeof(names) / sizeof(names[0]) };

const char *mail_kind_name(enum mail_kind kind)
{
    return names[kind];
}

bool mail_kind_parse(const char *name, enum mail_kind *out)
{
    for (int i = 0; i < KINDS; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum mail_kind)i;
            return true;
        }
    }
    return false;
}

void mail_content_done(struct mail_content *c)
{
    cs_buf_done(&c->text);
    cs_buf_done(&c->html);
}

/* What the words are made of: cleaned once, used everywhere. */
struct words {
    const struct mail_order *o;
    const struct mail_story *s;
    const char *file;
    const char *requester;
    const char *policy;
    const char *project;
    const char *actor;
};

static const char *either(const char *a, const char *b)
{
    return a != NULL && a[0] != '\0' ? a : b;
}

static void greet(struct document *d, const struct words *w)
{
    if (w->o->recipient != NULL && w->o->recipient[0] != '\0')
        document_addf(d, BLOCK_PARAGRAPH, "Hello %s,",
                      document_clean(d->arena, w->o->recipient, 100));
}

static const char *code_text(struct cs_arena *a, const char *code)
{
    return cs_arena_printf(a, "%.4s-%.4s", code, code + 4);
}

static void ask(struct document *d, const struct words *w)
{
    document_add(d, BLOCK_SPACE, "", "");
    document_add(d, BLOCK_LINK, "Look at it and decide", w->o->link);
    document_add(d, BLOCK_CODES, code_text(d->arena, w->o->approve),
                 code_text(d->arena, w->o->deny));
    if (w->s->expires_at_ms != 0)
        document_addf(d, BLOCK_NOTICE, "You can decide until %s.",
                      section_moment(d->arena, w->s->expires_at_ms));
    document_add(
        d, BLOCK_SMALL,
        "Open the link, look at what would be signed, and enter the code you mean. Opening "
        "the link decides nothing. The codes are for you alone: do not forward this mail.",
        "");
}

static void approval(struct document *d, const struct words *w)
{
    d->tone = TONE_ASK;
    d->subject = cs_arena_printf(d->arena, "Please decide: sign %s?", w->file);
    d->title = cs_arena_printf(d->arena, "Should %s be signed?", w->file);
    d->preheader = cs_arena_printf(d->arena, "%s asks for a signature for %s under %s.",
                                   w->requester, w->project, w->policy);
    greet(d, w);
    document_addf(
        d, BLOCK_PARAGRAPH,
        "A signature for the project %s is asked for by %s. The policy %s needs %u approval%s; "
        "you are one of the approvers.",
        w->project, w->requester, w->policy, w->s->quorum, w->s->quorum == 1 ? "" : "s");
    if (w->o->again)
        document_add(d, BLOCK_PARAGRAPH,
                     "There were earlier mails about this request: please use this one.", "");
    ask(d, w);
    section_artifact(d, w->s);
    section_contents(d, w->s->manifest);
    section_certificate(d, &w->s->certificate);
    section_origin(d, w->s->origin, w->s->n_origin);
    section_votes(d, w->s->votes, w->s->n_votes);
}

static void reminder(struct document *d, const struct words *w)
{
    d->tone = TONE_ASK;
    d->subject = cs_arena_printf(d->arena, "Reminder: sign %s?", w->file);
    d->title = cs_arena_printf(d->arena, "Still waiting for your decision: %s", w->file);
    d->preheader = cs_arena_printf(d->arena, "Asked for by %s.", w->requester);
    greet(d, w);
    document_addf(d, BLOCK_PARAGRAPH,
                  "You have not answered yet to what was asked by %s for the project %s under the "
                  "policy %s. The codes are the ones of the first mail.",
                  w->requester, w->project, w->policy);
    ask(d, w);
    section_artifact(d, w->s);
    section_certificate(d, &w->s->certificate);
    section_votes(d, w->s->votes, w->s->n_votes);
}

static bool denied(const struct mail_story *s)
{
    for (size_t i = 0; i < s->n_votes; i++) {
        if (s->votes[i].denied)
            return true;
    }
    return false;
}

static void decided(struct document *d, const struct words *w)
{
    const bool no = denied(w->s);
    const char *verb = no ? "denied" : "approved";
    d->tone = no ? TONE_BAD : TONE_GOOD;
    d->subject = cs_arena_printf(d->arena, "%s: %s", no ? "Denied" : "Approved", w->file);
    d->title = cs_arena_printf(d->arena, "The request to sign %s was %s", w->file, verb);
    d->preheader = no ? "Nothing was signed." : "No further decision is needed.";
    greet(d, w);
    document_add(d, BLOCK_PARAGRAPH,
                 no ? "An approver denied the request. It has ended and nothing was signed."
                    : "The request has all the approvals it needs and will be signed now. Links "
                      "and codes of earlier mails no longer work.",
                 "");
    section_votes(d, w->s->votes, w->s->n_votes);
    section_artifact(d, w->s);
}

static void signed_mail(struct document *d, const struct words *w)
{
    d->tone = TONE_GOOD;
    d->subject = cs_arena_printf(d->arena, "Signed: %s", w->file);
    d->title = cs_arena_printf(d->arena, "The artifact %s was signed", w->file);
    d->preheader = cs_arena_printf(d->arena, "Asked for by %s.", w->requester);
    greet(d, w);
    document_addf(d, BLOCK_PARAGRAPH, "The request of %s for the project %s is complete.",
                  w->requester, w->project);
    section_artifact(d, w->s);
    section_certificate(d, &w->s->certificate);
    section_votes(d, w->s->votes, w->s->n_votes);
}

static void failed(struct document *d, const struct words *w)
{
    d->tone = TONE_BAD;
    d->subject = cs_arena_printf(d->arena, "Failed: %s", w->file);
    d->title = cs_arena_printf(d->arena, "Signing %s failed", w->file);
    d->preheader = "Nothing was signed.";
    greet(d, w);
    document_add(d, BLOCK_PARAGRAPH, "The request has ended and nothing was signed.", "");
    section_failure(d, w->s->failure);
    section_artifact(d, w->s);
}

static void expired(struct document *d, const struct words *w)
{
    d->tone = TONE_QUIET;
    d->subject = cs_arena_printf(d->arena, "Expired: %s", w->file);
    d->title = cs_arena_printf(d->arena, "The request to sign %s has expired", w->file);
    d->preheader = "Nothing was signed.";
    greet(d, w);
    document_add(d, BLOCK_PARAGRAPH,
                 "Its time ran out, so it has ended and nothing was signed. If the signature is "
                 "still needed, please submit the request again.",
                 "");
    section_failure(d, w->s->failure);
    section_votes(d, w->s->votes, w->s->n_votes);
    section_artifact(d, w->s);
}

static void canceled(struct document *d, const struct words *w)
{
    d->tone = TONE_QUIET;
    d->subject = cs_arena_printf(d->arena, "Canceled: %s", w->file);
    d->title = cs_arena_printf(d->arena, "The request to sign %s was canceled", w->file);
    d->preheader = "Nothing was signed.";
    greet(d, w);
    if (w->actor[0] != '\0')
        document_addf(
            d, BLOCK_PARAGRAPH,
            "It was canceled by %s. Nothing was signed, and nobody needs to decide any more.",
            w->actor);
    else
        document_add(d, BLOCK_PARAGRAPH, "Nothing was signed, and nobody needs to decide any more.",
                     "");
    section_failure(d, w->s->failure);
    section_artifact(d, w->s);
}

typedef void composer(struct document *d, const struct words *w);
static composer *const composers[] = {
    [MAIL_APPROVAL] = approval,  [MAIL_REMINDER] = reminder, [MAIL_DECIDED] = decided,
    [MAIL_SIGNED] = signed_mail, [MAIL_FAILED] = failed,     [MAIL_EXPIRED] = expired,
    [MAIL_CANCELED] = canceled};

static enum cs_rc check(const struct mail_order *o, struct cs_err *err)
{
    if (o->kind != MAIL_APPROVAL && o->kind != MAIL_REMINDER)
        return CS_OK;
    if (o->link == NULL || o->approve == NULL || o->deny == NULL || strlen(o->approve) != 8 ||
        strlen(o->deny) != 8)
        return cs_err_set(err, CS_INVALID, "a mail that asks needs a link and two codes");
    return CS_OK;
}

enum cs_rc mail_compose(const struct mail_order *o, const struct mail_story *s, struct cs_arena *a,
                        struct mail_content *out, struct cs_err *err)
{
    CS_TRY(check(o, err));
    struct document *d = cs_arena_alloc(a, sizeof(*d));
    if (d == NULL)
        return cs_err_set(err, CS_NOMEM, "mail");
    d->arena = a;
    d->request_id = document_clean(a, s->request_id, 64);
    const struct words w = {.o = o,
                            .s = s,
                            .file = document_clean(a, either(s->file_name, "a hash"), 120),
                            .requester = document_clean(a, either(s->requester, "Somebody"), 100),
                            .policy = document_clean(a, either(s->policy, "of the project"), 100),
                            .project = document_clean(a, either(s->project, "(unknown)"), 100),
                            .actor = document_clean(a, s->actor, 100)};
    if (d->request_id == NULL || w.file == NULL || w.requester == NULL || w.policy == NULL ||
        w.project == NULL || w.actor == NULL)
        return cs_err_set(err, CS_NOMEM, "mail");
    composers[o->kind](d, &w);
    if (d->subject == NULL || d->title == NULL || d->preheader == NULL)
        return cs_err_set(err, CS_NOMEM, "mail");
    out->subject = d->subject;
    out->text = CS_BUF_INIT(MAIL_PART_MAX);
    out->html = CS_BUF_INIT(MAIL_PART_MAX);
    CS_TRY(document_text(d, &out->text, err));
    return document_html(d, &out->html, err);
}
