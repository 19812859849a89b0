package dev.pipelinex.greeter;

import org.springframework.stereotype.Service;

@Service
public class GreetingService {

    static final int LONGEST_NAME = 40;

    public String greet(String name) {
        if (name == null || name.isBlank()) {
            return "Hello, stranger!";
        }
        String trimmed = name.strip();
        if (trimmed.length() > LONGEST_NAME) {
            throw new IllegalArgumentException("a name has at most " + LONGEST_NAME + " characters");
        }
        return "Hello, " + trimmed + "!";
    }
}
