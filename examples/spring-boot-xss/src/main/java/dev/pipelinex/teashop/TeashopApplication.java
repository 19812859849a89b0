package dev.pipelinex.teashop;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

@SpringBootApplication
public class TeashopApplication {

    public static void main(String[] args) {
        SpringApplication.run(TeashopApplication.class, args);
    }
}
