package dev.pipelinex.shop.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class PricesTest {

    @Test
    void twoPiecesCostTwice() {
        assertEquals(500, new Prices().inCents(2));
    }
}
