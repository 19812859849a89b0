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
}
