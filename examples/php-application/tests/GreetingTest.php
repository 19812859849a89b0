<?php

declare(strict_types=1);

namespace Pipelinex\Greeter\Tests;

use PHPUnit\Framework\TestCase;
use Pipelinex\Greeter\Greeting;

final class GreetingTest extends TestCase
{
    public function testGreetsByName(): void
    {
        self::assertSame('Hello, Ada!', (new Greeting())->of(' Ada '));
    }

    public function testGreetsTheWorldWithoutAName(): void
    {
        self::assertSame('Hello, world!', (new Greeting())->of(''));
    }

    public function testCountsLettersAndNotBytes(): void
    {
        self::assertSame('Hello, ' . str_repeat('ä', 80) . '!', (new Greeting())->of(str_repeat('ä', 90)));
    }
}
