import java.io.IOException;
import java.util.List;
import org.springframework.web.bind.annotation.*;

@RestController
class Diagnostics {

    @GetMapping("/ping")
    void ping(@RequestParam String host) throws IOException {
        // ruleid: java-command-injection
        Runtime.getRuntime().exec("ping -c 1 " + host);
        // ruleid: java-command-injection
        new ProcessBuilder("sh", "-c", "ping -c 1 " + host).start();
        // ruleid: java-command-injection
        Runtime.getRuntime().exec(new String[] {"/bin/bash", "-c", host});
        // ok: java-command-injection
        new ProcessBuilder("ping", "-c", "1", host).start();
        // ok: java-command-injection
        new ProcessBuilder(List.of("ping", "-c", "1", host)).start();
        // ok: java-command-injection
        Runtime.getRuntime().exec(new String[] {"ping", "-c", "1", host});
    }

    @PostMapping("/run")
    void run(@RequestBody Command command, @RequestHeader(name = "X-Tool") String tool) throws IOException {
        Runtime runtime = Runtime.getRuntime();
        // ruleid: java-command-injection
        runtime.exec(command.getLine());
        // ruleid: java-command-injection
        new ProcessBuilder(tool, "--version").start();
    }

    @GetMapping("/wait/{seconds}")
    void waitFor(@PathVariable int seconds, @RequestParam String text) throws IOException {
        // ok: java-command-injection
        Runtime.getRuntime().exec("sleep " + seconds);
        // ok: java-command-injection
        Runtime.getRuntime().exec("sleep " + Integer.parseInt(text));
    }

    // What a service is given may come from a handler in another class.
    String lookUp(String name) throws IOException {
        StringBuilder line = new StringBuilder("nslookup ");
        line.append(name);
        // ruleid: java-command-injection
        Runtime.getRuntime().exec(line.toString());
        // ruleid: java-command-injection
        Runtime.getRuntime().exec(String.format("dig %s", name));
        // ok: java-command-injection
        Runtime.getRuntime().exec("uptime");
        return "";
    }

    // What it is given whole it runs whole.
    Process start(String command, String[] words, String argument) throws IOException {
        // ruleid: java-command-injection
        Runtime.getRuntime().exec(command);
        Runtime runtime = Runtime.getRuntime();
        // ruleid: java-command-injection
        runtime.exec(words, null);
        // ok: java-command-injection
        Runtime.getRuntime().exec(new String[] {"ping", argument});
        // ok: java-command-injection
        return new ProcessBuilder("ping", argument).start();
    }

    public static void main(String[] args) throws IOException {
        // ok: java-command-injection
        Runtime.getRuntime().exec(args);
    }
}
