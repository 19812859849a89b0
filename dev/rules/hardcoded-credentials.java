import java.sql.Connection;
import java.sql.DriverManager;
import javax.crypto.spec.SecretKeySpec;
import org.springframework.beans.factory.annotation.Value;

class Credentials {

    // ruleid: java-hardcoded-credentials
    private static final String DB_PASSWORD = "correct-horse-battery";
    // ruleid: java-hardcoded-credentials
    private String apiKey = "open-sesame";
    // ruleid: java-hardcoded-credentials
    static final byte[] SECRET_KEY = "open-sesame-open".getBytes();
    // ok: java-hardcoded-credentials
    private static final String PASSWORD = "password";
    // ok: java-hardcoded-credentials
    static final String PROPERTY_PASSWORD = "spring.datasource.password";
    // ok: java-hardcoded-credentials
    private String emptyPassword = "";
    // ok: java-hardcoded-credentials
    static final String PATH_TO_SECRET = "/run/secrets/db";
    // ok: java-hardcoded-credentials
    @Value("${db.password}") private String password;
    // ok: java-hardcoded-credentials
    static final String PASSWORD_HINT = "at least twelve characters";

    // ruleid: java-hardcoded-credentials
    @Value("${db.password:correct-horse-battery}") private String defaulted;
    // ok: java-hardcoded-credentials
    @Value("${db.password:}") private String emptyByDefault;
    // ok: java-hardcoded-credentials
    @Value("${db.password:${OTHER_PASSWORD}}") private String fromElsewhere;
    // ok: java-hardcoded-credentials
    @Value("${db.password:#{null}}") private String noneByDefault;
    // ok: java-hardcoded-credentials
    @Value("${db.user:greeter}") private String user;

    Connection open(String url, String user) throws Exception {
        // ruleid: java-hardcoded-credentials
        Connection planted = DriverManager.getConnection(url, user, "correct-horse-battery");
        // ok: java-hardcoded-credentials
        return DriverManager.getConnection(url, user, System.getenv("DB_PASSWORD"));
    }

    void configure(Source source, String given) {
        // ruleid: java-hardcoded-credentials
        source.setPassword("correct-horse-battery");
        // ok: java-hardcoded-credentials
        source.setPassword(given);
        // ruleid: java-hardcoded-credentials
        new SecretKeySpec("0123456789abcdef".getBytes(), "AES");
        // ok: java-hardcoded-credentials
        String password = System.getenv("DB_PASSWORD");
    }

    void defaults(java.util.Map<String, String> environment) {
        // ruleid: java-hardcoded-credentials
        environment.getOrDefault("DB_PASSWORD", "correct-horse-battery");
        // ruleid: java-hardcoded-credentials
        System.getProperty("db.password", "correct-horse-battery");
        // ok: java-hardcoded-credentials
        System.getProperty("db.password", "");
        // ok: java-hardcoded-credentials
        environment.getOrDefault("DB_USER", "greeter");
    }
}
