import java.io.InputStream;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import org.springframework.web.bind.annotation.*;
import org.springframework.web.client.RestTemplate;
import org.springframework.web.reactive.function.client.WebClient;

@RestController
class Fetch {

    private final RestTemplate rest = new RestTemplate();
    private final WebClient web = WebClient.create("https://api.example.com");

    @GetMapping("/fetch")
    byte[] fetch(@RequestParam String url) throws Exception {
        // ruleid: java-ssrf
        rest.getForObject(url, byte[].class);
        // ruleid: java-ssrf
        web.get().uri(url).retrieve();
        // ruleid: java-ssrf
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).build();
        // ruleid: java-ssrf
        HttpRequest other = HttpRequest.newBuilder().GET().uri(URI.create("http://" + url)).build();
        // ruleid: java-ssrf
        InputStream in = new URL(url).openStream();
        return null;
    }

    @GetMapping("/item/{id}")
    String item(@PathVariable String id) throws Exception {
        // ok: java-ssrf
        rest.getForObject("https://api.example.com/items/{id}", String.class, id);
        // ok: java-ssrf
        rest.getForObject("https://api.example.com/items/" + id, String.class);
        // ok: java-ssrf
        web.get().uri("/items/{id}", id).retrieve();
        // ok: java-ssrf
        rest.postForObject("https://api.example.com/items", id, String.class);
        return "";
    }
}
