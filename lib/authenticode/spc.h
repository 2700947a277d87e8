/* ASN.1 templates of the SPC types. Inside lib/authenticode only.
 * SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <openssl/asn1t.h>
#include <openssl/x509.h>

#define OID_SPC_INDIRECT_DATA "1.3.6.1.4.1.311.2.1.4"
#define OID_SPC_STATEMENT_TYPE "1.3.6.1.4.1.311.2.1.11"
#define OID_SPC_SP_OPUS_INFO "1.3.6.1.4.1.311.2.1.12"
#define OID_SPC_PE_IMAGE_DATA "1.3.6.1.4.1.311.2.1.15"
#define OID_SPC_INDIVIDUAL_CODE_SIGNING "1.3.6.1.4.1.311.2.1.21"
#define OID_SPC_NESTED_SIGNATURE "1.3.6.1.4.1.311.2.4.1"
#define OID_SPC_RFC3161_TOKEN "1.3.6.1.4.1.311.3.3.1"

struct spc_string {
    int type;
    union {
        ASN1_BMPSTRING *unicode;
        ASN1_IA5STRING *ascii;
    } value;
};
typedef struct spc_string SPC_STRING; /* the template macros paste this name */

struct spc_link {
    int type;
    union {
        ASN1_IA5STRING *url;
        ASN1_TYPE *moniker;
        SPC_STRING *file;
    } value;
};
typedef struct spc_link SPC_LINK;

struct spc_opus_info {
    SPC_STRING *program_name;
    SPC_LINK *more_info;
};
typedef struct spc_opus_info SPC_OPUS_INFO;

struct spc_pe_image_data {
    ASN1_BIT_STRING *flags;
    SPC_LINK *file;
};
typedef struct spc_pe_image_data SPC_PE_IMAGE_DATA;

struct spc_attribute {
    ASN1_OBJECT *type;
    ASN1_TYPE *value;
};
typedef struct spc_attribute SPC_ATTRIBUTE;

struct spc_digest_info {
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *digest;
};
typedef struct spc_digest_info SPC_DIGEST_INFO;

struct spc_indirect_data {
    SPC_ATTRIBUTE *data;
    SPC_DIGEST_INFO *digest;
};
typedef struct spc_indirect_data SPC_INDIRECT_DATA;

DECLARE_ASN1_ITEM(SPC_STRING)
DECLARE_ASN1_ITEM(SPC_LINK)
DECLARE_ASN1_ITEM(SPC_OPUS_INFO)
DECLARE_ASN1_ITEM(SPC_PE_IMAGE_DATA)
DECLARE_ASN1_ITEM(SPC_INDIRECT_DATA)
DECLARE_ASN1_ITEM(SPC_STATEMENT_TYPE)
DECLARE_ASN1_FUNCTIONS(SPC_OPUS_INFO)
DECLARE_ASN1_FUNCTIONS(SPC_PE_IMAGE_DATA)
DECLARE_ASN1_FUNCTIONS(SPC_INDIRECT_DATA)
DECLARE_ASN1_FUNCTIONS(SPC_STRING)
DECLARE_ASN1_FUNCTIONS(SPC_LINK)
