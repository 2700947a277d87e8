/* Registries found in a log; see audit_trust.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_trust.h"

#include "base/file.h"
#include "codec/envelope.h"
#include "codec/message.h"

#include "proto/config.pb-c.h"

#include <string.h>

enum cs_rc audit_trust_open(struct audit_trust *t, const char *root_path, struct cs_err *err)
{
    *t = (struct audit_trust){.root_text = CS_BUF_INIT(4096)};
    return cs_file_read(root_path, &t->root_text, err);
}

void audit_trust_done(struct audit_trust *t)
{
    for (size_t i = 0; i < t->n; i++) {
        cs_opener_free(t->versions[i].opener);
        cs_trust_free(t->versions[i].trust);
    }
    t->n = 0;
    cs_buf_done(&t->root_text);
}

/* Keeps the list in order of versions; a version that is known already is not kept twice. */
static enum cs_rc insert(struct audit_trust *t, struct cs_trust **trust, struct cs_err *err)
{
    const uint64_t version = cs_trust_version(*trust);
    size_t at = t->n;
    while (at > 0 && cs_trust_version(t->versions[at - 1].trust) >= version) {
        if (cs_trust_version(t->versions[at - 1].trust) == version)
            return CS_OK;
        at--;
    }
    if (t->n == AUDIT_VERSIONS)
        return cs_err_set(err, CS_LIMIT, "more than %d versions of the registry", AUDIT_VERSIONS);
    struct cs_opener *opener = cs_opener_new(*trust);
    if (opener == NULL)
        return cs_err_set(err, CS_NOMEM, "no memory");
    memmove(&t->versions[at + 1], &t->versions[at], (t->n - at) * sizeof(t->versions[0]));
    t->versions[at] = (struct audit_version){.trust = CS_STEAL(*trust), .opener = opener};
    t->n++;
    return CS_OK;
}

enum cs_rc audit_trust_add(struct audit_trust *t, struct cs_bytes registry_envelope,
                           struct cs_err *err)
{
    CS_AUTO(cs_trust) trust = NULL;
    if (cs_trust_parse(cs_buf_view(&t->root_text), registry_envelope, &trust, err) != CS_OK) {
        t->refused++;
        return CS_OK;
    }
    return insert(t, &trust, err);
}

enum cs_rc audit_trust_learn(struct audit_trust *t, struct cs_bytes envelope, struct cs_arena *a,
                             struct cs_err *err)
{
    struct cs_raw_envelope raw;
    ProtobufCMessage *m = NULL;
    if (cs_envelope_parse(envelope, 0, a, &raw, NULL) != CS_OK ||
        strcmp(raw.type, "cs.config.RegistryPublished") != 0 ||
        cs_message_unpack(&cs__config__registry_published__descriptor, raw.payload, a, &m, NULL) !=
            CS_OK)
        return CS_OK;
    const Cs__Config__RegistryPublished *p = (const Cs__Config__RegistryPublished *)m;
    return audit_trust_add(t, cs_bytes(p->registry_envelope.data, p->registry_envelope.len), err);
}

const struct audit_version *audit_trust_newest(const struct audit_trust *t)
{
    return t->n == 0 ? NULL : &t->versions[t->n - 1];
}

const struct audit_version *audit_trust_at(const struct audit_trust *t, int64_t at_ms)
{
    for (size_t i = t->n; i > 0; i--) {
        if (i == 1 || cs_trust_created_at_ms(t->versions[i - 1].trust) <= at_ms)
            return &t->versions[i - 1];
    }
    return NULL;
}
