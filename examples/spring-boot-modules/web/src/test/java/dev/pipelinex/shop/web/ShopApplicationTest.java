package dev.pipelinex.shop.web;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class ShopApplicationTest {

    @Test
    void theShopKnowsThePrices() {
        assertEquals(250, new ShopApplication().price(1));
    }
}
