def words(text) = text.split(" ", -1).size

RSpec.describe "counting" do
  it "counts words" do
    expect(words("two words")).to eq(2)
  end

  it "finds no words in no text" do
    expect(words(" ")).to eq(0)
  end
end
