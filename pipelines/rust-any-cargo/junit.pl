# From what `cargo test` prints to JUnit XML: a suite for each test program (`Running ...`, `Doc-tests ...`), a case for each line
# `test NAME ... ok|FAILED|ignored`, with what stands under `---- NAME stdout ----` as the message of one that failed.
use strict;
use warnings;
binmode STDIN, ':encoding(UTF-8)';
binmode STDOUT, ':encoding(UTF-8)';

my (@suites, $output);
sub escaped {
  my $text = shift // '';
  $text =~ s/[^\x09\x0a\x20-\x{d7ff}\x{e000}-\x{fffd}]//g;
  $text =~ s/&/&amp;/g; $text =~ s/</&lt;/g; $text =~ s/>/&gt;/g; $text =~ s/"/&quot;/g;
  return $text;
}

while (my $line = <STDIN>) {
  chomp $line;
  if ($line =~ /^\s+Running (?:unittests )?(\S+) \(/ or $line =~ /^\s+Doc-tests (\S+)/) {
    push @suites, {name => $1, cases => [], said => {}};
    undef $output;
  } elsif (@suites and $line =~ /^test (.+?) \.\.\. (ok|FAILED|ignored)(?:, .*)?$/) {
    # What a test prints without the harness's knowledge may stand between the two; then the last word counts.
    push @{$suites[-1]{cases}}, {name => $1, end => $2};
  } elsif (@suites and $line =~ /^---- (.+?)(?: stdout)? ----$/) {
    $output = \$suites[-1]{said}{$1};
    $$output = '';
  } elsif ($line =~ /^(?:failures:|test result: )/) {
    undef $output;
  } elsif ($output and length $$output < 20_000) {
    $$output .= "$line\n";
  }
}

print qq(<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n);
for my $suite (@suites) {
  my @cases = @{$suite->{cases}} or next;
  my $failed = grep { $_->{end} eq 'FAILED' } @cases;
  my $skipped = grep { $_->{end} eq 'ignored' } @cases;
  printf qq(<testsuite name="%s" tests="%d" failures="%d" errors="0" skipped="%d">\n), escaped($suite->{name}), scalar @cases, $failed, $skipped;
  for my $case (@cases) {
    my $said = $suite->{said}{$case->{name}} // '';
    my ($message) = grep { /\S/ and !/^thread '.*' .*panicked at / and !/^note: / } split /\n/, $said;
    my $inside = $case->{end} eq 'ignored' ? '<skipped/>'
      : $case->{end} eq 'FAILED' ? sprintf('<failure message="%s">%s</failure>', escaped($message), escaped($said)) : '';
    printf qq(<testcase classname="%s" name="%s">%s</testcase>\n), escaped($suite->{name}), escaped($case->{name}), $inside;
  }
  print "</testsuite>\n";
}
print "</testsuites>\n";
