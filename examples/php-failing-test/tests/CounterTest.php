<?php

use PHPUnit\Framework\TestCase;
use Pipelinex\Counter\Counter;

final class CounterTest extends TestCase
{
    public function testCountsWords(): void
    {
        self::assertSame(2, Counter::words('two words'));
    }

    public function testNoTextHasNoWords(): void
    {
        self::assertSame(0, Counter::words(''));
    }
}
