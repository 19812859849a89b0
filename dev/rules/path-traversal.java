import java.io.*;
import java.nio.file.*;
import jakarta.servlet.http.HttpServletRequest;
import org.apache.commons.io.FilenameUtils;
import org.springframework.core.io.FileSystemResource;
import org.springframework.web.bind.annotation.*;
import org.springframework.web.multipart.MultipartFile;

@RestController
class Documents {

    private final Path root = Path.of("/srv/documents");

    @GetMapping("/documents/{name}")
    byte[] read(@PathVariable String name) throws IOException {
        // ruleid: java-path-traversal
        return Files.readAllBytes(root.resolve(name));
    }

    @GetMapping("/checked/{name}")
    byte[] checked(@PathVariable String name) throws IOException {
        Path file = root.resolve(name).normalize();
        if (!file.startsWith(root)) {
            throw new IllegalArgumentException("no such document");
        }
        // ok: java-path-traversal
        return Files.readAllBytes(file);
    }

    @GetMapping("/halfchecked/{name}")
    byte[] halfChecked(@PathVariable String name) throws IOException {
        if (name.startsWith("/")) {
            throw new IllegalArgumentException("no such document");
        }
        // ruleid: java-path-traversal
        return Files.readAllBytes(root.resolve(name));
    }

    @GetMapping("/old")
    InputStream old(HttpServletRequest request) throws IOException {
        String name = request.getParameter("name");
        File file = new File("/srv/documents", name);
        // ruleid: java-path-traversal
        return new FileInputStream(file);
    }

    @GetMapping("/canonical")
    InputStream canonical(@RequestParam("name") String name) throws IOException {
        File file = new File("/srv/documents", name);
        if (!file.getCanonicalPath().startsWith(BASE)) {
            throw new FileNotFoundException(name);
        }
        // ok: java-path-traversal
        return new FileInputStream(file);
    }

    @GetMapping("/resource")
    Object resource(@RequestParam String name) {
        // ruleid: java-path-traversal
        return new FileSystemResource("/srv/documents/" + name);
    }

    @GetMapping("/last")
    Object last(@RequestParam String name) {
        // ok: java-path-traversal
        return new FileSystemResource("/srv/documents/" + FilenameUtils.getName(name));
    }

    @GetMapping("/page/{number}")
    byte[] page(@PathVariable int number) throws IOException {
        // ok: java-path-traversal
        return Files.readAllBytes(root.resolve("page-" + number + ".txt"));
    }

    @PostMapping("/upload")
    void upload(@RequestParam("file") MultipartFile upload) throws IOException {
        // ruleid: java-path-traversal
        upload.transferTo(root.resolve(upload.getOriginalFilename()));
        // ok: java-path-traversal
        upload.transferTo(root.resolve(java.util.UUID.randomUUID().toString()));
    }
}
