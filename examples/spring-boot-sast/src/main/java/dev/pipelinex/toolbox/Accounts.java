package dev.pipelinex.toolbox;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HexFormat;
import java.util.Random;

/** Users, their passwords and their tokens. */
class Accounts {

    static final String DEFAULT_PASSWORD = "welcome1";

    private final Random random = new Random();

    boolean exists(Connection connection, String name) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            ResultSet rows = statement.executeQuery("SELECT 1 FROM account WHERE name = '" + name + "'");
            return rows.next();
        }
    }

    String hash(String password) throws NoSuchAlgorithmException {
        byte[] digest = MessageDigest.getInstance("MD5").digest(password.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(digest);
    }

    String newToken() {
        return Long.toHexString(random.nextLong());
    }
}
