Gem::Specification.new do |spec|
  spec.name = "counting"
  spec.version = "1.2.0"
  spec.summary = "Counts words"
  spec.authors = ["Pipelinex"]
  spec.license = "MIT"
  spec.files = Dir["lib/**/*.rb"]
  spec.required_ruby_version = ">= 3.0"
end
