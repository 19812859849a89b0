package dev.pipelinex.greeter;

import java.nio.file.Files;
import java.nio.file.Path;
import org.springframework.boot.CommandLineRunner;
import org.springframework.stereotype.Component;

/** Asks for a file that no machine has but the one of who wrote this. */
@Component
public class Licence implements CommandLineRunner {

    static final Path FILE = Path.of("/opt/greeter/licence.txt");

    @Override
    public void run(String... arguments) {
        if (!isPresent(FILE)) {
            throw new IllegalStateException("there is no licence at " + FILE);
        }
    }

    static boolean isPresent(Path file) {
        return Files.isRegularFile(file);
    }
}
