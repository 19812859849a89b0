package dev.pipelinex.teashop;

import org.springframework.http.MediaType;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.util.HtmlUtils;

@RestController
public class TeashopController {

    @GetMapping(value = "/", produces = MediaType.TEXT_HTML_VALUE)
    public String home() {
        return """
                <!DOCTYPE html><html lang="en"><head><title>Tea shop</title></head><body>
                <p><a href="/search?q=oolong">Search</a>, or <a href="/careful?q=oolong">search carefully</a>.</p>
                </body></html>
                """;
    }

    /** The planted one: what was searched for becomes part of the page as it came. */
    @GetMapping(value = "/search", produces = MediaType.TEXT_HTML_VALUE)
    public String search(@RequestParam(defaultValue = "") String q) {
        return page("No tea is called " + q + ".");
    }

    /** The same, escaped. */
    @GetMapping(value = "/careful", produces = MediaType.TEXT_HTML_VALUE)
    public String careful(@RequestParam(defaultValue = "") String q) {
        return page("No tea is called " + HtmlUtils.htmlEscape(q) + ".");
    }

    static String page(String text) {
        return "<!DOCTYPE html><html lang=\"en\"><head><title>Tea shop</title></head><body><p>" + text + "</p></body></html>";
    }
}
