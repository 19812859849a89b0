package dev.pipelinex.greeter;

final class Greeting {

    static String of(String name) {
        return "Hello, " + name + "!";
    }
}
