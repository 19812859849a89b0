package dev.pipelinex.greeter;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LicenceTest {

    @Test
    void knowsWhetherThereIsOne(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("licence.txt");
        assertFalse(Licence.isPresent(file));
        Files.writeString(file, "yes");
        assertTrue(Licence.isPresent(file));
    }
}
