package examples;

import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;

/** The same holes without an import, or behind `var`: the rules name types simply. */
class FullNames {
    private java.sql.Connection connection;

    @GetMapping("/users")
    Object users(@RequestParam String name) throws Exception {
        java.sql.Statement statement = connection.createStatement();
        // ruleid: java-sql-injection
        statement.execute("SELECT * FROM users WHERE name = '" + name + "'");
        var other = connection.createStatement();
        // ruleid: java-sql-injection
        other.execute("SELECT * FROM users WHERE name = '" + name + "'");
        // ok: java-sql-injection
        return other.executeQuery("SELECT * FROM users");
    }

    Object again(@org.springframework.web.bind.annotation.RequestHeader String name) throws Exception {
        // ruleid: java-sql-injection
        return connection.prepareStatement("SELECT * FROM users WHERE name = '" + name + "'");
    }

    @GetMapping("/file")
    Object file(@RequestParam String name) throws Exception {
        // ruleid: java-path-traversal
        return new java.io.FileInputStream("/srv/" + name);
    }

    @GetMapping("/exists")
    boolean exists(@RequestParam String name) {
        java.io.File file = new java.io.File("/srv", name);
        // ruleid: java-path-traversal
        return file.exists();
    }

    @GetMapping("/own")
    boolean own() {
        java.io.File file = new java.io.File("/srv", "own.txt");
        // ok: java-path-traversal
        return file.exists();
    }

    @GetMapping("/run")
    void run(@RequestParam String name) throws Exception {
        java.util.List<String> words = new java.util.ArrayList<>();
        words.add("sh");
        words.add("-c");
        words.add("ping " + name);
        ProcessBuilder builder = new ProcessBuilder();
        // ruleid: java-command-injection
        builder.command(words);
        String[] environment = {"LANG=" + name};
        // ruleid: java-command-injection
        Runtime.getRuntime().exec(new String[] {"ping"}, environment);
        // ok: java-command-injection
        Runtime.getRuntime().exec(new String[] {"ping"}, new String[] {"LANG=C"});
    }

    Object hash() throws Exception {
        // ok: java-weak-hash
        java.security.MessageDigest.getInstance("SHA-256");
        // ruleid: java-weak-hash
        return java.security.MessageDigest.getInstance("MD5");
    }

    void random() {
        // ruleid: java-weak-random
        String rememberMeKey = Integer.toString(new java.util.Random().nextInt());
        // ok: java-weak-random
        int eyes = new java.util.Random().nextInt(6);
    }

    Object read(java.io.InputStream stream) throws Exception {
        // ruleid: java-unsafe-deserialization
        return new java.io.ObjectInputStream(stream).readObject();
    }
}
