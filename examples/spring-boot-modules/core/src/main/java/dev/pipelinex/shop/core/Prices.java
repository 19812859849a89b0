package dev.pipelinex.shop.core;

public class Prices {

    public int inCents(int pieces) {
        return pieces * 250;
    }
}
