package dev.pipelinex.greeter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class GreetingServiceTest {

    private final GreetingService greetings = new GreetingService();

    @Test
    void greetsByName() {
        assertEquals("Hello, Ada!", greetings.greet("  Ada "));
    }

    @Test
    void greetsAStranger() {
        assertEquals("Hello, stranger!", greetings.greet(" "));
    }

    @Test
    void refusesANameThatIsTooLong() {
        assertThrows(IllegalArgumentException.class, () -> greetings.greet("x".repeat(41)));
    }
}
