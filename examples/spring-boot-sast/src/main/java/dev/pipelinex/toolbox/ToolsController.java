package dev.pipelinex.toolbox;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

/** What comes in with a request, and where it must not go unchecked. */
@RestController
public class ToolsController {

    private final Path documents = Path.of("/srv/documents");

    @GetMapping("/ping")
    public void ping(@RequestParam String host) throws IOException {
        new ProcessBuilder("sh", "-c", "ping -c 1 " + host).start();
    }

    @GetMapping("/documents/{name}")
    public byte[] document(@PathVariable String name) throws IOException {
        return Files.readAllBytes(documents.resolve(name));
    }

    @GetMapping("/fetch")
    public int fetch(@RequestParam String url) throws IOException {
        try (InputStream in = new URL(url).openStream()) {
            return in.readAllBytes().length;
        }
    }

    @GetMapping("/go")
    public ResponseEntity<Void> go(@RequestParam String to) {
        return ResponseEntity.status(HttpStatus.FOUND).header("Location", to).build();
    }

    @GetMapping("/echo")
    public String echo(@RequestParam String text) {
        return "<p>" + text + "</p>";
    }
}
