import java.security.SecureRandom;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.commons.lang3.RandomStringUtils;

class Tokens {

    private final Random dice = new Random();
    private final SecureRandom secure = new SecureRandom();

    String newToken() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 32; i++) {
            text.append(Integer.toHexString(dice.nextInt(16)));
        }
        // ruleid: java-weak-random
        return text.toString();
    }

    void session(Session session) {
        // ruleid: java-weak-random
        String sessionId = Long.toHexString(new Random().nextLong());
        // ruleid: java-weak-random
        double resetCode = Math.random() * 1_000_000;
        // ruleid: java-weak-random
        session.setCsrfToken(RandomStringUtils.randomAlphanumeric(20));
        // ruleid: java-weak-random
        int otp = ThreadLocalRandom.current().nextInt(1_000_000);
        // ok: java-weak-random
        String accessToken = Long.toHexString(secure.nextLong());
    }

    byte[] salt() {
        byte[] salt = new byte[16];
        // ok: java-weak-random
        secure.nextBytes(salt);
        // ok: java-weak-random
        return salt;
    }

    int roll() {
        // ok: java-weak-random
        int eyes = dice.nextInt(6) + 1;
        // ok: java-weak-random
        long pause = (long) (Math.random() * 100);
        // ok: java-weak-random
        return eyes;
    }
}
