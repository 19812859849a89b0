<?php
// Answers what the stage scripts ask about a project: whether PHP reads it, how it is tested, what starts it. It runs in the
// project's folder and loads nothing of the project.

// Folders whose PHP files are no part of what runs: a fixture may be broken on purpose, and a template need not be PHP yet.
const BESIDE = '~(^|/)(\.[^/]+|vendor|node_modules|tests?|Tests?|specs?|fixtures|Fixtures|testdata|examples?|docs?|stubs?|storage|var|cache|templates?|build|pipelinex-package|[^/]*\{\{[^/]*)/~';
const DOCUMENT_ROOTS = ['public', 'web', 'webroot', 'htdocs', 'public_html', 'www', 'html', 'src/public', '.'];

function text(string $path): string
{
    return is_file($path) ? (string) file_get_contents($path) : '';
}

function manifest(): array
{
    if (!is_file('composer.json')) {
        return [];
    }
    $read = json_decode(preg_replace('/^\xEF\xBB\xBF/', '', text('composer.json')), true);
    if (!is_array($read)) {
        fwrite(STDERR, 'composer.json is not JSON: ' . json_last_error_msg() . "\n");
        exit(1);
    }
    return $read;
}

/** The project's PHP files, those of others left out. */
function sources(string $folder = ''): iterable
{
    foreach (scandir($folder === '' ? '.' : $folder) ?: [] as $name) {
        $path = $folder === '' ? $name : "$folder/$name";
        if ($name === '.' || $name === '..' || is_link($path)) {
            continue;
        }
        if (is_dir($path)) {
            if (!preg_match('~^(\..*|vendor|node_modules|pipelinex-package)$~', $name)) {
                yield from sources($path);
            }
        } elseif (str_ends_with($name, '.php')) {
            yield $path;
        }
    }
}

/** Files that PHP cannot read, each with its line. */
function syntax(): array
{
    $wrong = [];
    foreach (sources() as $path) {
        if (preg_match(BESIDE, $path)) {
            continue;
        }
        try {
            @token_get_all(text($path), TOKEN_PARSE);
        } catch (ParseError $error) {
            $wrong[] = "$path:{$error->getLine()}: {$error->getMessage()}";
        }
    }
    return $wrong;
}

/** Whether anything is to be installed, or to be loaded by Composer's autoloader. */
function installs(): array
{
    return is_file('composer.json') ? ['yes'] : [];
}

/** What the tests are run by: the kind, and the program. */
function runner(): array
{
    $configured = (bool) array_filter(['phpunit.xml', 'phpunit.xml.dist', 'phpunit.dist.xml'], 'is_file');
    if (is_file('vendor/bin/pest') && is_file('tests/Pest.php')) {
        return ['pest vendor/bin/pest'];
    }
    $tests = false;
    foreach (sources() as $path) {
        $tests = $tests || (bool) preg_match('~(^|/)[Tt]ests?/.*Test\.php$|(^|/)[A-Z]\w*Test\.php$~', $path);
    }
    if ($configured || $tests) {
        foreach (['vendor/bin/phpunit', 'vendor/bin/simple-phpunit', 'bin/phpunit'] as $program) {
            if (is_file($program)) {
                return ["phpunit $program"];
            }
        }
        if (needs_runner() === []) {
            return ['phpunit phpunit'];
        }
    }
    $script = manifest()['scripts']['test'] ?? null;
    return $script !== null ? ['script test'] : ($tests || $configured ? ['phpunit phpunit'] : []);
}

/** A runner that the project names among its dependencies, whether it is installed or not. */
function needs_runner(): array
{
    $named = array_intersect(
        ['phpunit/phpunit', 'pestphp/pest', 'symfony/phpunit-bridge', 'codeception/codeception', 'phpspec/phpspec', 'behat/behat', 'atoum/atoum', 'nette/tester', 'kahlan/kahlan'],
        array_keys((manifest()['require-dev'] ?? []) + (manifest()['require'] ?? [])),
    );
    return array_values($named);
}

function laravel(): array
{
    return is_file('artisan') && str_contains(text('artisan'), 'bootstrap/app') ? ['yes'] : [];
}

/** What starts the application: the kind first. Nothing: nothing does, it is a library. */
function start(): array
{
    preg_match('/^web:[ \t]*(.+)$/m', text('Procfile'), $web);
    // Apache and nginx as one host of applications has them are not here; the folder that they are given is.
    $served = isset($web[1]) && preg_match('~heroku-php-\w+|frankenphp|php-fpm~', $web[1]);
    if (isset($web[1]) && !$served) {
        return ['command ' . trim($web[1])];
    }
    if (laravel()) {
        return ['laravel'];
    }
    $roots = DOCUMENT_ROOTS;
    if ($served && preg_match('~\s([\w./-]+?)/?$~', $web[1], $named)) {
        array_unshift($roots, $named[1]);
    }
    foreach ($roots as $root) {
        if (is_file("$root/index.php")) {
            return ["root $root"];
        }
    }
    return [];
}

/** A name for the archive of a library. */
function name(): array
{
    return [preg_replace('/[^A-Za-z0-9._-]+/', '-', manifest()['name'] ?? 'application')];
}

$answer = $argv[1];
foreach ($answer() as $line) {
    echo "$line\n";
}
