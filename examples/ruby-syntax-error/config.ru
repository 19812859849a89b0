require_relative "count"

run ->(_) { [200, {}, [count("two words").to_s]] }
