import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import javax.net.ssl.*;
import org.apache.http.conn.ssl.NoopHostnameVerifier;

class Tls {

    TrustManager[] trustAll = {
        new X509TrustManager() {
            public void checkClientTrusted(X509Certificate[] chain, String type) {}

            // ruleid: java-disabled-tls-checks
            public void checkServerTrusted(X509Certificate[] chain, String type) {}

            public X509Certificate[] getAcceptedIssuers() {
                return new X509Certificate[0];
            }
        }
    };

    static class Careful implements X509TrustManager {
        private X509TrustManager usual;

        // ok: java-disabled-tls-checks
        public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
            usual.checkServerTrusted(chain, type);
        }
    }

    static class AnyName implements HostnameVerifier {
        // ruleid: java-disabled-tls-checks
        public boolean verify(String host, SSLSession session) {
            return true;
        }
    }

    void connect(HttpsURLConnection connection, HttpClientBuilder builder) {
        // ruleid: java-disabled-tls-checks
        connection.setHostnameVerifier((host, session) -> true);
        // ruleid: java-disabled-tls-checks
        builder.setSSLHostnameVerifier(NoopHostnameVerifier.INSTANCE);
        // ok: java-disabled-tls-checks
        connection.setHostnameVerifier((host, session) -> host.equals("db.internal"));
        // ok: java-disabled-tls-checks
        builder.setSSLHostnameVerifier(new DefaultHostnameVerifier());
    }
}
