package dev.pipelinex.guestbook;

import java.util.List;
import java.util.Map;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

@RestController
public class GuestbookController {

    static final int SHOWN = 10;

    private final Entries entries;

    public GuestbookController(Entries entries) {
        this.entries = entries;
    }

    /** Writes a row, and answers with what the database then has. */
    @PostMapping("/entries")
    public Map<String, List<String>> sign(@RequestParam String text) {
        entries.add(text.strip());
        return read();
    }

    @GetMapping("/entries")
    public Map<String, List<String>> read() {
        return Map.of("entries", entries.newest(SHOWN));
    }
}
