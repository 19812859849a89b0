# Makes runners of tests write JUnit XML to the folder PIPELINEX_JUNIT: RUBYOPT has every process of the tests load this file first. RSpec
# gets a formatter; of Minitest and Test::Unit the result of each test is taken down where it is made, whoever calls them.

module PipelinexJunit
  @cases = []
  @mutex = Mutex.new
  @process = nil

  # `state`: nil, "failure", "error" or "skipped".
  def self.add(suite:, name:, seconds:, state: nil, message: "", detail: "", file: nil)
    @mutex.synchronize do
      # A process that was forked writes its own tests alone.
      unless @process == Process.pid
        @process = Process.pid
        @cases = []
        at_exit { write }
      end
      @cases << { suite: suite, name: name, seconds: seconds, state: state, message: message, detail: detail, file: file }
    end
  end

  def self.write
    return if @cases.empty? || @process != Process.pid

    lines = @cases.map do |one|
      place = one[:file] ? %( file="#{escape(one[:file].delete_prefix("#{Dir.pwd}/").delete_prefix("./"))}") : ""
      inner = one[:state] && %(<#{one[:state]} message="#{escape(one[:message])}">#{escape(one[:detail])}</#{one[:state]}>)
      %(<testcase classname="#{escape(one[:suite])}" name="#{escape(one[:name])}" time="#{format("%.6f", one[:seconds].to_f)}"#{place}>#{inner}</testcase>)
    end
    failed = ->(state) { @cases.count { |one| one[:state] == state } }
    head = %(<testsuite name="ruby" tests="#{@cases.size}" failures="#{failed["failure"]}" errors="#{failed["error"]}" skipped="#{failed["skipped"]}">)
    path = File.join(ENV.fetch("PIPELINEX_JUNIT"), "junit-#{Process.pid}.xml")
    File.write(path, %(<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n#{head}\n#{lines.join("\n")}\n</testsuite>\n</testsuites>\n))
  end

  # What XML cannot have at all is left out.
  def self.escape(text)
    plain = text.to_s.encode("UTF-8", invalid: :replace, undef: :replace).gsub(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/, "")
    plain.gsub(/[&<>"]/) { |letter| "&##{letter.ord};" }
  end

  # The formatter that RSpec is told of.
  class Formatter
    if defined?(RSpec::Core::Formatters)
      RSpec::Core::Formatters.register self, :example_passed, :example_pending, :example_failed, :dump_summary
    end

    def initialize(_output) = nil

    def example_passed(told) = add(told.example)
    def example_pending(told) = add(told.example, "skipped")

    def example_failed(told)
      add(told.example, "failure", told.exception.message.to_s.strip, (told.message_lines rescue []).join("\n"))
    end

    # Errors outside of examples are counted, and say which file could not be loaded in the log.
    def dump_summary(told)
      (told.errors_outside_of_examples_count rescue 0).times do |number|
        PipelinexJunit.add(suite: "rspec", name: "outside of examples #{number + 1}", seconds: 0, state: "error", message: "see the log")
      end
    end

    private

    def add(example, state = nil, message = "", detail = "")
      group = example.example_group
      PipelinexJunit.add(suite: group.parent_groups.last.description.to_s, name: example.full_description, state: state, message: message,
        detail: detail, seconds: example.execution_result.run_time || 0, file: example.metadata[:file_path])
    end
  end

  # What Minitest calls once for each test that has ended.
  module MinitestResult
    def from(runnable)
      super.tap do |result|
        failure = result.failures.first
        state = failure && (result.skipped? ? "skipped" : result.error? ? "error" : "failure")
        file = result.source_location&.first
        PipelinexJunit.add(suite: result.klass.to_s, name: result.name.to_s, seconds: result.time, state: state,
          message: failure&.message.to_s, detail: failure ? "#{failure.message}\n#{failure.location rescue nil}" : "", file: file)
      end
    end
  end

  # What Test::Unit calls for each test.
  module TestUnitCase
    def run(result)
      began, faults, skipped = Process.clock_gettime(Process::CLOCK_MONOTONIC), result.faults.size, 0
      skipped = result.omissions.size + result.pendings.size if result.respond_to?(:omissions)
      super
      fault = result.faults[faults]
      skip = fault && result.respond_to?(:omissions) && result.omissions.size + result.pendings.size > skipped
      state = fault && (skip ? "skipped" : fault.class.name.end_with?("Error") ? "error" : "failure")
      PipelinexJunit.add(suite: self.class.name.to_s, name: method_name, seconds: Process.clock_gettime(Process::CLOCK_MONOTONIC) - began,
        state: state, message: fault ? fault.message.to_s : "", detail: fault ? fault.long_display.to_s : "")
    end
  end
end

if ENV["PIPELINEX_JUNIT"]
  # Neither is loaded yet, and what loads them is the project's own: the end of their classes is waited for.
  waits = TracePoint.new(:end) do |point|
    case point.self.name
    when "Minitest::Result"
      point.self.singleton_class.prepend(PipelinexJunit::MinitestResult) if point.self.respond_to?(:from)
    when "Test::Unit::TestCase"
      point.self.prepend(PipelinexJunit::TestUnitCase) if point.self.method_defined?(:run) && point.self.method_defined?(:method_name)
    end
  end
  waits.enable
end
