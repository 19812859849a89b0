# Makes JUnit XML of a TRX file, which dotnet writes of the tests it ran: standard input to standard output.
use strict;
use warnings;

local $/;
my $trx = <STDIN> // '';
# The class of a test stands with its definition, what became of it with its result.
my %class;
while ($trx =~ m{<UnitTest\b([^>]*)>(.*?)</UnitTest>}sg) {
    my ($test, $inner) = ($1, $2);
    my ($id) = $test =~ /\bid="([^"]*)"/;
    my ($name) = $inner =~ /<TestMethod\b[^>]*\bclassName="([^",]*)/s;
    $class{$id} = $name if defined $id && defined $name;
}
my (@cases, %count);
while ($trx =~ m{<UnitTestResult\b((?:[^>"]|"[^"]*")*?)(?:/>|>(.*?)</UnitTestResult>)}sg) {
    my ($result, $inner) = ($1, $2 // '');
    my %of = $result =~ /\b(\w+)="([^"]*)"/g;
    my $seconds = 0;
    $seconds = $1 * 3600 + $2 * 60 + $3 if ($of{duration} // '') =~ /^(\d+):(\d+):([\d.]+)/;
    my $class = $class{$of{testId} // ''} // 'dotnet';
    my $outcome = $of{outcome} // 'NotExecuted';
    my ($message) = $inner =~ m{<Message>(.*?)</Message>}s;
    my ($stack) = $inner =~ m{<StackTrace>(.*?)</StackTrace>}s;
    $_ = defined $_ ? $_ : '' for $message, $stack;
    (my $head = $message) =~ s/"/&quot;/g;
    $head =~ s/\r?\n/&#10;/g;
    my $state = $outcome =~ /^(Passed|Warning|Completed)/ ? '' : $outcome =~ /^(NotExecuted|Inconclusive|NotRunnable|Pending)/ ? 'skipped' : 'failure';
    $count{$state}++;
    my $detail = $state eq '' ? '' : "<$state message=\"$head\">$message\n$stack</$state>";
    # The name of a test has its class before it where no other name is given.
    (my $name = $of{testName} // '') =~ s/^\Q$class\E\.//;
    push @cases, sprintf '<testcase classname="%s" name="%s" time="%.3f">%s</testcase>', $class, $name, $seconds, $detail;
}
printf qq{<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n<testsuite name="dotnet" tests="%d" failures="%d" skipped="%d">\n},
    scalar @cases, $count{failure} // 0, $count{skipped} // 0;
print "$_\n" for @cases;
print "</testsuite>\n</testsuites>\n";
