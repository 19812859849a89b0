package dev.pipelinex.words;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class WordsTest {
  @Test
  void spacesAreNoWords() {
    assertEquals(2, Words.count("  two   words "));
  }
}
