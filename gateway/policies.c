/* GET Cryptoki/MySigningPolicies: what a client that signs hashes may use.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "base/hex.h"
#include "base/mem.h"
#include "core/authorize.h"
#include "public_key.h"

#include <string.h>

static json_t *describe(struct call *c, const Cs__Config__SigningPolicy *p, const char *project)
{
    struct view_entity e;
    struct public_key key;
    struct cs_err err = {0};
    if (view_get(c->g->view, CS__CONFIG__ENTITY_KIND__ENTITY_CERTIFICATE, p->certificate_id, false,
                 c->a, &e, NULL) != CS_OK)
        return NULL;
    const Cs__Config__Certificate *m = (const Cs__Config__Certificate *)e.message;
    if (m->n_chain == 0 || public_key_read(gw_bytes(&m->chain[0]), c->a, &key, &err) != CS_OK)
        return NULL;
    CS_AUTO_STR certificate = cs_base64_encode(m->chain[0].data, m->chain[0].len);
    CS_AUTO_STR spki = cs_base64_encode(key.spki.ptr, key.spki.len);
    json_t *j =
        json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:s}", "signingPolicyId", p->id, "signingPolicySlug",
                  p->slug, "projectSlug", project, "keyType", key.type, "keySizeInBits",
                  (int)key.bits, "certificateBytes", certificate, "publicKeyBytes", spki);
    if (key.modulus.len > 0) {
        CS_AUTO_STR modulus = cs_base64_encode(key.modulus.ptr, key.modulus.len);
        CS_AUTO_STR exponent = cs_base64_encode(key.exponent.ptr, key.exponent.len);
        json_object_set_new(j, "rsaParameters",
                            json_pack("{s:s,s:s}", "publicExponent", exponent, "modulus", modulus));
    }
    return j;
}

static bool wanted(const char *filter, const char *slug)
{
    return filter == NULL || filter[0] == '\0' || strcmp(filter, slug) == 0;
}

void policies_end(struct call *c)
{
    struct view_entity *all = NULL;
    struct cs_err err = {0};
    size_t n = 0;
    json_t *list = json_array();
    err.rc = view_list(c->g->view, c->route.organization,
                       CS__CONFIG__ENTITY_KIND__ENTITY_SIGNING_POLICY, c->a, &all, &n, &err);
    for (size_t i = 0; i < n; i++) {
        struct view_entity project;
        const struct subject s = {.policy = (const Cs__Config__SigningPolicy *)all[i].message};
        if (all[i].deleted || !authorize(c->who.user, ACTION_SUBMIT, &s) ||
            view_get(c->g->view, CS__CONFIG__ENTITY_KIND__ENTITY_PROJECT, all[i].parent, false,
                     c->a, &project, NULL) != CS_OK ||
            !wanted(http_query(c->http, "projectSlug"), project.slug) ||
            !wanted(http_query(c->http, "signingPolicySlug"), all[i].slug))
            continue;
        json_t *j = describe(c, s.policy, project.slug);
        if (j != NULL)
            json_array_append_new(list, j);
    }
    if (err.rc == CS_OK) {
        answer_json(c, 200, json_pack("{s:o}", "signingPolicies", list));
        return;
    }
    json_decref(list);
    answer_error(c, &err);
}
