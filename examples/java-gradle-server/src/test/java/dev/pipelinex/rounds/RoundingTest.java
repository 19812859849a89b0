package dev.pipelinex.rounds;

import static org.junit.Assert.assertEquals;

import java.math.BigDecimal;
import org.junit.Test;

public class RoundingTest {
  @Test
  public void halfACentGoesToTheEvenOne() {
    assertEquals(new BigDecimal("20.00"), Rounding.toCents(new BigDecimal("19.995")));
    assertEquals(new BigDecimal("19.98"), Rounding.toCents(new BigDecimal("19.985")));
  }
}
