package dev.pipelinex.greeter;

import java.util.Map;
import org.apache.commons.text.StringSubstitutor;

final class Greeting {

    private Greeting() {}

    static String of(String name) {
        return StringSubstitutor.replace("Hello, ${name}!", Map.of("name", name));
    }
}
