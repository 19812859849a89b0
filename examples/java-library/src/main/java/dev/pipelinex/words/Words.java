package dev.pipelinex.words;

import java.util.Arrays;

/** Looks at texts word by word. */
public final class Words {
  private Words() {}

  /** How many words a text has; what is between two spaces is one. */
  public static long count(String text) {
    return Arrays.stream(text.split("\\s+")).filter(word -> !word.isBlank()).count();
  }
}
