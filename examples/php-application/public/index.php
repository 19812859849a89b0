<?php

declare(strict_types=1);

use Pipelinex\Greeter\Greeting;

require __DIR__ . '/../vendor/autoload.php';

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header('Content-Type: text/plain; charset=utf-8');
if ($path === '/') {
    echo "GET /greeting?name=NAME\n";
} elseif ($path === '/greeting') {
    $name = $_GET['name'] ?? 'world';
    echo (new Greeting())->of(is_string($name) ? $name : 'world'), "\n";
} else {
    http_response_code(404);
    echo "there is nothing here\n";
}
