<?php

declare(strict_types=1);

namespace Pipelinex\Greeter;

final class Greeting
{
    /** The sentence for a name, of at most 80 letters of it. */
    public function of(string $name): string
    {
        $name = trim($name) === '' ? 'world' : trim($name);
        return 'Hello, ' . mb_substr($name, 0, 80) . '!';
    }
}
