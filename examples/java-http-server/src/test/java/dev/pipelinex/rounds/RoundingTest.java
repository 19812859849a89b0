package dev.pipelinex.rounds;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import org.junit.jupiter.api.Test;

class RoundingTest {
  @Test
  void halfACentGoesToTheEvenOne() {
    assertEquals(new BigDecimal("20.00"), Rounding.toCents(new BigDecimal("19.995")));
    assertEquals(new BigDecimal("19.98"), Rounding.toCents(new BigDecimal("19.985")));
  }
}
