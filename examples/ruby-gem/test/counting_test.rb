require "minitest/autorun"
require "counting"

class CountingTest < Minitest::Test
  def test_counts_words
    assert_equal 2, Counting.words("two words")
  end

  def test_no_text_has_no_words
    assert_equal 0, Counting.words("")
  end
end
