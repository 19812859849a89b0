package dev.pipelinex.greeter;

import java.util.Map;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;

@RestController
public class GreetingController {

    @GetMapping("/greeting")
    public Map<String, String> greeting(@RequestParam(defaultValue = "stranger") String name) {
        return Map.of("message", Greeting.of(name));
    }
}
