/* Shared sections of mails; see sections.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "sections.h"

#include "base/clock.h"
#include "base/hex.h"
#include "proto/common.pb-c.h"
#include "proto/evidence.pb-c.h"

#include <inttypes.h>
#include <string.h>

enum { ORIGIN_MAX = 20, VOTES_MAX = 50, SIGNERS_MAX = 5, VERSION_MAX = 12 };

const char *section_moment(struct cs_arena *a, int64_t ms)
{
    char text[CS_TIME_TEXT];
    cs_time_format(ms, text);
    return cs_arena_printf(a, "%.10s %.5s UTC", text, text + 11);
}

static const char *size_text(struct cs_arena *a, uint64_t n)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (n < 1024)
        return cs_arena_printf(a, "%" PRIu64 " bytes", n);
    double v = (double)n / 1024;
    size_t u = 0;
    while (v >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
        v /= 1024;
        u++;
    }
    return cs_arena_printf(a, "%.1f %s (%" PRIu64 " bytes)", v, units[u], n);
}

static void digest(struct document *d, const char *label, const uint8_t *bytes, size_t n)
{
    char hex[2 * 64 + 1];
    if (bytes == NULL || n == 0 || n > 64)
        return;
    cs_hex_encode(bytes, n, hex);
    document_add(d, BLOCK_DIGEST, label, cs_arena_strdup(d->arena, hex));
}

static void moment(struct document *d, const char *label, int64_t ms)
{
    if (ms != 0)
        document_add(d, BLOCK_FACT, label, section_moment(d->arena, ms));
}

void section_artifact(struct document *d, const struct mail_story *s)
{
    document_add(d, BLOCK_HEADING, "The request", "");
    document_fact(d, "Artifact", s->file_name);
    if (s->size != 0)
        document_add(d, BLOCK_FACT, "Size", size_text(d->arena, s->size));
    digest(d, "SHA-256", s->sha256, 32);
    document_fact(d, "Requested by", s->requester);
    moment(d, "Submitted", s->submitted_at_ms);
    document_fact(d, "Organisation", s->organization);
    document_fact(d, "Project", s->project);
    document_fact(d, "Policy", s->policy);
    document_fact(d, "Description", s->description);
}

static void signers(struct document *d, const Cs__Evidence__ManifestItem *item)
{
    if (item->n_signers == 0)
        document_add(d, BLOCK_FACT, "Signed already", "no");
    for (size_t i = 0; i < item->n_signers && i < SIGNERS_MAX; i++) {
        const Cs__Evidence__ExistingSigner *s = item->signers[i];
        document_add(d, BLOCK_FACT, "Signed already",
                     cs_arena_printf(
                         d->arena, "%s, issued by %s, %s%s%s",
                         document_clean(d->arena, s->subject, 200),
                         document_clean(d->arena, s->issuer, 200), s->valid ? "valid" : "NOT valid",
                         s->timestamp_ms != 0 ? ", timestamp " : ", no timestamp",
                         s->timestamp_ms != 0 ? section_moment(d->arena, s->timestamp_ms) : ""));
        document_fact(d, "Note", s->detail);
    }
    if (item->n_signers > SIGNERS_MAX)
        document_add(d, BLOCK_FACT, "Signed already",
                     cs_arena_printf(d->arena, "and by %zu more", item->n_signers - SIGNERS_MAX));
}

static void plan(struct document *d, const Cs__Evidence__ManifestItem *item)
{
    const Cs__Evidence__SigningOptions *o = item->signing;
    if (o == NULL) {
        document_add(d, BLOCK_FACT, "Will be signed", "no, only looked at");
        return;
    }
    const char *existing = item->n_signers == 0 ? ""
                           : o->append          ? ", existing signatures are kept"
                                                : ", existing signatures are replaced";
    document_add(d, BLOCK_FACT, "Will be signed",
                 cs_arena_printf(d->arena, "with %s (%s, %s%s)",
                                 document_clean(d->arena, o->certificate_name, 100),
                                 document_clean(d->arena, o->directive, 60),
                                 document_clean(d->arena, o->hash_algorithm, 20), existing));
    document_fact(d, "Shown to users as", o->description);
    document_fact(d, "With the address", o->description_url);
}

static void item_block(struct document *d, const Cs__Evidence__ManifestItem *item)
{
    document_add(d, BLOCK_ITEM, document_clean(d->arena, item->path, 300), "");
    for (size_t i = 0; i < item->n_version && i < VERSION_MAX; i++)
        document_fact(d, document_clean(d->arena, item->version[i]->key, 40),
                      item->version[i]->value);
    document_fact(d, "Machine", item->machine);
    document_add(d, BLOCK_FACT, "Size", size_text(d->arena, item->size));
    digest(d, "SHA-256", item->sha256.data, item->sha256.len);
    signers(d, item);
    plan(d, item);
}

void section_contents(struct document *d, const struct Cs__Evidence__Manifest *m)
{
    if (m == NULL || m->n_items == 0)
        return;
    document_add(d, BLOCK_HEADING, "What will be signed", "");
    for (size_t i = 0; i < m->n_items && i < MAIL_ITEMS_MAX; i++)
        item_block(d, m->items[i]);
    if (m->n_items > MAIL_ITEMS_MAX)
        document_addf(d, BLOCK_NOTICE,
                      "%zu more items are not listed here; the page shows all of them.",
                      m->n_items - MAIL_ITEMS_MAX);
}

void section_certificate(struct document *d, const struct mail_certificate *c)
{
    if (c->name == NULL && c->subject == NULL)
        return;
    document_add(d, BLOCK_HEADING, "Signing certificate", "");
    document_fact(d, "Name", c->name);
    document_fact(d, "Subject", c->subject);
    document_fact(d, "Issued by", c->issuer);
    document_fact(d, "Key", c->key_type);
    moment(d, "Valid until", c->not_after_ms);
}

void section_origin(struct document *d, struct Cs__Common__KeyValue *const *origin, size_t n)
{
    if (n == 0)
        return;
    document_add(d, BLOCK_HEADING, "Where it comes from (as the submitter stated it)", "");
    for (size_t i = 0; i < n && i < ORIGIN_MAX; i++)
        document_fact(d, document_clean(d->arena, origin[i]->key, 60), origin[i]->value);
}

void section_votes(struct document *d, const struct mail_vote *votes, size_t n)
{
    if (n == 0)
        return;
    document_add(d, BLOCK_HEADING, "Decisions", "");
    for (size_t i = 0; i < n && i < VOTES_MAX; i++) {
        document_add(d, BLOCK_FACT, votes[i].denied ? "Denied" : "Approved",
                     cs_arena_printf(d->arena, "by %s, %s",
                                     document_clean(d->arena, votes[i].name, 100),
                                     section_moment(d->arena, votes[i].at_ms)));
        if (votes[i].comment != NULL && votes[i].comment[0] != '\0')
            document_add(d, BLOCK_QUOTE, document_clean(d->arena, votes[i].comment, 1000), "");
    }
}

void section_failure(struct document *d, const struct Cs__Common__Failure *f)
{
    if (f == NULL || (f->message[0] == '\0' && f->code[0] == '\0'))
        return;
    document_add(d, BLOCK_HEADING, "Reason", "");
    document_fact(d, "What", f->message);
    document_fact(d, "Code", f->code);
    for (size_t i = 0; i < f->n_details && i < 20; i++)
        document_fact(d, "Detail", f->details[i]);
}
