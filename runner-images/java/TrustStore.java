import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;

/** Turns a PEM bundle into a truststore: keytool reads one certificate a call, and a bundle has a hundred and fifty. */
public class TrustStore {
    public static void main(String[] args) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        int number = 0;
        try (FileInputStream pem = new FileInputStream(args[0]); FileOutputStream out = new FileOutputStream(args[1])) {
            for (Certificate certificate : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
                store.setCertificateEntry("ca" + number++, certificate);
            }
            store.store(out, "changeit".toCharArray());
        }
    }
}
