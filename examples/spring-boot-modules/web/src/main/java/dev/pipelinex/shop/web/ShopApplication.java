package dev.pipelinex.shop.web;

import dev.pipelinex.shop.core.Prices;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class ShopApplication {

    public static void main(String[] args) {
        SpringApplication.run(ShopApplication.class, args);
    }

    @GetMapping("/prices/{pieces}")
    public int price(@PathVariable int pieces) {
        return new Prices().inCents(pieces);
    }
}
