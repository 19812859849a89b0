require "sinatra/base"

# Greets whoever asks.
class Greeter < Sinatra::Base
  # The longest name that is said whole, in letters.
  LONGEST = 80

  before { content_type "text/plain", charset: "utf-8" }

  get("/") { "GET /greeting?name=NAME\n" }

  get("/greeting") { "#{Greeter.greeting(params["name"])}\n" }

  def self.greeting(name)
    name = name.to_s.strip
    "Hello, #{name.empty? ? "world" : name[0, LONGEST]}!"
  end
end
