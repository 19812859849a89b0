# Answers what the stage scripts ask about a project: whether Ruby reads it, what starts it. It runs in the project's folder and loads
# nothing of the project.

# Folders whose files are no part of what runs: a fixture may be broken on purpose, and a template of a generator need not be Ruby yet.
BESIDE = %r{(^|/)(\.[^/]+|vendor|node_modules|test|tests|spec|features|fixtures|testdata|examples?|docs?|templates|tmp|pkg|benchmarks?)/}
GEMFILE = %w[Gemfile gems.rb].find { |path| File.file?(path) }

def text(path) = File.file?(path) ? File.read(path, mode: "rb").force_encoding("UTF-8").scrub : ""

def locked = text(GEMFILE == "gems.rb" ? "gems.locked" : "Gemfile.lock")

def names?(gem) = text(GEMFILE.to_s).match?(/^\s*gem[\s(]+["']#{gem}["']/) || locked.match?(/^    #{gem} \(/)

# Files that Ruby cannot read, each with its line.
def syntax
  Dir.glob("**/*.{rb,ru,gemspec}").reject { |path| path.match?(BESIDE) || File.symlink?(path) || !File.file?(path) }.filter_map do |path|
    RubyVM::InstructionSequence.compile_file(path)
    nil
  rescue SyntaxError => error
    error.message.lines.first(2).map(&:strip).join(" ").sub("#{Dir.pwd}/", "")
  end
end

def lock = [GEMFILE == "gems.rb" ? "gems.locked" : "Gemfile.lock"].select { |path| File.file?(path) }

def rails = File.file?("config/application.rb") && names?("rails(?:ties)?") ? ["yes"] : []

def jekyll = File.file?("_config.yml") && names?("(?:jekyll|github-pages)") && Dir["*.gemspec"].empty? ? ["yes"] : []

def specs = Dir.glob("{spec,**/spec}/**/*_spec.rb").grep_v(%r{^vendor/|/node_modules/}).first(1)

def tests = Dir.glob("{test,tests}/**/{test_*,*_test,tc_*}.rb").reject { |path| path.match?(%r{/(fixtures|dummy)/}) }.sort

# Whether `rake test` runs tests.
def rake_test
  file = %w[Rakefile rakefile Rakefile.rb].find { |path| File.file?(path) }
  text(file.to_s).match?(/TestTask\.(new|create)(?!\W+["':]*spec)|\btask[\s(]+["':]*test\b/) ? ["yes"] : []
end

# What starts the application: the kind first. Nothing: nothing does, it is a library.
def start
  web = text("Procfile")[/^web:[ \t]*(.+)$/, 1]
  return ["command #{web.strip}"] if web
  return ["rails"] unless rails.empty?
  return ["jekyll"] unless jekyll.empty?
  return ["rack"] if File.file?("config.ru") && Dir["*.gemspec"].empty?
  file = %w[app.rb server.rb main.rb web.rb application.rb].find { |path| text(path).match?(/^\s*require ["'](sinatra|roda|cuba|webrick|puma|socket)/) }
  file ? ["ruby #{file}"] : []
end

send(ARGV.fetch(0)).each { |line| puts line }
