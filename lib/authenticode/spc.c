/* The SPC types for OpenSSL's template engine, which does the encoding.
 * SPDX-License-Identifier: Apache-2.0 */
#include "spc.h"

#pragma GCC diagnostic ignored "-Wpedantic" /* the template macros leave stray semicolons */
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wmissing-variable-declarations"
#endif

ASN1_CHOICE(SPC_STRING) =
    {
        ASN1_IMP_OPT(SPC_STRING, value.unicode, ASN1_BMPSTRING, 0),
        ASN1_IMP_OPT(SPC_STRING, value.ascii, ASN1_IA5STRING, 1),
} ASN1_CHOICE_END(SPC_STRING) IMPLEMENT_ASN1_FUNCTIONS(SPC_STRING)

        ASN1_CHOICE(SPC_LINK) =
            {
                ASN1_IMP_OPT(SPC_LINK, value.url, ASN1_IA5STRING, 0),
                ASN1_IMP_OPT(SPC_LINK, value.moniker, ASN1_ANY, 1),
                ASN1_EXP_OPT(SPC_LINK, value.file, SPC_STRING, 2),
} ASN1_CHOICE_END(SPC_LINK) IMPLEMENT_ASN1_FUNCTIONS(SPC_LINK)

                ASN1_SEQUENCE(SPC_OPUS_INFO) =
                    {
                        ASN1_EXP_OPT(SPC_OPUS_INFO, program_name, SPC_STRING, 0),
                        ASN1_EXP_OPT(SPC_OPUS_INFO, more_info, SPC_LINK, 1),
} ASN1_SEQUENCE_END(SPC_OPUS_INFO) IMPLEMENT_ASN1_FUNCTIONS(SPC_OPUS_INFO)

                        ASN1_SEQUENCE(SPC_PE_IMAGE_DATA) =
                            {
                                ASN1_SIMPLE(SPC_PE_IMAGE_DATA, flags, ASN1_BIT_STRING),
                                ASN1_EXP_OPT(SPC_PE_IMAGE_DATA, file, SPC_LINK, 0),
} ASN1_SEQUENCE_END(SPC_PE_IMAGE_DATA) IMPLEMENT_ASN1_FUNCTIONS(SPC_PE_IMAGE_DATA)

                                ASN1_SEQUENCE(SPC_ATTRIBUTE) =
                                    {
                                        ASN1_SIMPLE(SPC_ATTRIBUTE, type, ASN1_OBJECT),
                                        ASN1_OPT(SPC_ATTRIBUTE, value, ASN1_ANY),
} static_ASN1_SEQUENCE_END(SPC_ATTRIBUTE)

                                        ASN1_SEQUENCE(SPC_DIGEST_INFO) =
                                            {
                                                ASN1_SIMPLE(SPC_DIGEST_INFO, algorithm, X509_ALGOR),
                                                ASN1_SIMPLE(SPC_DIGEST_INFO, digest,
                                                            ASN1_OCTET_STRING),
} static_ASN1_SEQUENCE_END(SPC_DIGEST_INFO)

                                                ASN1_SEQUENCE(SPC_INDIRECT_DATA) =
                                                    {
                                                        ASN1_SIMPLE(SPC_INDIRECT_DATA, data,
                                                                    SPC_ATTRIBUTE),
                                                        ASN1_SIMPLE(SPC_INDIRECT_DATA, digest,
                                                                    SPC_DIGEST_INFO),
} ASN1_SEQUENCE_END(SPC_INDIRECT_DATA) IMPLEMENT_ASN1_FUNCTIONS(SPC_INDIRECT_DATA)

    /* SpcStatementType ::= SEQUENCE OF OBJECT IDENTIFIER */
    ASN1_ITEM_TEMPLATE(SPC_STATEMENT_TYPE) = ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SEQUENCE_OF, 0,
                                                                   SPC_STATEMENT_TYPE, ASN1_OBJECT)
        ASN1_ITEM_TEMPLATE_END(SPC_STATEMENT_TYPE)
