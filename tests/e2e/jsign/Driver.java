// Signs a file with jsign's own SignPath service, pointed at our gateway: Driver URL ORGANIZATION TOKEN PROJECT/POLICY FILE
// SPDX-License-Identifier: Apache-2.0
package net.jsign.jca;

import java.io.File;
import java.security.Provider;
import net.jsign.AuthenticodeSigner;
import net.jsign.Signable;
import net.jsign.jca.SigningServiceJcaProvider;

public class Driver {
    public static void main(String[] a) throws Exception {
        SigningService service = new SignPathSigningService(a[0], a[1], a[2]);
        Provider provider = new SigningServiceJcaProvider(service);
        java.security.Security.addProvider(provider);
        java.security.KeyStore store = java.security.KeyStore.getInstance(service.getName().toUpperCase(), provider);
        store.load(null, null);
        AuthenticodeSigner signer = new AuthenticodeSigner(store, a[3], null).withTimestamping(false);
        try (Signable file = Signable.of(new File(a[4]))) {
            signer.sign(file);
        }
        System.out.println("signed " + a[4]);
    }
}
