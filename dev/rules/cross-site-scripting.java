import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Map;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.*;
import org.springframework.web.util.HtmlUtils;

@RestController
class Pages {

    @GetMapping("/hello")
    String hello(@RequestParam String name) {
        // ruleid: java-reflected-xss
        return "<h1>Hello, " + name + "</h1>";
    }

    @GetMapping(value = "/page", produces = MediaType.TEXT_HTML_VALUE)
    public String page(@RequestParam(defaultValue = "") String q) {
        StringBuilder page = new StringBuilder("<p>");
        page.append(q);
        // ruleid: java-reflected-xss
        return page.toString();
    }

    @GetMapping("/escaped")
    String escaped(@RequestParam String name) {
        // ok: java-reflected-xss
        return "<h1>Hello, " + HtmlUtils.htmlEscape(name) + "</h1>";
    }

    @GetMapping(value = "/text", produces = "text/plain;charset=utf-8")
    String text(@RequestParam String name) {
        // ok: java-reflected-xss
        return "Hello, " + name;
    }

    @GetMapping(path = "/constant", produces = MediaType.TEXT_PLAIN_VALUE)
    String constant(@RequestParam String name) {
        // ok: java-reflected-xss
        return "Hello, " + name;
    }

    @GetMapping("/json")
    Map<String, String> json(@RequestParam String name) {
        // ok: java-reflected-xss
        return Map.of("name", name);
    }

    @GetMapping("/entity")
    ResponseEntity<String> entity(@RequestParam String name) {
        if (name.isEmpty()) {
            // ok: java-reflected-xss
            return ResponseEntity.badRequest().contentType(MediaType.TEXT_PLAIN).body("no name: " + name);
        }
        // ruleid: java-reflected-xss
        return ResponseEntity.ok("<p>" + name + "</p>");
    }

    @GetMapping("/times/{times}")
    String times(@PathVariable int times) {
        // ok: java-reflected-xss
        return "<p>" + times + "</p>";
    }

    // Not a handler: who calls it decides what becomes of it.
    String greeting(String name) {
        // ok: java-reflected-xss
        return "Hello, " + name;
    }
}

@Controller
class Servlets {

    @GetMapping("/view")
    String view(@RequestParam String name, Model model) {
        model.addAttribute("name", name);
        // ok: java-reflected-xss
        return "view";
    }

    @GetMapping("/body")
    @ResponseBody
    String body(@RequestParam String name) {
        // ruleid: java-reflected-xss
        return "<i>" + name + "</i>";
    }

    void write(HttpServletRequest request, HttpServletResponse response) throws IOException {
        // ruleid: java-reflected-xss
        response.getWriter().println("<p>" + request.getParameter("q") + "</p>");
        PrintWriter out = response.getWriter();
        String agent = request.getHeader("User-Agent");
        // ruleid: java-reflected-xss
        out.print(agent);
    }

    void writeText(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.setContentType("text/plain");
        // ok: java-reflected-xss
        response.getWriter().println(request.getParameter("q"));
    }
}
