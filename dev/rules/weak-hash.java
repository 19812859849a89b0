import java.security.MessageDigest;
import com.google.common.hash.Hashing;
import org.springframework.util.DigestUtils;

class Hashes {

    private static final String OLD = "SHA1";

    void hash(byte[] bytes) throws Exception {
        // ruleid: java-weak-hash
        MessageDigest.getInstance("MD5");
        // ruleid: java-weak-hash
        MessageDigest.getInstance("SHA-1");
        // ruleid: java-weak-hash
        MessageDigest.getInstance(OLD);
        // ruleid: java-weak-hash
        DigestUtils.md5DigestAsHex(bytes);
        // ruleid: java-weak-hash
        DigestUtils.sha1Hex(bytes);
        // ruleid: java-weak-hash
        Hashing.sha1();
        // ok: java-weak-hash
        MessageDigest.getInstance("SHA-256");
        // ok: java-weak-hash
        DigestUtils.sha256Hex(bytes);
        // ok: java-weak-hash
        Hashing.sha256();
    }
}
