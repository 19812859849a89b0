package dev.pipelinex.rounds;

import java.math.BigDecimal;
import java.math.RoundingMode;

/** Rounds prices as banks do. */
final class Rounding {
  private Rounding() {}

  /** To whole cents; half a cent goes to the even one. */
  static BigDecimal toCents(BigDecimal price) {
    return price.setScale(2, RoundingMode.HALF_EVEN);
  }
}
