require "rack"
require_relative "../lib/greeter"

RSpec.describe Greeter do
  let(:client) { Rack::MockRequest.new(Greeter) }

  it "greets by name" do
    expect(client.get("/greeting?name=Ada").body).to eq("Hello, Ada!\n")
  end

  it "greets the world without a name" do
    expect(client.get("/greeting").body).to eq("Hello, world!\n")
  end

  it "knows no other page" do
    expect(client.get("/nothing").status).to eq(404)
  end
end
