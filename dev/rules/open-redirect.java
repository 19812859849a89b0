import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Controller;
import org.springframework.web.bind.annotation.*;
import org.springframework.web.servlet.view.RedirectView;

@Controller
class Redirects {

    @GetMapping("/login")
    String login(@RequestParam String next) {
        // ruleid: java-open-redirect
        return "redirect:" + next;
    }

    @GetMapping("/slash")
    String slash(@RequestParam String next) {
        // ruleid: java-open-redirect
        return "redirect:/" + next;
    }

    @GetMapping("/item")
    String item(@RequestParam String id) {
        // ok: java-open-redirect
        return "redirect:/items/" + id;
    }

    @GetMapping("/home")
    String home(@RequestParam String ignored) {
        // ok: java-open-redirect
        return "redirect:/";
    }

    @GetMapping("/old")
    void old(@RequestParam("to") String to, HttpServletResponse response) throws IOException {
        // ruleid: java-open-redirect
        response.sendRedirect(to);
        // ok: java-open-redirect
        response.sendRedirect("/search?q=" + to);
    }

    @GetMapping("/view")
    RedirectView view(@RequestParam String to) {
        // ruleid: java-open-redirect
        return new RedirectView(to);
    }

    @GetMapping("/entity")
    ResponseEntity<Void> entity(@RequestParam String to) {
        if (to.isEmpty()) {
            // ok: java-open-redirect
            return ResponseEntity.status(HttpStatus.FOUND).location(URI.create("/start")).build();
        }
        // ruleid: java-open-redirect
        return ResponseEntity.status(HttpStatus.FOUND).header(HttpHeaders.LOCATION, to).build();
    }

    // The Location of a creation says where the new thing is: no browser goes there.
    @PostMapping("/created")
    ResponseEntity<Void> created(@RequestParam String name, HttpServletResponse response) {
        // ok: java-open-redirect
        ResponseEntity.created(URI.create(name)).build();
        // ok: java-open-redirect
        ResponseEntity.status(HttpStatus.CREATED).location(URI.create(name)).build();
        // ok: java-open-redirect
        ResponseEntity.status(201).header("Location", name).build();
        // ok: java-open-redirect
        ResponseEntity.status(HttpStatus.CREATED).header(HttpHeaders.LOCATION, name).body(null);
        // ruleid: java-open-redirect
        ResponseEntity.status(303).header("Location", name).build();
        // ruleid: java-open-redirect
        return ResponseEntity.status(HttpStatus.SEE_OTHER).location(URI.create(name)).build();
    }

    @PostMapping("/answered")
    void answered(@RequestParam String name, HttpServletResponse response) {
        response.setStatus(HttpServletResponse.SC_CREATED);
        // ok: java-open-redirect
        response.setHeader("Location", name);
    }

    @PostMapping("/moved")
    void moved(@RequestParam String name, HttpServletResponse response) {
        response.setStatus(HttpServletResponse.SC_MOVED_PERMANENTLY);
        // ruleid: java-open-redirect
        response.setHeader("Location", name);
    }

    @PostMapping("/headers")
    ResponseEntity<Void> headers(@RequestParam String name) {
        HttpHeaders headers = new HttpHeaders();
        // ok: java-open-redirect
        headers.setLocation(URI.create(name));
        return new ResponseEntity<>(null, headers, HttpStatus.CREATED);
    }

    @PostMapping("/found")
    ResponseEntity<Void> found(@RequestParam String name) {
        HttpHeaders headers = new HttpHeaders();
        // ruleid: java-open-redirect
        headers.setLocation(URI.create(name));
        return new ResponseEntity<>(null, headers, HttpStatus.FOUND);
    }
}
