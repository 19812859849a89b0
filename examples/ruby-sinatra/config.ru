require_relative "lib/greeter"

run Greeter
