# Counts words.
module Counting
  # How many words a text has.
  def self.words(text) = text.split.size
end
